package layer

import (
	"errors"
	"io/fs"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// whiteout handles the names that stand for something else in a layer (image-spec, layer.md,
// "Whiteouts"). The type of such an entry does not matter: AUFS wrote hard links.
func (u *unpacking) whiteout(rel string) (handled bool, err error) {
	if !strings.Contains(rel, whiteoutPrefix) {
		return false, nil
	}
	dir, base := path.Dir(rel), path.Base(rel)
	if dir != "." {
		for part := range strings.SplitSeq(dir, "/") {
			if strings.HasPrefix(part, metaPrefix) {
				return true, nil
			}
			if strings.HasPrefix(part, whiteoutPrefix) {
				return true, refused("%q is a whiteout, not a directory", part)
			}
		}
	}
	switch {
	case base == opaqueMarker:
		return true, u.opaque(rel)
	case strings.HasPrefix(base, metaPrefix):
		return true, nil
	case !strings.HasPrefix(base, whiteoutPrefix):
		return false, nil
	}
	hidden := base[len(whiteoutPrefix):]
	if hidden == "" || hidden == "." || hidden == ".." {
		return true, refused("a whiteout of %q", hidden)
	}
	return true, u.hide(path.Join(dir, hidden))
}

// opaque makes the directory the marker lies in hide what is below it.
func (u *unpacking) opaque(marker string) error {
	at, err := u.root.parent(marker)
	if err != nil {
		return err
	}
	if at == u.root.fd {
		u.applied.OpaqueRoot = true
		return nil
	}
	return u.setXattr(file{at: at, rel: path.Dir(marker)}, -1, opaqueXattr(u.o.Userxattr), []byte("y"))
}

// hide puts a whiteout at rel. A file of the same layer is not hidden by it, whatever the order of
// the entries; a directory then only hides what is below.
func (u *unpacking) hide(rel string) error {
	at, err := u.root.parent(rel)
	if err != nil {
		return err
	}
	name := path.Base(rel)
	err = unix.Mknodat(at, name, unix.S_IFCHR, 0)
	if err == nil {
		return nil
	}
	if err != unix.EEXIST {
		return &fs.PathError{Op: "making a whiteout", Path: rel, Err: err}
	}
	var st unix.Stat_t
	if err := unix.Fstatat(at, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return nil
	}
	err = u.setXattr(file{at: at, name: name, rel: rel}, -1, opaqueXattr(u.o.Userxattr), []byte("y"))
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}
