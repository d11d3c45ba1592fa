package working

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/storage/tree"
)

// transient are the overlay's xattrs (after the prefix) that mean something only to the mount that
// wrote them (overlayfs.rst; fs/overlayfs/overlayfs.h). What stays is "opaque", which is content,
// and escaped ones ("overlay.…"), which a payload wrote and sees through the mount.
var transient = map[string]bool{
	"origin": true, "impure": true, "uuid": true, "nlink": true, "upper": true, "protattr": true,
	"redirect": true, "metacopy": true,
}

// Finish removes from Upper what the overlay left there for itself, and sockets, so that it can be
// adopted as a layer. Unmount first.
func (w *Work) Finish() error {
	if err := Clean(w.Upper()); err != nil {
		return fmt.Errorf("finishing %s: %w", w.Upper(), err)
	}
	return nil
}

// Clean is Finish for any directory that was an overlay's upper.
func Clean(dir string) error {
	prefix := overlayPrefix()
	return tree.Walk(dir, func(e *tree.Entry) error {
		switch e.Stat.Mode & unix.S_IFMT {
		case unix.S_IFDIR, unix.S_IFREG:
		case unix.S_IFSOCK:
			if err := unix.Unlinkat(e.DirFD, e.Name, 0); err != nil {
				return fmt.Errorf("removing socket %q: %w", e.Rel, err)
			}
			return nil
		default:
			if prefix == "user.overlay." {
				return nil // other types can not carry user xattrs
			}
		}
		names, err := e.Xattrs()
		if err != nil {
			return err
		}
		for _, name := range names {
			if what, ok := strings.CutPrefix(name, prefix); ok && transient[what] {
				if what == "redirect" || what == "metacopy" {
					return fmt.Errorf("%q is incomplete: it carries %s, which dhow's mounts do not write", e.Rel, name)
				}
				if err := e.DropXattr(name); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
