package main

import (
	"archive/tar"
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dhow-containers/dhow/tests/fixture"
)

// registryServer is Debian's registry as a process, or the fixture's in this one.
type registryServer struct {
	cmd     *exec.Cmd
	fixture *fixture.Registry
}

func (s *registryServer) close() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
	}
	if s.fixture != nil {
		_ = s.fixture.Close()
	}
	*s = registryServer{}
}

func (b *bench) startRegistry() error {
	binary, err := exec.LookPath("docker-registry")
	if err != nil {
		b.server.fixture, err = fixture.StartRegistry()
		if err != nil {
			return err
		}
		b.registry = b.server.fixture.Addr
		return nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	b.registry = l.Addr().String()
	l.Close()
	conf := b.at("registry.yml")
	text := fmt.Sprintf("version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: %s}\n", b.at("registry"), b.registry)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		return err
	}
	b.server.cmd = exec.Command(binary, "serve", conf)
	if err := b.server.cmd.Start(); err != nil {
		return err
	}
	for range 100 {
		if resp, err := http.Get("http://" + b.registry + "/v2/"); err == nil {
			resp.Body.Close()
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("the registry at %s does not answer", b.registry)
}

// local is the name of an image in the local stores. Peers refuse short names they do not know.
func (b *bench) local(name string) string { return "localhost/" + name + ":latest" }

// base makes the small image everything runs: busybox where Debian's is, else the tests' own userland.
func (b *bench) base() error {
	file, err := b.ready("base.tar", b.writeBase)
	if err != nil {
		return err
	}
	if err := b.marked("base", func() error { return b.imported(file, "base") }); err != nil || b.buildctl.path == "" {
		return err
	}
	return b.marked("base-pushed", func() error { return b.pushAs(b.local("base"), "base") })
}

// imported makes an image of a tar in every store.
func (b *bench) imported(file, name string) error {
	for _, p := range []*peer{b.dhow, b.podman} {
		if p.path == "" {
			continue
		}
		if _, err := b.must(p, "import", file, b.local(name)); err != nil {
			return err
		}
	}
	if b.buildah.path == "" || b.podman.path == "" {
		return nil
	}
	archive := b.at(name + ".oci")
	defer os.Remove(archive)
	if _, err := b.must(b.podman, "save", "-q", "--format", "oci-archive", "-o", archive, b.local(name)); err != nil {
		return err
	}
	id, err := b.must(b.buildah, "pull", "-q", "oci-archive:"+archive)
	if err == nil {
		_, err = b.must(b.buildah, "tag", id, b.local(name))
	}
	return err
}

func (b *bench) writeBase(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	bin, err := os.ReadFile("/bin/busybox")
	if err != nil {
		return fixture.WriteBase(f, filepath.Join(b.source, "bin/userland"))
	}
	list, err := exec.Command("/bin/busybox", "--list").Output()
	if err != nil {
		return err
	}
	w := tar.NewWriter(f)
	for _, d := range []string{"bin", "dev", "etc", "proc", "root", "sys", "tmp", "var"} {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: d + "/", Mode: 0o755, ModTime: epoch}); err != nil {
			return err
		}
	}
	if err := entry(w, "bin/busybox", 0o755, bin); err != nil {
		return err
	}
	if err := entry(w, "etc/passwd", 0o644, []byte("root:x:0:0:root:/root:/bin/sh\n")); err != nil {
		return err
	}
	for _, name := range strings.Fields(string(list)) {
		if name == "busybox" {
			continue
		}
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: "bin/" + name, Linkname: "busybox", Mode: 0o777, ModTime: epoch}); err != nil {
			return err
		}
	}
	return w.Close()
}

var epoch = time.Unix(1_700_000_000, 0)

func entry(w *tar.Writer, name string, mode int64, body []byte) error {
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(body)), ModTime: epoch}); err != nil {
		return err
	}
	_, err := w.Write(body)
	return err
}

// debian makes a tar of the files of this machine's most important Debian packages, which is about
// what Debian's own image is: programs, libraries, time zones and the package database.
func (b *bench) debian() (string, error) {
	return b.ready("debian.tar", func(path string) error {
		list, err := debianFiles()
		if err != nil {
			return err
		}
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		defer f.Close()
		cmd := exec.Command("tar", "-C", "/", "--no-recursion", "--numeric-owner", "--null", "-T", "-", "-c")
		cmd.Stdin = strings.NewReader(strings.Join(list, "\x00"))
		cmd.Stdout, cmd.Stderr = f, os.Stderr
		return cmd.Run()
	})
}

// debianBytes is the size of debian:12-slim with some packages more: 51 MB as a gzip.
const debianBytes = 125 << 20

