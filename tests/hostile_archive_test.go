package tests

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/opencontainers/go-digest"

	"github.com/dhow-containers/dhow/tests/fixture"
)

func init() { tables["archives"] = append(archiveAttacks(), manyAttacks()...) }

// entry is one of a tar; what archive/tar would not write is in raw instead.
type entry struct {
	name, content, link string
	kind                byte // 0 is a file
	pax                 map[string]string
	raw                 []byte
}

func tarOfEntries(entries ...entry) []byte {
	var b bytes.Buffer
	for _, e := range entries {
		if e.raw != nil {
			b.Write(e.raw)
			continue
		}
		if e.kind == 0 {
			e.kind = tar.TypeReg
		}
		var one bytes.Buffer
		tw := tar.NewWriter(&one)
		err := tw.WriteHeader(&tar.Header{Name: e.name, Linkname: e.link, Typeflag: e.kind, Mode: 0o755, Size: int64(len(e.content)), PAXRecords: e.pax})
		if err == nil {
			_, err = io.WriteString(tw, e.content)
		}
		if err = errors.Join(err, tw.Flush()); err != nil {
			panic(fmt.Sprintf("%s: %v", e.name, err))
		}
		b.Write(one.Bytes())
	}
	b.Write(make([]byte, 1024))
	return b.Bytes()
}

// header is a ustar block as somebody writes it who does not care: size and the GNU fields are set by fill.
func header(name string, kind byte, fill func(h []byte)) []byte {
	h := make([]byte, 512)
	copy(h, name)
	copy(h[100:], "0000644\x000000000\x000000000\x0000000000000\x0000000000000\x00")
	h[156] = kind
	copy(h[257:], "ustar  \x00")
	if fill != nil {
		fill(h)
	}
	copy(h[148:156], "        ")
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return h
}

func size(n int64) func([]byte) {
	return func(h []byte) {
		h[124] = 0x80 // base 256
		binary.BigEndian.PutUint64(h[128:], uint64(n))
		if n < 0 {
			copy(h[124:128], "\xff\xff\xff\xff")
		}
	}
}

// dockerArchive is what docker save writes, with a manifest.json that can be another.
func dockerArchive(manifest string, config []byte, layers ...[]byte) []byte {
	var entries []entry
	names := []string{}
	for i, l := range layers {
		name := fmt.Sprintf("l%d.tar", i)
		entries = append(entries, entry{name: name, content: string(l)})
		names = append(names, `"`+name+`"`)
	}
	if manifest == "" {
		manifest = `[{"Config":"c.json","RepoTags":["x:1"],"Layers":[` + strings.Join(names, ",") + `]}]`
	}
	return tarOfEntries(append(entries, entry{name: "c.json", content: string(config)}, entry{name: "manifest.json", content: manifest})...)
}

func configOf(layers ...[]byte) []byte {
	p := fixture.Image(runtime.GOARCH, layers...)
	return p.Config
}

// ociArchive is a layout; blobs come under the digests they have, or those of names.
func ociArchive(index string, blobs ...entry) []byte {
	return tarOfEntries(append([]entry{{name: "oci-layout", content: `{"imageLayoutVersion":"1.0.0"}`}, {name: "index.json", content: index}}, blobs...)...)
}

func blobEntry(b []byte) entry {
	return entry{name: "blobs/sha256/" + digest.FromBytes(b).Encoded(), content: string(b)}
}

