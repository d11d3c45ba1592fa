package layer

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// breakouts are the ways out of a directory that unpackers have left open: over symlinks, hard links and
// whiteouts, in one layer. Each is unpacked into the playground of TestHostile. TOP in a link is the
// playground's absolute path.
//
// harm is what it does to somebody naive: "canary" is changed, "outside" gets a file; or "" where a
// naive unpacker only makes something wrong inside, which the comparison with the chroot finds.
var breakouts = []struct {
	name    string
	members []member
	harm    string
}{
	// Over symlinks.
	{"symlink: absolute directory", []member{linkOf(tar.TypeSymlink, "l", "TOP/outside"), fileOf("l/f", "x")}, "outside"},
	{"symlink: absolute file", []member{linkOf(tar.TypeSymlink, "l", "TOP/canary"), fileOf("l", "dead")}, "canary"},
	{"symlink: up and out", []member{linkOf(tar.TypeSymlink, "l", "../outside"), fileOf("l/f", "x")}, "outside"},
	{"symlink: up and out from below", []member{dirOf("d", 0o755), linkOf(tar.TypeSymlink, "d/l", "../../outside"), fileOf("d/l/f", "x")}, "outside"},
	{"symlink: file up and out", []member{linkOf(tar.TypeSymlink, "l", "../canary"), fileOf("l", "dead")}, "canary"},
	{"symlink: two, absolute", []member{linkOf(tar.TypeSymlink, "k", "TOP"), linkOf(tar.TypeSymlink, "l", "k/outside"), fileOf("l/f", "x")}, "outside"},
	{"symlink: two, relative", []member{linkOf(tar.TypeSymlink, "k", ".."), linkOf(tar.TypeSymlink, "l", "k/outside"), fileOf("l/f", "x")}, "outside"},
	{"symlink: three, one after the other", []member{linkOf(tar.TypeSymlink, "a", ".."), linkOf(tar.TypeSymlink, "b", "a"), linkOf(tar.TypeSymlink, "c", "b/outside"), fileOf("c/f", "x")}, "outside"},
	{"symlink: up more often than there are directories", []member{linkOf(tar.TypeSymlink, "l", strings.Repeat("../", 40)+"TOP/outside"), fileOf("l/f", "x")}, "outside"},
	{"symlink: with a slash behind", []member{linkOf(tar.TypeSymlink, "l", "../outside/"), fileOf("l//f", "x")}, "outside"},
	{"symlink: without a name", []member{linkOf(tar.TypeSymlink, "", "../outside"), fileOf("f", "x")}, ""},
	{"symlink: over the root", []member{linkOf(tar.TypeSymlink, ".", "../outside"), fileOf("./f", "x")}, ""},
	{"symlink: in the parent of an empty file", []member{linkOf(tar.TypeSymlink, "l", "../outside"), fileOf("l/f", "")}, "outside"},
	{"symlink: over a directory that has files", []member{dirOf("d", 0o755), fileOf("d/f", "x"), linkOf(tar.TypeSymlink, "d", "../outside"), fileOf("d/g", "x")}, ""},
	{"symlink: directory over it", []member{linkOf(tar.TypeSymlink, "d", "../outside"), dirOf("d", 0o777), fileOf("d/f", "x")}, "outside"},
	{"symlink: absolute, directory over it", []member{linkOf(tar.TypeSymlink, "d", "TOP/outside"), dirOf("d", 0o777), fileOf("d/f", "x")}, "outside"},
	{"symlink: directory with a slash over it", []member{linkOf(tar.TypeSymlink, "d", "../outside"), dirOf("d/", 0o777), fileOf("d/f", "x")}, "outside"},
	{"symlink: to nothing yet", []member{linkOf(tar.TypeSymlink, "l", "../outside/new"), fileOf("l", "x")}, "outside"},
	{"symlink: to a directory that is made through it", []member{linkOf(tar.TypeSymlink, "l", "../outside/new"), fileOf("l/d/f", "x")}, ""},
	// Over hard links.
	{"hard link: relative", []member{linkOf(tar.TypeLink, "h", "../canary"), fileOf("h", "dead")}, "canary"},
	{"hard link: down and out", []member{dirOf("d", 0o755), linkOf(tar.TypeLink, "h", "d/../../canary"), fileOf("h", "dead")}, "canary"},
	{"hard link: absolute", []member{linkOf(tar.TypeLink, "h", "TOP/canary"), fileOf("h", "dead")}, ""},
	{"hard link: mode through it", []member{linkOf(tar.TypeLink, "h", "../canary"), withMode(linkOf(tar.TypeLink, "g", "h"), 0o4777)}, "canary"},
	{"hard link: through a symlink", []member{linkOf(tar.TypeSymlink, "l", ".."), linkOf(tar.TypeLink, "h", "l/canary"), fileOf("h", "dead")}, "canary"},
	{"hard link: through an absolute symlink", []member{linkOf(tar.TypeSymlink, "l", "TOP"), linkOf(tar.TypeLink, "h", "l/canary"), fileOf("h", "dead")}, "canary"},
	{"hard link: of a symlink, written through", []member{linkOf(tar.TypeSymlink, "l", "../canary"), linkOf(tar.TypeLink, "h", "l"), fileOf("h", "dead")}, "canary"},
	{"hard link: of a symlink, mode through it", []member{linkOf(tar.TypeSymlink, "l", "../canary"), withMode(linkOf(tar.TypeLink, "h", "l"), 0o4777)}, "canary"},
	{"hard link: made into a directory outside", []member{fileOf("f", "x"), linkOf(tar.TypeSymlink, "l", "../outside"), linkOf(tar.TypeLink, "l/h", "f")}, "outside"},
	// Over whiteouts.
	{"whiteout: of a file outside", []member{linkOf(tar.TypeSymlink, "l", ".."), fileOf("l/.wh.canary", "")}, "canary"},
	{"whiteout: of a file outside, absolute", []member{linkOf(tar.TypeSymlink, "l", "TOP"), fileOf("l/.wh.canary", "")}, "canary"},
	{"whiteout: name leads up", []member{fileOf("../.wh.canary", "")}, "canary"},
	{"whiteout: of the parent", []member{dirOf("d", 0o755), fileOf("d/.wh...", "")}, ""},
	{"whiteout: of the directory itself", []member{dirOf("d", 0o755), fileOf("d/.wh..", "")}, ""},
	{"whiteout: of nothing", []member{dirOf("d", 0o755), fileOf("d/.wh.", "")}, ""},
	{"whiteout: as a directory", []member{dirOf(".wh.../outside", 0o755), fileOf(".wh.../outside/f", "x")}, ""},
	{"whiteout: of everything outside", []member{linkOf(tar.TypeSymlink, "l", ".."), fileOf("l/.wh..wh..opq", "")}, "canary"},
	{"whiteout: below a symlink to nothing", []member{linkOf(tar.TypeSymlink, "l", "../nothing"), fileOf("l/.wh.canary", "")}, ""},
	{"whiteout: of a symlink, then through it", []member{linkOf(tar.TypeSymlink, "l", ".."), fileOf(".wh.l", ""), fileOf("l/.wh.canary", "")}, ""},
}

