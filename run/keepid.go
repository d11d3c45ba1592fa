package run

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/idmap"
	"github.com/dhow-containers/dhow/rootless/ownership"
	"github.com/dhow-containers/dhow/run/record"
	"github.com/dhow-containers/dhow/run/spec"
	"github.com/dhow-containers/dhow/storage/working"
)

// readKeepID reads --userns keep-id: the container sees the caller under the caller's own ids, or under
// those given, and runs as this user where no other is named.
//
// With a single-id map every owner is shown by the supervisor. With subordinate ids the container gets a
// user namespace of its own inside dhow's, in which the ids are in another order (idmap.Shift), and a
// root filesystem with owners to match (storage.Below).
func (o Options) readKeepID(w *wishes, values string) error {
	k := spec.KeepID{UID: o.Mapping.CallerUID, GID: o.Mapping.CallerGID}
	if values != "" {
		for kv := range strings.SplitSeq(values, ",") {
			key, value, _ := strings.Cut(kv, "=")
			n, err := strconv.ParseUint(value, 10, 31)
			switch {
			case err != nil || key != "uid" && key != "gid":
				return fmt.Errorf("invalid USER mode: %s: keep-id takes uid=NUMBER and gid=NUMBER", o.Userns)
			case key == "uid":
				k.UID = uint32(n)
			default:
				k.GID = uint32(n)
			}
		}
	}
	if o.Mapping.Kind == idmap.Root {
		return errors.New("--userns keep-id is for users: root's containers have every id as it is")
	}
	w.KeepID = &k
	if !w.shift(o.Mapping).IsZero() && w.HostPID && w.Join.Any() {
		return errors.New("conflicting options: --userns keep-id and namespaces of other containers")
	}
	if w.User == "" {
		w.User = k.User()
	}
	return nil
}

// shift is what the container calls the ids of this process's namespace.
func (w *wishes) shift(m idmap.Mapping) idmap.Shift {
	if w.KeepID == nil {
		return idmap.Shift{}
	}
	return m.KeepID(w.KeepID.UID, w.KeepID.GID)
}

func (c *container) shift() idmap.Shift { return c.w.shift(c.o.Mapping) }

// shiftOf is the shift of a container that is only known from its record.
func shiftOf(m idmap.Mapping, f record.Container) idmap.Shift {
	if f.KeepID == nil {
		return idmap.Shift{}
	}
	return m.KeepID(f.KeepID.UID, f.KeepID.GID)
}

// rootOwned gives a file that dhow makes for a container to the container's root, who is not this
// process in a user namespace of the container's own.
func rootOwned(fd int, shift idmap.Shift) error {
	if shift.IsZero() {
		return nil
	}
	uid, gid, ok := shift.Here(0, 0)
	if !ok {
		return unix.EINVAL
	}
	return unix.Fchownat(fd, "", int(uid), int(gid), unix.AT_EMPTY_PATH)
}

// rootOwnedPath is rootOwned for a path that nobody else can change.
func rootOwnedPath(path string, shift idmap.Shift) error {
	if shift.IsZero() {
		return nil
	}
	uid, gid, _ := shift.Here(0, 0)
	return os.Lchown(path, int(uid), int(gid))
}

// giveVolume gives a new volume that the image says nothing of to the caller, as podman does: the
// container's user is to write there. Without subordinate ids that has to be written down.
func (c *container) giveVolume(dir string) error {
	if c.w.KeepID == nil || c.o.Mapping.Native() {
		return nil
	}
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	defer unix.Close(fd)
	owners := ownership.Tree{Userns: true}
	a, _, err := owners.LstatOpen(fd, "")
	if err != nil {
		return err
	}
	a.UID, a.GID = c.w.KeepID.UID, c.w.KeepID.GID
	return owners.SetOpen(fd, "", a)
}

// mountRoot mounts the root filesystem.
func (c *container) mountRoot() error {
	c.work = &working.Work{
		Dir: c.entry.Dir(), Lowers: c.below.Lowers, Data: c.below.Data,
		// What is removed at the end need not survive a power cut.
		Volatile: c.o.Remove,
	}
	if err := c.work.Mount(); err != nil {
		return err
	}
	if len(c.below.Lowers) > 0 {
		return nil
	}
	return rootOwnedPath(c.work.Merged(), c.shift()) // of an image without layers
}
