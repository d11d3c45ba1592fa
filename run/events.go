package run

import (
	"path/filepath"
	"strconv"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/cgroup"
	"github.com/dhow-containers/dhow/run/event"
	"github.com/dhow-containers/dhow/run/record"
	"github.com/dhow-containers/dhow/storage/volume"
)

// Book is where the containers of the store at dir (paths.Store) are recorded. What becomes of them is
// noted in the store's journal.
func Book(dir string) record.Book {
	return record.Book{Dir: filepath.Join(dir, "containers"), Note: func(c record.Container, action string, more ...string) {
		event.Journal{Dir: dir}.Add(event.Container(c, action, more...))
	}}
}

// Volumes is the place of the volumes of the store at dir.
func Volumes(dir string) volume.Store {
	return volume.Store{Dir: filepath.Join(dir, "volumes"), Note: func(action, name string) {
		event.Journal{Dir: dir}.Add(event.New(event.VolumeType, action, name, "driver", "local"))
	}}
}

// note notes what became of the container in its own process.
func (c *container) note(action string, more ...string) {
	c.o.book().Tell(c.entry.Container, action, more...)
}

// noteStart notes the start with what came before it in the same moment: a foreground run tells of
// everything in one write, beside its payload and not before it.
func (c *container) noteStart(before ...event.Event) {
	for _, m := range c.entry.Mounts {
		if m.Type == "volume" {
			before = append(before, event.New(event.VolumeType, "mount", m.Name, "container", c.entry.ID, "destination", m.Target,
				"driver", "local", "read/write", strconv.FormatBool(!m.ReadOnly)))
		}
	}
	start := event.Container(c.entry.Container, "start")
	start.TimeNano = c.started.Started.UnixNano()
	c.journal().Add(append(before, start)...)
}

// noteEnd notes the end of the payload, and that the kernel killed a process of it for want of memory.
func (c *container) noteEnd(status int, oom bool) {
	var events []event.Event
	if oom && (c.killed == nil || !c.killed.Load()) {
		events = append(events, event.Container(c.entry.Container, "oom"))
	}
	events = append(events, event.Died(c.entry.Container, status, c.started.Started))
	for _, m := range c.entry.Mounts {
		if m.Type == "volume" {
			events = append(events, event.New(event.VolumeType, "unmount", m.Name, "container", c.entry.ID, "driver", "local"))
		}
	}
	c.journal().Add(events...)
}

// noteKills tells when the kernel kills a process of the payload for want of memory, as it happens, until the
// function it gives is called; nil where that can not be seen.
func (c *container) noteKills() (stop func()) {
	if c.killed = nil; c.started.Cgroup == "" {
		return nil
	}
	l, told := c.live(), &atomic.Bool{}
	c.killed = told
	return cgroup.WatchKills(c.started.Cgroup, func(uint64) {
		told.Store(true)
		l.note("oom")
	})
}

// created is the event of the container's making.
func (c *container) created() event.Event {
	e := event.Container(c.entry.Container, "create")
	e.TimeNano = c.entry.Created.UnixNano()
	return e
}

func (c *container) noteSignal(sig unix.Signal) { c.note("kill", "signal", strconv.Itoa(int(sig))) }

func (c *container) journal() event.Journal { return event.Journal{Dir: c.o.Dir} }

// ImageNote is what storage.Options.Note takes to note what becomes of the images of the store at dir.
func ImageNote(dir string) func(action, id string, more ...string) {
	return func(action, id string, more ...string) {
		event.Journal{Dir: dir}.Add(event.New(event.ImageType, action, id, more...))
	}
}
