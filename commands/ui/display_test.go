package ui

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/storage/progress"
)

// Every display takes events from many goroutines, also late ones, and closes once.
func TestDisplaysTakeEventsFromEverywhere(t *testing.T) {
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	displays := map[string]interface{ Event(progress.Event) }{"pull": NewTransfer(Pulling, out, false), "silent": NewTransfer(Pushing, out, true)}
	for _, mode := range []string{"plain", "rawjson", "quiet"} {
		d, err := NewBuildDisplay(mode, out)
		if err != nil {
			t.Fatal(err)
		}
		displays[mode] = d
	}
	displays["tty"] = &BuildDisplay{impl: newTTY(terminal(t), false)}
	for name, d := range displays {
		emit := progress.Func(d.Event)
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() {
				id := fmt.Sprint("step", g)
				emit.Emit(progress.Event{ID: id, Name: id})
				for i := range 200 {
					emit.Emit(progress.Event{ID: id, Log: fmt.Appendf(nil, "line %d\n", i)})
					emit.Emit(progress.Event{ID: fmt.Sprint("layer", i%5), Group: id, Name: "layer", Action: "downloading", Current: int64(i), Total: 200})
				}
				emit.Emit(progress.Event{ID: id, State: progress.Done, Warning: "w"})
			})
		}
		switch d := d.(type) {
		case *BuildDisplay:
			wg.Wait()
			d.Close(true)
			d.Close(false)
		case *Transfer:
			wg.Wait()
			d.Close()
			d.Close()
		}
		t.Log(name)
	}
}

// terminal gives the user's side of a pseudo-terminal whose output is thrown away.
func terminal(t *testing.T) *os.File {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no pseudo-terminal here: ", err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Skip("no pseudo-terminal here: ", err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Skip("no pseudo-terminal here: ", err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no pseudo-terminal here: ", err)
	}
	go func() {
		buf := make([]byte, 4096)
		for {
			if _, err := master.Read(buf); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { slave.Close(); master.Close() })
	return slave
}