// outwards are the tars whose entries lead out.
func outwards() map[string][]byte {
	up := func(suffix string) (list []entry) {
		for i := range 16 {
			list = append(list, entry{name: strings.Repeat("../", i+1) + suffix, content: "dead"})
		}
		return list
	}
	through := []entry{{name: "l", kind: tar.TypeSymlink, link: "../"}}
	for i := range 16 {
		l := fmt.Sprintf("l%d", i)
		through = append(through, entry{name: l, kind: tar.TypeSymlink, link: strings.Repeat("../", i+1)}, entry{name: l + "/canary", content: "dead"}, entry{name: l + "/outside/f", content: "dead"})
	}
	var hard []entry
	for i := range 16 {
		hard = append(hard, entry{name: fmt.Sprintf("h%d", i), kind: tar.TypeLink, link: strings.Repeat("../", i+1) + "canary"})
	}
	return map[string][]byte{
		"A1 names with ..":                                    tarOfEntries(up("canary")...),
		"A1 through symlinks":                                 tarOfEntries(through...),
		"A2 hard links with ..":                               tarOfEntries(hard...),
		"A3 the root is a symlink":                            tarOfEntries(entry{name: "./", kind: tar.TypeSymlink, link: "/"}, entry{name: "canary", content: "x"}),
		"A12 a directory, then a symlink, then what is in it": tarOfEntries(entry{name: "a/", kind: tar.TypeDir}, entry{name: "a/x", content: "1"}, entry{name: "a", kind: tar.TypeSymlink, link: "../../../../../outside"}, entry{name: "a/y", content: "2"}),
	}
}

