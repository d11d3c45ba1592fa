package run

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/dhow-containers/dhow/run/event"
	"github.com/dhow-containers/dhow/run/record"
)

// A container that ran out of memory tells so before its end, with its volumes after it.
func TestEndIsNoted(t *testing.T) {
	dir := t.TempDir()
	o := Options{Dir: dir}
	e, err := o.book().Create(record.Container{
		ID: record.NewID(), Name: "web", Mounts: []record.Mount{{Type: "volume", Name: "data", Target: "/data"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	c := &container{o: o, entry: e, started: record.State{Started: time.Now()}}
	c.noteEnd(137, true)
	c.noteEnd(0, false)
	var got []string
	read := event.ReadOptions{Since: time.Now().Add(-time.Minute), Until: time.Now()}
	if err := c.journal().Read(context.Background(), read, func(e event.Event) error {
		got = append(got, e.Action+e.Attributes["exitCode"])
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"oom", "die137", "unmount", "die0", "unmount"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
