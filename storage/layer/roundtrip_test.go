package layer

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.podman.io/storage/pkg/unshare"
	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/ownership"
)

// needRoot skips what only root (of some namespace) can do: making whiteouts and other owners.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: run as root or in a user namespace")
	}
}

type member struct {
	tar.Header
	content string
}

func dirOf(name string, mode int64) member {
	return member{Header: tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: mode, ModTime: time.Unix(1000, 0)}}
}

func fileOf(name, content string) member {
	return member{Header: tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(content)), ModTime: time.Unix(2000, 0)}, content: content}
}

func linkOf(flag byte, name, target string) member {
	return member{Header: tar.Header{Typeflag: flag, Name: name, Linkname: target, Mode: 0o777, ModTime: time.Unix(3000, 0)}}
}

func archiveOf(t testing.TB, members ...member) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		h := m.Header
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, m.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// kinds are the ways owners can be kept that this process can try.
func kinds() map[string]ApplyOptions {
	m := map[string]ApplyOptions{
		"recorded": {Tree: &ownership.Tree{Userns: true}, Userxattr: true, Whiteouts: true},
	}
	if !unshare.IsRootless() {
		m["native"] = ApplyOptions{Tree: &ownership.Tree{Native: true}, Whiteouts: true}
	}
	return m
}

func tarOptions(o ApplyOptions) TarOptions {
	return TarOptions{Links: o.Tree.Links, Native: o.Tree.Native, Userns: o.Tree.Userns, Userxattr: o.Userxattr}
}

func sampleTree() []member {
	owned := fileOf("etc/shadow", "root:x\n")
	owned.Uid, owned.Gid, owned.Mode = 0, 42, 0o640
	suid := fileOf("bin/su", "ELF")
	suid.Mode = 0o4755
	caps := fileOf("bin/ping", "ELF2")
	caps.PAXRecords = map[string]string{"SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", "SCHILY.xattr.user.note": "a\x00b"}
	sock := linkOf(tar.TypeSymlink, "bin/sh", "/bin/su")
	sock.Uid, sock.Gid = 7, 8
	fifo := member{Header: tar.Header{Typeflag: tar.TypeFifo, Name: "run/fifo", Mode: 0o622, Uid: 3, ModTime: time.Unix(5, 0)}}
	dev := member{Header: tar.Header{Typeflag: tar.TypeChar, Name: "dev/null", Mode: 0o666, Devmajor: 1, Devminor: 3, ModTime: time.Unix(5, 0)}}
	twin := linkOf(tar.TypeLink, "etc/z", "etc/a") // as a hard link has it: what its file has
	twin.Mode, twin.ModTime = 0o644, time.Unix(2000, 0)
	home := dirOf("home/u/", 0o700)
	home.Uid, home.Gid = 1000, 1001
	return []member{
		dirOf("bin/", 0o755), caps, sock, suid,
		dirOf("dev/", 0o755), dev,
		dirOf("etc/", 0o1777), fileOf("etc/a", "same"), owned, twin,
		dirOf("home/", 0o755), home,
		dirOf("opt/", 0o755), {Header: tar.Header{Typeflag: tar.TypeReg, Name: "opt/.wh.gone", ModTime: time.Unix(0, 0)}},
		dirOf("run/", 0o755), fifo,
		dirOf("var/", 0o755), {Header: tar.Header{Typeflag: tar.TypeReg, Name: "var/.wh..wh..opq", ModTime: time.Unix(0, 0)}},
		dirOf("var/lib/", 0o755),
	}
}

// TestRoundTrip unpacks a layer, packs it, and unpacks that: all kinds of user give the same tar,
// and tar-split gives back the very bytes.
func TestRoundTrip(t *testing.T) {
	needRoot(t)
	in := archiveOf(t, sampleTree()...)
	var sums [][32]byte
	for kind, o := range kinds() {
		dir := t.TempDir()
		var split bytes.Buffer
		o.Split = NewSplitter(&split)
		applied, err := Apply(bytes.NewReader(in), dir, o)
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		if len(applied.Implied) != 0 || applied.Root {
			t.Errorf("%s: applied %+v", kind, applied)
		}
		var joined bytes.Buffer
		if err := Join(&joined, &split, dir); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		if !bytes.Equal(joined.Bytes(), in) {
			t.Errorf("%s: tar-split gave other bytes", kind)
		}
		var out, split2 bytes.Buffer
		to := tarOptions(o)
		to.Split = NewSplitter(&split2)
		if err := WriteTar(&out, dir, to); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		if !bytes.Equal(out.Bytes(), in) {
			t.Errorf("%s: written tar differs:\n%s\nwant\n%s", kind, listing(t, out.Bytes()), listing(t, in))
		}
		joined.Reset()
		if err := Join(&joined, &split2, dir); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		if !bytes.Equal(joined.Bytes(), out.Bytes()) {
			t.Errorf("%s: tar-split of the written tar gave other bytes", kind)
		}
		sums = append(sums, sha256.Sum256(out.Bytes()))
	}
	if sums[0] != sums[len(sums)-1] {
		t.Error("kinds of user write different tars")
	}
}

func listing(t testing.TB, data []byte) string {
	var b bytes.Buffer
	r := tar.NewReader(bytes.NewReader(data))
	for {
		h, err := r.Next()
		if err != nil {
			return b.String()
		}
		b.WriteString(string(h.Typeflag) + " " + h.Name + " -> " + h.Linkname + "\n")
		t.Logf("%c %-20s %s %o %d:%d %v %v", h.Typeflag, h.Name, h.Linkname, h.Mode, h.Uid, h.Gid, h.ModTime.Unix(), h.PAXRecords)
	}
}

func TestWhiteoutsOnDisk(t *testing.T) {
	needRoot(t)
	in := archiveOf(t,
		fileOf("a/.wh.gone", ""),
		// In either order a file of the layer itself stays, and a directory hides what is below.
		fileOf(".wh.dir", ""), dirOf("dir/", 0o755), fileOf("dir/x", "x"),
		dirOf("dir2/", 0o755), fileOf("dir2/x", "x"), fileOf(".wh.dir2", ""),
		fileOf("file", "f"), fileOf(".wh.file", ""),
		fileOf(".wh..wh.plnk/1.2", "aufs"), fileOf(".wh..wh.aufs", ""),
	)
	for kind, o := range kinds() {
		dir := t.TempDir()
		applied, err := Apply(bytes.NewReader(in), dir, o)
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		if len(applied.Implied) != 1 || applied.Implied[0] != "a" {
			t.Errorf("%s: implied %q", kind, applied.Implied)
		}
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(dir, "a/gone"), &st); err != nil || !isWhiteout(&st) {
			t.Errorf("%s: a/gone is no whiteout: %v", kind, err)
		}
		for _, d := range []string{"dir", "dir2"} {
			buf := make([]byte, 8)
			n, err := unix.Lgetxattr(filepath.Join(dir, d), opaqueXattr(o.Userxattr), buf)
			if err != nil || string(buf[:n]) != "y" {
				t.Errorf("%s: %s is not opaque: %v", kind, d, err)
			}
		}
		if b, err := os.ReadFile(filepath.Join(dir, "file")); err != nil || string(b) != "f" {
			t.Errorf("%s: file: %q %v", kind, b, err)
		}
		names, _ := os.ReadDir(dir)
		if len(names) != 4 {
			t.Errorf("%s: %v", kind, names)
		}
	}
}