func archiveAttacks() []attack {
	var list []attack
	// door makes a row for a file that a command reads.
	give := func(name string, content func() []byte) func(*world) {
		return func(w *world) { w.file(name, string(content())) }
	}
	for name, t := range outwards() {
		harm := "escapes"
		if strings.HasPrefix(name, "A3") || strings.HasPrefix(name, "A12") {
			harm = ""
		}
		naiveTar := func(w *world, n *naive) error { return n.untar(bytes.NewReader(t)) }
		whatever := func(a attack) attack { a.either = true; return a }
		list = append(list,
			whatever(attack{name: name + ": import", args: []string{"import", "x.tar", "x:1"}, answer: give("x.tar", func() []byte { return t }), harm: harm, naive: naiveTar}),
			whatever(attack{name: name + ": load", args: []string{"load", "-q", "-i", "x.tar"}, answer: give("x.tar", func() []byte { return dockerArchive("", configOf(t), t) })}),
			whatever(attack{name: name + ": ADD", args: []string{"build", "-q", "."}, answer: func(w *world) {
				w.file("x.tar", string(t))
				w.file("Dockerfile", "FROM scratch\nADD x.tar /d/\n")
			}}),
			whatever(attack{name: name + ": context", args: []string{"build", "-q", "-"}, stdin: string(t)}),
			whatever(attack{name: name + ": pull", answer: func(w *world) { w.reg.Answer(fixture.Image(runtime.GOARCH, t).Rules()...) }}),
		)
	}
	layer := oneFile("a", "x")
	importing := func(name string, content func() []byte, says string) attack {
		return attack{name: name, args: []string{"import", "x.tar", "x:1"}, answer: give("x.tar", content), says: says}
	}
	loading := func(name string, content func() []byte, says string) attack {
		return attack{name: name, args: []string{"load", "-q", "-i", "x.tar"}, answer: give("x.tar", content), says: says}
	}
	raw := func(blocks ...[]byte) func() []byte {
		return func() []byte { return append(bytes.Join(blocks, nil), make([]byte, 1024)...) }
	}
	good := func() string {
		return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, fixture.TypeManifest, digest.FromString(goodImage().Manifest), len(goodImage().Manifest))
	}
	list = append(list,
		importing("A8 size of 2^63-1", raw(header("a", '0', size(1<<63-1))), ""),
		importing("A8 size below nothing", raw(header("a", '0', size(-1))), ""),
		importing("A8 sparse map without end", func() []byte {
			h := header("a", 'S', func(h []byte) {
				for i := range 4 {
					copy(h[386+24*i:], "00000000000\x0000000000000\x00")
				}
				h[482] = 1 // and so on
				copy(h[483:], "77777777777\x00")
			})
			more := make([]byte, 512)
			for i := range 21 {
				copy(more[24*i:], "00000000000\x0000000000000\x00")
			}
			more[504] = 1
			return append(h, bytes.Repeat(more, 1<<17)...) // 64 MB, in a file of some KB to who sends it
		}, ""),
		importing("A8 PAX sparse map that is said to be long", func() []byte {
			return tarOfEntries(entry{raw: paxBlock(map[string]string{"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "a", "GNU.sparse.realsize": "9223372036854775807"})},
				entry{name: "GNUSparseFile.0/a", content: "2147483647\n" + strings.Repeat("0\n0\n", 2000)})
		}, ""),
		importing("A8 PAX name of 100 MB", raw(paxHeader(100<<20), bytes.Repeat([]byte("a"), 100<<20)), ""),
		attack{name: "A8 headers with a megabyte of records", works: true, args: []string{"import", "x.tar", "x:1"}, answer: give("x.tar", func() []byte {
			records := map[string]string{}
			for i := range 70_000 { // many and small: each takes several times its bytes
				records[strconv.FormatInt(int64(i), 36)] = ""
			}
			var list []entry
			block := paxBlock(records)
			for i := range 64 {
				list = append(list, entry{raw: block}, entry{name: "f" + strconv.Itoa(i)})
			}
			return fixture.Gzip(tarOfEntries(list...))
		})},
		importing("A8 a long name about a long name", func() []byte {
			var b []byte
			for range 20000 {
				b = append(b, header("././@LongLink", 'L', size(4))...)
				b = append(b, append([]byte("abc\x00"), make([]byte, 508)...)...)
			}
			return append(b, make([]byte, 1024)...)
		}, ""),
		importing("A8 deeper than any path", func() []byte {
			return tarOfEntries(entry{raw: paxBlock(map[string]string{"path": strings.Repeat("a/", 400_000) + "x"})}, entry{name: "x", content: "1"})
		}, ""),
		importing("A9 gzip is cut", func() []byte { b := fixture.Gzip(layer); return b[:len(b)/2] }, ""),
		importing("A9 gzip and junk", func() []byte { return append(fixture.Gzip(layer), "junk"...) }, ""),
		importing("A9 zstd with a window of 2 GB", func() []byte { return []byte("\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00") }, ""),
		importing("A9 xz with a dictionary of 4 GB", func() []byte { return xzWithDictionary(40) }, ""),
		importing("A9 bzip2 that ends", func() []byte { return []byte("BZh9\x17\x72\x45\x38\x50\x90") }, ""),
		loading("A9 nothing", func() []byte { return nil }, "empty"),
		loading("A9 an empty tar", func() []byte { return make([]byte, 1024) }, "it is empty"),
	)
	for _, verb := range []string{"import", "load"} {
		a := importing("A9 gzip of terabytes: Ctrl-C ends "+verb, bomb, "")
		if verb == "load" {
			a.args = []string{"load", "-q", "-i", "x.tar"}
		}
		a.interrupt, a.harm, a.naive = 800*time.Millisecond, "floods", func(_ *world, n *naive) error { return n.inflate(bomb()) }
		list = append(list, a)
	}
	list = append(list,
		loading("A10 config of another layer", func() []byte { return dockerArchive("", configOf(oneFile("b", "y")), layer) }, "inconsistent|match|digest"),
		loading("A10 config of two layers", func() []byte { return dockerArchive("", configOf(layer, oneFile("b", "y")), layer) }, ""),
		loading("A10 config of no layer", func() []byte { return dockerArchive("", configOf(), layer) }, ""),
		loading("A10 config is none", func() []byte { return dockerArchive("", []byte("{"), layer) }, ""),
		loading("A14 config leads up", func() []byte {
			return dockerArchive(`[{"Config":"../../canary","Layers":["l0.tar"]}]`, configOf(layer), layer)
		}, ""),
		loading("A14 layer is absolute", func() []byte {
			return dockerArchive(`[{"Config":"c.json","Layers":["/l0.tar"]}]`, configOf(layer), layer)
		}, ""),
		loading("A14 layer is missing", func() []byte {
			return dockerArchive(`[{"Config":"c.json","Layers":["l9.tar"]}]`, configOf(layer), layer)
		}, ""),
		loading("A14 layer is a directory", func() []byte {
			return tarOfEntries(entry{name: "l0.tar", kind: tar.TypeDir}, entry{name: "c.json", content: string(configOf(layer))}, entry{name: "manifest.json", content: `[{"Config":"c.json","Layers":["l0.tar"]}]`})
		}, ""),
		loading("A14 layer is a symlink outwards", func() []byte {
			return tarOfEntries(entry{name: "l0.tar", kind: tar.TypeSymlink, link: "../../../../canary"}, entry{name: "c.json", content: string(configOf(layer))}, entry{name: "manifest.json", content: `[{"Config":"c.json","Layers":["l0.tar"]}]`})
		}, ""),
		loading("A14 layers are symlinks to each other", func() []byte {
			return tarOfEntries(entry{name: "l0.tar", kind: tar.TypeSymlink, link: "l1.tar"}, entry{name: "l1.tar", kind: tar.TypeSymlink, link: "l0.tar"}, entry{name: "c.json", content: string(configOf(layer))}, entry{name: "manifest.json", content: `[{"Config":"c.json","Layers":["l0.tar"]}]`})
		}, ""),
		loading("A14 manifest of nothing", func() []byte { return dockerArchive(`[]`, configOf(layer), layer) }, ""),
		loading("A14 manifest of 5 MB", func() []byte {
			return dockerArchive(`[{"Config":"c.json","Layers":["l0.tar"],"x":"`+strings.Repeat("x", 5<<20)+`"}]`, configOf(layer), layer)
		}, ""),
		loading("A14 names that are none", func() []byte {
			return dockerArchive(`[{"Config":"c.json","RepoTags":["../x:\u001b[31m"],"Layers":["l0.tar"]}]`, configOf(layer), layer)
		}, ""),
		loading("A14 layout without blobs", func() []byte { return ociArchive(`{"schemaVersion":2,"manifests":[` + good() + `]}`) }, ""),
		loading("A14 layout with another blob", func() []byte {
			e := blobEntry([]byte(goodImage().Manifest))
			e.content = "{}"
			return ociArchive(`{"schemaVersion":2,"manifests":[`+good()+`]}`, e)
		}, ""),
		loading("A14 layout's digest leads up", func() []byte {
			return ociArchive(`{"schemaVersion":2,"manifests":[{"mediaType":"`+fixture.TypeManifest+`","digest":"sha256:../../../canary","size":5}]}`, entry{name: "blobs/sha256/../../../canary", content: "dead"})
		}, ""),
		loading("A14 layout's blob is a symlink", func() []byte {
			e := blobEntry([]byte(goodImage().Manifest))
			e.kind, e.link, e.content = tar.TypeSymlink, "../../../../canary", ""
			return ociArchive(`{"schemaVersion":2,"manifests":[`+good()+`]}`, e)
		}, ""),
		loading("A14 layout's index of itself", func() []byte {
			return ociArchive(`{"schemaVersion":2,"manifests":[`+fixture.Descriptor(fixture.TypeIndex, []byte("x"))+`]}`, blobEntry([]byte("x")))
		}, ""),
		loading("A14 layout's index of 5 MB", func() []byte { return ociArchive(`{"schemaVersion":2,"x":"` + strings.Repeat("x", 5<<20) + `"}`) }, ""),
	)
	dir := func(name string, make func(w *world, dir string), says string) attack {
		return attack{name: name, args: []string{"load", "-q", "-i", "d"}, says: says, answer: func(w *world) {
			w.file("d/oci-layout", `{"imageLayoutVersion":"1.0.0"}`)
			make(w, filepath.Join(w.dir, "files/d"))
		}}
	}
	list = append(list,
		dir("A14 directory: index.json is a pipe", func(_ *world, d string) { _ = syscall.Mkfifo(d+"/index.json", 0o600) }, ""),
		dir("A14 directory: manifest.json is a pipe", func(_ *world, d string) { _ = syscall.Mkfifo(d+"/manifest.json", 0o600) }, ""),
		dir("A14 directory: index.json is without end", func(_ *world, d string) { _ = os.Symlink("/dev/zero", d+"/index.json") }, ""),
		dir("A14 directory: a blob is a pipe", func(w *world, d string) {
			w.file("d/index.json", `{"schemaVersion":2,"manifests":[`+good()+`]}`)
			w.file("d/blobs/sha256/x", "")
			_ = syscall.Mkfifo(d+"/blobs/sha256/"+digest.FromString(goodImage().Manifest).Encoded(), 0o600)
		}, ""),
		dir("A14 directory: the layer is a pipe", func(w *world, d string) {
			p := goodImage()
			w.file("d/index.json", `{"schemaVersion":2,"manifests":[`+good()+`]}`)
			w.file("d/"+blobEntry([]byte(p.Manifest)).name, p.Manifest)
			w.file("d/"+blobEntry(p.Config).name, string(p.Config))
			_ = syscall.Mkfifo(d+"/"+blobEntry(p.Layers[0]).name, 0o600)
		}, ""),
		dir("A14 directory: a blob is a file outside", func(w *world, d string) {
			w.file("d/index.json", `{"schemaVersion":2,"manifests":[`+good()+`]}`)
			w.file("d/blobs/sha256/x", "")
			_ = os.Symlink(filepath.Join(w.dir, "canary"), d+"/blobs/sha256/"+digest.FromString(goodImage().Manifest).Encoded())
		}, ""),
	)
	return list
}

// paxBlock is an extended header and its records.
func paxBlock(records map[string]string) []byte {
	var text strings.Builder
	for k, v := range records {
		n := len(k) + len(v) + 3
		for len(fmt.Sprint(n))+len(k)+len(v)+3 != n {
			n = len(fmt.Sprint(n)) + len(k) + len(v) + 3
		}
		fmt.Fprintf(&text, "%d %s=%s\n", n, k, v)
	}
	b := append(paxHeader(text.Len()), text.String()...)
	return append(b, make([]byte, -len(b)&511)...)
}

// paxHeader begins n bytes of records (pax(1)).
func paxHeader(n int) []byte {
	return header("././@PaxHeader", 'x', func(h []byte) {
		copy(h[124:], fmt.Sprintf("%011o\x00", n))
		copy(h[257:], "ustar\x0000") // GNU's know no such records
	})
}

// bomb is a gzip of some KB that holds gzips without end: a member of a GB, often.
func bomb() []byte {
	var one bytes.Buffer
	w, _ := gzip.NewWriterLevel(&one, gzip.BestCompression)
	_, _ = w.Write(header("a", '0', size(1<<43)))
	_ = w.Close()
	var zeros bytes.Buffer
	w, _ = gzip.NewWriterLevel(&zeros, gzip.BestCompression)
	block := make([]byte, 1<<20)
	for range 64 {
		_, _ = w.Write(block)
	}
	_ = w.Close()
	return append(one.Bytes(), bytes.Repeat(zeros.Bytes(), 200)...)
}

// xzWithDictionary is the head of an xz stream whose LZMA2 filter wants a dictionary of that size.
func xzWithDictionary(bits byte) []byte {
	b := []byte("\xfd7zXZ\x00\x00\x01\x69\x22\xde\x36")
	return append(b, 0x02, 0x00, 0x21, 0x01, bits, 0, 0, 0, 0, 0, 0, 0)
}

// untar unpacks below naive/ as a tar says, through whatever links there are.
func (n *naive) untar(in io.Reader) error {
	note := func(err error) bool {
		n.left = n.left || err != nil && strings.Contains(err.Error(), "escapes from parent")
		return err == nil
	}
	for tr := tar.NewReader(in); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		to := "naive/" + strings.TrimLeft(h.Name, "/")
		note(n.world.MkdirAll(path.Dir(to), 0o755))
		switch h.Typeflag {
		case tar.TypeSymlink:
			note(n.world.Symlink(h.Linkname, to))
		case tar.TypeLink:
			note(n.world.Link("naive/"+h.Linkname, to))
		case tar.TypeReg:
			f, err := n.world.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
			if note(err) {
				_, err = io.Copy(f, tr)
				note(errors.Join(err, f.Close()))
			}
		}
	}
}

// inflate decompresses as much as it is ready to.
func (n *naive) inflate(in []byte) error {
	r, err := gzip.NewReader(bytes.NewReader(in))
	if err != nil {
		return err
	}
	h := sha256.New()
	got, err := io.Copy(h, io.LimitReader(r, naiveBytes))
	n.flooded = got >= naiveBytes
	return err
}