// debianFiles lists paths below / in order, directories before what is in them.
func debianFiles() ([]string, error) {
	names, err := exec.Command("dpkg-query", "-W", "-f", "${Priority} ${Package}\n").Output()
	if err != nil {
		return nil, fmt.Errorf("no Debian to make a layer of: %w", err)
	}
	rank := map[string]int{"required": 0, "important": 1, "standard": 2}
	type pkg struct {
		rank int
		name string
	}
	var packages []pkg
	for l := range strings.Lines(string(names)) {
		if f := strings.Fields(l); len(f) == 2 {
			n, ok := rank[f[0]]
			if !ok {
				n = 3
			}
			packages = append(packages, pkg{n, f[1]})
		}
	}
	slices.SortStableFunc(packages, func(a, b pkg) int { return a.rank - b.rank })
	var size int64
	seen := map[string]bool{}
	add := func(path string) error {
		rel := strings.TrimPrefix(path, "/")
		if rel == "" || rel == "." || seen[rel] {
			return nil
		}
		info, err := os.Lstat(path)
		if err != nil {
			return nil // documentation that this machine leaves out
		}
		if real, err := filepath.EvalSymlinks(filepath.Dir(path)); err != nil || real != filepath.Dir(path) {
			return nil // through a symlink: /lib/… is /usr/lib/…
		}
		seen[rel] = true
		if info.Mode().IsRegular() {
			size += info.Size()
		}
		return nil
	}
	for _, p := range packages {
		files, err := exec.Command("dpkg-query", "-L", p.name).Output()
		if err != nil {
			continue
		}
		s := bufio.NewScanner(strings.NewReader(string(files)))
		for s.Scan() {
			path := s.Text()
			if real, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
				path = filepath.Join(real, filepath.Base(path))
			}
			if err := add(path); err != nil {
				return nil, err
			}
		}
		if size > debianBytes {
			break
		}
	}
	for _, dir := range []string{"etc", "usr", "var", "usr/bin", "usr/lib", "usr/share", "var/lib", "var/lib/dpkg"} {
		if err := add("/" + dir); err != nil {
			return nil, err
		}
	}
	return slices.Sorted(func(yield func(string) bool) {
		for p := range seen {
			if !yield(p) {
				return
			}
		}
	}), nil
}

// big makes the large tree: count files of bytes in all, of very different sizes, half of it
// compressible, the same every time.
func (b *bench) big(name string, count int, bytes int64) (string, error) {
	return b.ready(name, func(path string) error {
		r := rand.New(rand.NewPCG(1, 2))
		sizes := make([]int64, count)
		var sum int64
		for i := range sizes {
			// Most files are small and most bytes in large ones, as in a source tree with libraries.
			sizes[i] = int64(200 * float64(uint64(1)<<uint(r.IntN(13))) * (0.5 + r.Float64()))
			sum += sizes[i]
		}
		block := make([]byte, 1<<20)
		for i := range block {
			block[i] = byte(r.Uint32())
			if i/512%2 == 0 {
				block[i] = "abcdefgh"[i%8]
			}
		}
		var left int64 = bytes
		for i := range sizes {
			n := int64(float64(sizes[i]) / float64(sum) * float64(bytes))
			if i == count-1 {
				n = left
			}
			left -= n
			dir := filepath.Join(path, fmt.Sprintf("d%02d/s%02d", i/1000, i/50%20))
			if i%50 == 0 {
				if err := os.MkdirAll(dir, 0o755); err != nil {
					return err
				}
			}
			if err := fill(filepath.Join(dir, fmt.Sprintf("f%05d", i)), block, r, n); err != nil {
				return err
			}
		}
		return nil
	})
}

func fill(path string, block []byte, r *rand.Rand, n int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for n > 0 {
		off := r.Int64N(int64(len(block) - 1))
		k := min(n, int64(len(block))-off)
		if _, err := f.Write(block[off : off+k]); err != nil {
			return err
		}
		n -= k
	}
	return nil
}

// context makes a build context with a Dockerfile and count small files.
func (b *bench) context(name string, count int, dockerfile string) (string, error) {
	dir, err := b.ready("context-"+name, func(path string) error {
		for i := range count {
			sub := filepath.Join(path, fmt.Sprintf("d%02d", i/100))
			if i%100 == 0 {
				if err := os.MkdirAll(sub, 0o755); err != nil {
					return err
				}
			}
			if err := os.WriteFile(filepath.Join(sub, fmt.Sprintf("f%04d", i)), []byte(strings.Repeat(fmt.Sprintf("file %d\n", i), 40)), 0o644); err != nil {
				return err
			}
		}
		return os.MkdirAll(path, 0o755)
	})
	if err != nil {
		return "", err
	}
	return dir, os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o644)
}

// split cuts a tar into n tars of about the same size.
func split(file string, n int, dir string) ([]string, error) {
	in, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	var parts []string
	var out *os.File
	var w *tar.Writer
	var written int64
	finish := func() error {
		if w == nil {
			return nil
		}
		if err := w.Close(); err != nil {
			return err
		}
		return out.Close()
	}
	for r := tar.NewReader(in); ; {
		h, err := r.Next()
		if err == io.EOF {
			return parts, finish()
		}
		if err != nil {
			return nil, err
		}
		if h.Typeflag == tar.TypeLink {
			continue // its target may be in another part
		}
		if w == nil || written > info.Size()/int64(n) && len(parts) < n {
			if err := finish(); err != nil {
				return nil, err
			}
			name := filepath.Join(dir, fmt.Sprintf("%02d.tar", len(parts)))
			if out, err = os.Create(name); err != nil {
				return nil, err
			}
			w, written, parts = tar.NewWriter(out), 0, append(parts, name)
		}
		h.Format = tar.FormatUnknown
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		k, err := io.Copy(w, r)
		if err != nil {
			return nil, err
		}
		written += k + 512
	}
}
