package layer

import (
	"fmt"
	"io/fs"
	"path"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/ownership"
	"github.com/dhow-containers/dhow/storage/tree"
)

// Lower is a layer below the one that is completed.
type Lower struct {
	Dir   string
	Links ownership.Links
}

// Inherit completes the tree Apply made at dir, now that the layers below it are known (topmost
// first): directories no entry described, and an undescribed root, get owner, mode and time of the
// topmost layer that has them; a layer whose root is opaque gets a whiteout for everything below.
func Inherit(dir string, a Applied, lowers []Lower, o ApplyOptions) error {
	if a.Root && len(a.Implied) == 0 && !a.OpaqueRoot || len(lowers) == 0 {
		return nil
	}
	in := &inheriting{o: o}
	var err error
	if in.root, err = openRoot(dir); err != nil {
		return err
	}
	defer in.root.Close()
	for _, l := range lowers {
		r, err := openRoot(l.Dir)
		if err != nil {
			return err
		}
		defer r.Close()
		in.lowers = append(in.lowers, r)
		in.links = append(in.links, l.Links)
	}
	if a.OpaqueRoot {
		return in.hideAll()
	}
	paths := a.Implied
	if !a.Root {
		paths = append([]string{""}, paths...)
	}
	for i := len(paths) - 1; i >= 0; i-- { // deepest first: a time set last stays
		if err := in.copy(paths[i]); err != nil {
			return fmt.Errorf("completing directory %q: %w", paths[i], err)
		}
	}
	return nil
}

type inheriting struct {
	o      ApplyOptions
	root   *root
	lowers []*root
	links  []ownership.Links
}

// copy gives the directory rel the attributes it has below.
func (in *inheriting) copy(rel string) error {
	at, name := in.root.fd, ""
	if rel != "" {
		var err error
		if at, err = in.root.parent(rel); err != nil {
			return err
		}
		name = path.Base(rel)
	}
	for i, lower := range in.lowers {
		from := ownership.Tree{Native: in.o.Tree.Native, Userns: in.o.Tree.Userns, Links: in.links[i]}
		dir, base := lower.fd, ""
		if rel != "" {
			fd, err := openat2(lower.fd, path.Dir(rel), &unix.OpenHow{
				Flags:   unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
				Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
			})
			if err == unix.ENOENT {
				continue
			}
			if err != nil {
				return nil // something else stands there: the directory is new
			}
			defer unix.Close(fd)
			dir, base = fd, name
		}
		var st unix.Stat_t
		if base != "" {
			if err := unix.Fstatat(dir, base, &st, unix.AT_SYMLINK_NOFOLLOW); err == unix.ENOENT {
				continue
			}
		}
		a, st, err := from.Lstat(dir, base, rel)
		if err != nil {
			return err
		}
		if st.Mode&unix.S_IFMT != unix.S_IFDIR {
			return nil
		}
		if err := in.o.Tree.Set(at, name, rel, a); err != nil {
			return err
		}
		if name == "" {
			name = "."
		}
		return unix.UtimesNanoAt(at, name, []unix.Timespec{st.Atim, st.Mtim}, unix.AT_SYMLINK_NOFOLLOW)
	}
	return nil
}

// hideAll stands in for an opaque root, which overlayfs does not know.
func (in *inheriting) hideAll() error {
	for _, lower := range in.lowers {
		fd, err := unix.Openat(lower.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return &fs.PathError{Op: "open", Path: "layer below", Err: err}
		}
		names, err := tree.List(fd)
		unix.Close(fd)
		if err != nil {
			return err
		}
		for _, name := range names {
			u := unpacking{o: in.o, root: in.root}
			if err := u.hide(name); err != nil {
				return err
			}
		}
	}
	return nil
}
