package run

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/idmap"
)

// explainClosed says why a container with a user namespace of its own can not start where its root may
// not pass a directory above the store: in there it is none of those for whom the directory is open, and
// the rights of a root hold only for files whose owner and group the namespace knows
// (user_namespaces(7)).
func (c *container) explainClosed(err error) error {
	// What fails in the container's first process comes as text.
	if err == nil || c.shift().IsZero() || !strings.Contains(err.Error(), unix.EACCES.Error()) {
		return err
	}
	if dir := closedTo(c.shift(), c.work.Merged()); dir != "" {
		return fmt.Errorf("--userns keep-id: the container's ids may not pass %s: chmod o+x %s", dir, dir)
	}
	return err
}

// closedTo gives the topmost directory on the way to path that a container's root may not pass, "" when
// there is none.
func closedTo(shift idmap.Shift, path string) (closed string) {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		var st unix.Stat_t
		if unix.Stat(dir, &st) == nil && st.Mode&0o001 == 0 && !(known(shift.UIDs, st.Uid) && known(shift.GIDs, st.Gid)) {
			closed = dir
		}
		if dir == "/" || dir == "." {
			return closed
		}
	}
}

// known reports whether the namespace has a number for an id of this process's. The kernel shows the
// ids that this one does not know as the overflow id.
func known(ids []idmap.Range, id uint32) bool {
	const overflow = 65534
	for _, r := range ids {
		if id >= r.Outside && id-r.Outside < r.Length {
			return id != overflow
		}
	}
	return false
}

// explainFew adds what helps a caller whose own number is above all those of the container: it takes
// the place of none of them, so one is missing at the end.
func (c *container) explainFew(err error) error {
	shift := c.shift()
	if err == nil || shift.IsZero() || !errors.Is(err, unix.EINVAL) {
		return err
	}
	if above(c.o.Mapping.UIDs, shift.UID) || above(c.o.Mapping.GIDs, shift.GID) {
		return fmt.Errorf("%w, or --userns keep-id:uid=1000,gid=1000", err)
	}
	return err
}

func above(ids []idmap.Range, id uint32) bool {
	for _, r := range ids {
		if id <= r.Inside+r.Length-1 {
			return false
		}
	}
	return true
}
