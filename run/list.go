package run

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/cgroup"
	"github.com/dhow-containers/dhow/run/record"
)

// List gives all containers of the store at dir (paths.Store), newest first. It first puts in order
// what a killed monitor has left: a payload that outlived it is killed, and a container that was to be
// removed at its exit is removed.
func List(dir string) ([]record.Found, error) {
	book := Book(dir)
	all, err := book.List()
	kept := all[:0]
	for _, f := range all {
		if !settle(dir, f) {
			kept = append(kept, f)
		}
	}
	return kept, err
}

// settle puts in order what a killed monitor has left of one container, and reports whether the
// container is gone now.
func settle(dir string, f record.Found) bool {
	if f.State.Status == record.Exited && f.State.Alive() {
		_ = unix.Kill(f.State.Pid, unix.SIGKILL)
	}
	if f.State.Status == record.Exited && f.State.Cgroup != "" {
		_ = cgroup.Remove(f.State.Cgroup)
	}
	if f.State.Status == record.Exited {
		record.KillLeft(f.Container, f.State)
	}
	if !f.AutoRemove || f.State.Active() {
		return false
	}
	e, err := Book(dir).Take(f.ID)
	if err != nil {
		return errors.Is(err, record.ErrNotFound)
	}
	return errors.Join(removeAnonymous(Volumes(dir), f.Container), e.Remove()) == nil
}

// someSettled is how many containers a run looks at while its own payload works.
const someSettled = 2

// settleSome puts a few containers of the store in order, so that a machine that only ever runs
// containers does not collect those whose dhow was killed. The few are drawn by chance and cost the
// same however many there are.
func settleSome(dir string) {
	for _, f := range Book(dir).Some(someSettled) {
		settle(dir, f)
	}
	if base, err := cgroup.Look(); err == nil {
		cgroup.Sweep(base)
	}
}
