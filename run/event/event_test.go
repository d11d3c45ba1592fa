package event

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dhow-containers/dhow/run/record"
)

func all(t *testing.T, j Journal, f Filter) []Event {
	t.Helper()
	var got []Event
	o := ReadOptions{Since: time.Unix(1, 0), Until: time.Now(), Filter: f}
	if err := j.Read(t.Context(), o, func(e Event) error { got = append(got, e); return nil }); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestAddAndRead(t *testing.T) {
	j := Journal{Dir: t.TempDir()}
	if got := all(t, j, nil); len(got) != 0 {
		t.Fatalf("before the first: %v", got)
	}
	c := record.Container{ID: "c0ffee", Name: "web", Image: "base:1", Labels: map[string]string{"tier": "front"}}
	j.Add(Container(c, "create"), Container(c, "start"))
	j.Add(Died(c, 3, time.Now().Add(-2*time.Second)), New(VolumeType, "create", "data", "driver", "local"))
	got := all(t, j, nil)
	if len(got) != 4 || got[2].Attributes["exitCode"] != "3" || got[2].Attributes["execDuration"] != "2" || got[0].Attributes["tier"] != "front" {
		t.Fatalf("%+v", got)
	}
	// A disk that was full cut a line short; the next event is whole.
	path := filepath.Join(j.Dir, "events", "journal.v1")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"type":"container","act`); err != nil {
		t.Fatal(err)
	}
	f.Close()
	j.Add(Container(c, "destroy"))
	if got := all(t, j, nil); len(got) != 5 || got[4].Action != "destroy" {
		t.Errorf("after a cut line: %+v", got)
	}
	// What can not be written is forgotten.
	Journal{Dir: filepath.Join(j.Dir, "events", "journal.v1")}.Add(Container(c, "kill"))
	Journal{}.Add(Container(c, "kill"))
	huge := c
	huge.Labels = map[string]string{"x": strings.Repeat("y", 2*longest)}
	j.Add(Container(huge, "pause"))
	if got := all(t, j, nil); len(got) != 6 || got[5].Attributes["name"] != "web" || got[5].Attributes["x"] != "" {
		t.Errorf("with a huge label: %d", len(got))
	}
}

// Many writers and a follower, over several rotations: nothing is lost, nothing comes twice.
func TestFollow(t *testing.T) {
	j := Journal{Dir: t.TempDir()}
	const writers, each = 8, 1500
	seen := map[string]int{}
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() {
		close(ready)
		done <- j.Read(ctx, ReadOptions{Since: time.Unix(1, 0)}, func(e Event) error {
			if seen[e.ID]++; len(seen) == writers*each {
				cancel()
			}
			return nil
		})
	}()
	<-ready
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				j.Add(New(VolumeType, "create", fmt.Sprintf("%d-%d", w, i), "driver", strings.Repeat("x", 150)))
				if i%50 == 0 {
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	wg.Wait()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		cancel()
		<-done
		t.Fatalf("%d of %d came", len(seen), writers*each)
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s came %d times", id, n)
		}
	}
	// While many write the file may not be moved away; one writer alone makes up for it.
	for i := range 2 * maxBytes / 200 {
		j.Add(New(VolumeType, "create", fmt.Sprint("alone-", i), "driver", strings.Repeat("x", 150)))
	}
	var size int64
	files, _ := filepath.Glob(filepath.Join(j.Dir, "events", "*"))
	for _, f := range files {
		if st, err := os.Stat(f); err == nil {
			size += st.Size()
		}
	}
	if size > 2*maxBytes+longest || len(files) != 2 {
		t.Errorf("%d bytes in %q", size, files)
	}
}

func TestFilter(t *testing.T) {
	c := record.Container{ID: "c0ffee", Name: "web", Image: "host:5/base:1", Labels: map[string]string{"tier": "front", "x": ""}}
	e := Container(c, "exec_create: ls -l")
	pull := New(ImageType, "pull", "base:2", "name", "base:2")
	for _, test := range []struct {
		filters []string
		e       Event
		want    bool
	}{
		{nil, e, true}, {[]string{"container=web"}, e, true}, {[]string{"container=c0f"}, e, true}, {[]string{"container=other"}, e, false},
		{[]string{"event=exec_create"}, e, true}, {[]string{"event=exec_create: ls -l"}, e, true}, {[]string{"event=exec"}, e, false},
		{[]string{"image=host:5/base"}, e, true}, {[]string{"image=host:5/base:1"}, e, true}, {[]string{"image=host"}, e, false},
		{[]string{"label=tier"}, e, true}, {[]string{"label=tier=front", "label=x"}, e, true}, {[]string{"label=tier=front", "label=y"}, e, false},
		{[]string{"type=image", "type=container"}, e, true}, {[]string{"type=image", "container=web"}, e, false},
		{[]string{"image=base"}, pull, true}, {[]string{"container=base"}, pull, false}, {[]string{"volume=base"}, pull, false}, {[]string{"scope=local"}, pull, true},
	} {
		f, err := ParseFilter(test.filters)
		if err != nil || f.Match(test.e) != test.want {
			t.Errorf("%q of %s: %v, %v", test.filters, test.e.Action, f.Match(test.e), err)
		}
	}
	for _, bad := range []string{"web", "colour=red"} {
		if _, err := ParseFilter([]string{bad}); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// FuzzParse: a line is an event that is written as the same line again, or none.
func FuzzParse(f *testing.F) {
	f.Add(New(VolumeType, "create", "data", "driver", "local").line())
	f.Add([]byte(`{"type":"a","action":"b","time":1}`))
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, ok := parse(data)
		if !ok {
			return
		}
		line := e.line()
		if line == nil {
			return // longer than we write
		}
		again, ok := parse(line)
		if !ok || len(data) < longest/2 && !reflect.DeepEqual(again, e) && len(e.Attributes)+len(again.Attributes) > 0 {
			t.Errorf("%+v became %+v", e, again)
		}
	})
}
