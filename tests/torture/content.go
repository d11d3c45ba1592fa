package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	ociv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/dhow-containers/dhow/tests/fixture"
)

// tree is a filesystem by path: what each thing is, with a digest of its bytes.
type tree map[string]string

// layer is a layer as a tar of things whose bytes follow from their names.
type layer struct {
	things []tar.Header
	bodies map[string][]byte
}

var epoch = time.Unix(1_700_000_000, 0)

// bytesOf are size bytes that follow from the name alone and can not be compressed.
func bytesOf(name string, size int) []byte {
	b := make([]byte, size)
	sum := sha256.Sum256([]byte(name))
	r := rand.NewChaCha8(sum)
	_, _ = r.Read(b)
	return b
}

func (l *layer) add(h tar.Header, body []byte) {
	if l.bodies == nil {
		l.bodies = map[string][]byte{}
	}
	h.ModTime, h.Size, h.Format = epoch, int64(len(body)), tar.FormatPAX
	l.things, l.bodies[h.Name] = append(l.things, h), body
}

func (l *layer) file(name string, size int, mode int64, uid, gid int) {
	l.add(tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Uid: uid, Gid: gid}, bytesOf(name, size))
}

func (l *layer) tar() []byte {
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	for _, h := range l.things {
		if tw.WriteHeader(&h) != nil {
			panic("a header of ours can not be written: " + h.Name)
		}
		_, _ = tw.Write(l.bodies[h.Name])
	}
	tw.Close()
	return b.Bytes()
}

// smallLayers are those of the image "small": all kinds of things, owners, whiteouts; size bytes of the
// larger files scale with it.
func smallLayers(size int) []layer {
	var one, two, three layer
	one.add(tar.Header{Typeflag: tar.TypeDir, Name: "data/", Mode: 0o755}, nil)
	one.add(tar.Header{Typeflag: tar.TypeDir, Name: "data/gone/", Mode: 0o750, Uid: 1000, Gid: 50}, nil)
	for i := range 12 {
		one.file(fmt.Sprintf("data/gone/%d", i), 300, 0o644, i, 2*i)
	}
	one.file("data/large", size, 0o640, 1000, 1000)
	one.add(tar.Header{Typeflag: tar.TypeSymlink, Name: "data/link", Linkname: "large", Mode: 0o777, Uid: 7, Gid: 8}, nil)
	one.add(tar.Header{Typeflag: tar.TypeLink, Name: "data/hard", Linkname: "data/large", Mode: 0o640, Uid: 1000, Gid: 1000}, nil)
	one.add(tar.Header{Typeflag: tar.TypeFifo, Name: "data/fifo", Mode: 0o600}, nil)
	two.add(tar.Header{Typeflag: tar.TypeDir, Name: "data/", Mode: 0o755}, nil)
	two.add(tar.Header{Typeflag: tar.TypeReg, Name: "data/.wh.gone", Mode: 0o644}, nil)
	two.file("data/second", size/2, 0o600, 0, 0)
	two.file("data/setuid", 100, 0o4755, 0, 50)
	three.add(tar.Header{Typeflag: tar.TypeDir, Name: "more/", Mode: 0o1777}, nil)
	for i := range 20 {
		three.file(fmt.Sprintf("more/%d", i), 50*i, 0o444, i, i)
	}
	return []layer{one, two, three}
}

// publish puts the images "base" (the userland) and "small" into the registry.
func (w *world) publish() error {
	var base bytes.Buffer
	if err := fixture.WriteBase(&base, w.userland); err != nil {
		return err
	}
	if err := w.reg.Push("library/base:latest", ociv1.ImageConfig{Env: []string{fixture.Path}, Cmd: []string{"sh"}}, base.Bytes()); err != nil {
		return err
	}
	var tars [][]byte
	for _, l := range smallLayers(200_000) {
		tars = append(tars, l.tar())
	}
	return w.reg.Push("library/small:latest", ociv1.ImageConfig{Cmd: []string{"/none"}}, tars...)
}

// smallTree is what the image "small" holds.
func smallTree() tree {
	t := tree{}
	for _, l := range smallLayers(200_000) {
		if err := t.apply(bytes.NewReader(l.tar())); err != nil {
			panic(err)
		}
	}
	return t
}

// apply puts a layer on the tree.
func (t tree) apply(r io.Reader) error {
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		name := path.Clean("/" + h.Name)
		if gone, ok := strings.CutPrefix(path.Base(name), ".wh."); ok {
			at := path.Join(path.Dir(name), gone)
			maps.DeleteFunc(t, func(p, _ string) bool { return p == at || strings.HasPrefix(p, at+"/") })
			continue
		}
		what := fmt.Sprintf("%c %o %d:%d %s", h.Typeflag, h.Mode, h.Uid, h.Gid, h.Linkname)
		switch h.Typeflag {
		case tar.TypeReg, tar.TypeRegA: //nolint:staticcheck // archives of others have it
			sum := sha256.New()
			if _, err := io.Copy(sum, tr); err != nil {
				return err
			}
			what = fmt.Sprintf("f %o %d:%d %x", h.Mode, h.Uid, h.Gid, sum.Sum(nil))
		case tar.TypeLink: // which of the names comes first is nobody's matter
			what = t[path.Clean("/"+h.Linkname)]
		}
		t[name] = what
	}
}

// imageTree is what an image of the store holds, by way of dhow save and this file's own reading.
func (w *world) imageTree(name string) (tree, error) {
	out, err := w.must("save", name)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	tr := tar.NewReader(strings.NewReader(out))
	for {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("reading what dhow save gave: %w", err)
		}
		if h.Typeflag == tar.TypeSymlink {
			files[h.Name] = files[path.Join(path.Dir(h.Name), h.Linkname)]
			continue
		}
		if files[h.Name], err = io.ReadAll(tr); err != nil {
			return nil, err
		}
	}
	var manifest []struct{ Layers []string }
	if err := json.Unmarshal(files["manifest.json"], &manifest); err != nil || len(manifest) != 1 {
		return nil, fmt.Errorf("reading what dhow save gave: manifest.json: %w", err)
	}
	t := tree{}
	for _, l := range manifest[0].Layers {
		if err := t.apply(bytes.NewReader(files[l])); err != nil {
			return nil, fmt.Errorf("reading layer %s: %w", l, err)
		}
	}
	return t, nil
}

// holds compares an image with what it is to hold.
func (w *world) holds(name string, want tree) error {
	got, err := w.imageTree(name)
	if err != nil {
		return err
	}
	return difference(got, want)
}

func difference(got, want tree) error {
	var lines []string
	for p, what := range want {
		if got[p] != what {
			lines = append(lines, fmt.Sprintf("%s is %q, want %q", p, got[p], what))
		}
	}
	for p, what := range got {
		if want[p] == "" {
			lines = append(lines, fmt.Sprintf("%s is %q, want nothing", p, what))
		}
	}
	if len(lines) == 0 {
		return nil
	}
	slices.Sort(lines)
	return fmt.Errorf("%d differences, the first: %s", len(lines), lines[0])
}

func readFile(name string) string {
	b, err := os.ReadFile(name)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