// TestBreakouts: nothing outside changes, what is taken is what a chroot would hold, and the same
// archive harms somebody naive.
func TestBreakouts(t *testing.T) {
	needRoot(t)
	for _, b := range breakouts {
		t.Run(b.name, func(t *testing.T) {
			top, root := playground(t)
			in := archiveLoose(t, inside1(b.members, top)...)
			if err := asInChroot(t, in, root); err != nil {
				t.Log("refused: ", err)
			}
			unharmed(t, top)
			_, recorded := playground(t)
			_, _ = Apply(bytes.NewReader(in), recorded, kinds()["recorded"])
			unharmed(t, filepath.Dir(recorded))

			top, _ = playground(t)
			left := naively(t, archiveLoose(t, inside1(b.members, top)...), top)
			canary, _ := os.ReadFile(filepath.Join(top, "canary"))
			st, _ := os.Lstat(filepath.Join(top, "canary"))
			entries, _ := os.ReadDir(filepath.Join(top, "outside"))
			harmed := map[string]bool{"": true, "canary": left || string(canary) != "alive" || st.Mode() != 0o600, "outside": left || len(entries) > 0}
			if !harmed[b.harm] {
				t.Errorf("the control: it harms nobody: %q", canary)
			}
		})
	}
}

func inside1(members []member, top string) []member {
	out := slices.Clone(members)
	for i := range out {
		out[i].Linkname = strings.Replace(out[i].Linkname, "TOP", strings.TrimPrefix(top, "/"), 1)
		if strings.HasPrefix(members[i].Linkname, "TOP") {
			out[i].Linkname = "/" + out[i].Linkname
		}
	}
	return out
}

// naively unpacks below top/root as the archive says, through whatever links there are. It is held in
// top by an os.Root; left tells that it would have gone further.
func naively(t *testing.T, in []byte, top string) (left bool) {
	t.Helper()
	r, err := os.OpenRoot(top)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	note := func(err error) bool {
		left = left || err != nil && strings.Contains(err.Error(), "escapes from parent")
		return err == nil
	}
	for tr := tar.NewReader(bytes.NewReader(in)); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return left
		}
		if err != nil {
			t.Fatal(err)
		}
		// No path.Join: it would take the ".." out before the links are seen.
		to := "root/" + strings.TrimLeft(h.Name, "/")
		dir, base := path.Split(strings.TrimRight(to, "/"))
		note(r.MkdirAll(path.Clean(dir), 0o755))
		if hidden, ok := strings.CutPrefix(base, whiteoutPrefix); ok {
			if base == opaqueMarker {
				if note(r.Remove(dir + "canary")) {
					continue
				}
			}
			note(r.RemoveAll(dir + hidden))
			continue
		}
		switch h.Typeflag {
		case tar.TypeDir:
			note(r.Mkdir(to, 0o755))
		case tar.TypeSymlink:
			note(r.Symlink(h.Linkname, to))
		case tar.TypeLink:
			note(r.Link("root/"+strings.TrimLeft(h.Linkname, "/"), to))
			note(r.Chmod(to, os.FileMode(h.Mode&0o777)))
		case tar.TypeReg:
			f, err := r.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
			if note(err) {
				_, err = io.Copy(f, tr)
				note(errors.Join(err, f.Close()))
			}
		}
	}
}
