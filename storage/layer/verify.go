package layer

import (
	"archive/tar"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/ownership"
)

// ErrDamaged is wrapped by what Verify finds.
var ErrDamaged = errors.New("damaged")

// expected is what a tar says of one path.
type expected struct {
	mode   uint32 // st_mode: type and permissions
	uid    int
	gid    int
	target string
	many   bool // the path comes more than once: which one holds is not looked into
}

// Verify puts the tar of a layer together from tarSplit (uncompressed) and the files under dir, and
// compares its digest with want, and the entries of it with what lies there: type, owner, mode and
// target. ErrDamaged is wrapped when something differs.
func Verify(dir string, tarSplit io.Reader, want digest.Digest, o ownership.Tree) error {
	r, w := io.Pipe()
	joined := make(chan error, 1)
	go func() {
		err := join(w, tarSplit, dir)
		w.CloseWithError(err)
		joined <- err
	}()
	hash := sha256.New()
	entries := map[string]expected{}
	tee := io.TeeReader(r, hash)
	terr := expect(tee, entries)
	_, cerr := io.Copy(io.Discard, tee) // what lies behind the end of the archive
	r.Close()
	if err := <-joined; err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if err := errors.Join(terr, cerr); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if got := digest.NewDigest(digest.SHA256, hash); got != want {
		return fmt.Errorf("%w: its content has the digest %s, not %s", ErrDamaged, got, want)
	}
	root, err := openRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for name, e := range entries {
		if err := e.compare(root, name, &o); err != nil {
			return fmt.Errorf("%w: %q: %w", ErrDamaged, name, err)
		}
	}
	return nil
}

func expect(r io.Reader, entries map[string]expected) error {
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
		if name == "" || strings.Contains(name, whiteoutPrefix) {
			continue
		}
		e := expected{mode: uint32(h.Mode) & 0o7777, uid: h.Uid, gid: h.Gid, target: h.Linkname}
		switch h.Typeflag {
		case tar.TypeReg, '\x00', tar.TypeCont, tar.TypeGNUSparse:
			e.mode |= unix.S_IFREG
		case tar.TypeDir:
			e.mode |= unix.S_IFDIR
		case tar.TypeSymlink:
			e.mode |= unix.S_IFLNK
		case tar.TypeChar:
			e.mode |= unix.S_IFCHR
		case tar.TypeBlock:
			e.mode |= unix.S_IFBLK
		case tar.TypeFifo:
			e.mode |= unix.S_IFIFO
		case tar.TypeLink:
			e.mode = 0 // what it links to is an entry of its own
		default:
			continue
		}
		if _, twice := entries[name]; twice {
			e.many = true
		}
		entries[name] = e
	}
}

// compare looks at what lies at name.
func (e expected) compare(r *root, name string, o *ownership.Tree) error {
	at, err := r.parent(name)
	if err != nil {
		return err
	}
	base := path.Base(name)
	got, _, err := o.Lstat(at, base, name)
	if errors.Is(err, unix.ENOENT) {
		return errors.New("it is missing")
	}
	if err != nil {
		return err
	}
	if e.many || e.mode == 0 {
		return nil
	}
	if got.Mode&unix.S_IFMT != e.mode&unix.S_IFMT {
		return errors.New("it is of another type")
	}
	if int(got.UID) != e.uid || int(got.GID) != e.gid {
		return fmt.Errorf("it belongs to %d:%d, not %d:%d", got.UID, got.GID, e.uid, e.gid)
	}
	if e.mode&unix.S_IFMT != unix.S_IFLNK {
		if got.Mode&0o7777 != e.mode&0o7777 {
			return fmt.Errorf("its mode is %o, not %o", got.Mode&0o7777, e.mode&0o7777)
		}
		return nil
	}
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(at, base, buf)
	if err != nil {
		return err
	}
	if string(buf[:n]) != e.target {
		return errors.New("it points to another place")
	}
	return nil
}
