package run

import (
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/idmap"
	"github.com/dhow-containers/dhow/rootless/ownership"
	"github.com/dhow-containers/dhow/run/event"
	"github.com/dhow-containers/dhow/run/record"
	"github.com/dhow-containers/dhow/run/sandbox"
	"github.com/dhow-containers/dhow/run/spec"
	"github.com/dhow-containers/dhow/storage"
)

// live is one run of a container, for those who ask its monitor. It is made when the payload has started,
// and nothing in it changes after that: who has got hold of it may still be at work when the run is over
// and the container is put away, which is its monitor's matter alone. The box then says that it is down.
type live struct {
	box     *sandbox.Container
	owners  *ownership.Supervisor // nil where the kernel keeps owners
	dir     string                // paths.Store
	mapping idmap.Mapping
	image   storage.Image
	wishes  spec.Wishes
	record  record.Container
	root    string // where the root filesystem is mounted
}

// live is what others see of the run that was just started.
func (c *container) live() *live {
	return &live{
		box: c.box, owners: c.owners, dir: c.o.Dir, mapping: c.o.Mapping, image: c.img, wishes: c.w.Wishes,
		record: c.entry.Container, root: c.work.Merged(),
	}
}

func (l *live) journal() event.Journal { return event.Journal{Dir: l.dir} }

func (l *live) note(action string, more ...string) { Book(l.dir).Tell(l.record, action, more...) }

func (l *live) noteSignal(sig unix.Signal) { l.note("kill", "signal", strconv.Itoa(int(sig))) }
