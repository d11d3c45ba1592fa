package source

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// maxZstdWindow bounds the memory one zstd frame may ask for.
const maxZstdWindow = 128 << 20

var compressed = []struct {
	name  string
	magic []byte
}{
	{"gzip", []byte{0x1f, 0x8b}},
	{"bzip2", []byte("BZh")},
	{"xz", []byte{0xfd, '7', 'z', 'X', 'Z', 0}},
	{"zstd", []byte{0x28, 0xb5, 0x2f, 0xfd}},
}

// isArchive looks at the first bytes without taking them: is it a tar, plain or compressed?
func isArchive(r *bufio.Reader) (bool, error) {
	head, err := r.Peek(512)
	if err != nil && err != io.EOF {
		return false, err
	}
	for _, c := range compressed {
		if bytes.HasPrefix(head, c.magic) {
			return true, nil
		}
	}
	return isTarHeader(head), nil
}

// isTarHeader checks the checksum of a tar header, which old archives without "ustar" have too.
func isTarHeader(b []byte) bool {
	if len(b) < 512 {
		return false
	}
	if len(bytes.Trim(b, "\x00")) == 0 {
		return true // the end of an archive without files
	}
	field := strings.Trim(string(b[148:156]), " \x00")
	want, err := strconv.ParseInt(field, 8, 64)
	if err != nil {
		return false
	}
	var sum int64
	for i, c := range b[:512] {
		if i >= 148 && i < 156 {
			c = ' '
		}
		sum += int64(c)
	}
	return sum == want
}

// decompress undoes gzip, bzip2, xz and zstd as the first bytes say.
func decompress(r *bufio.Reader) (io.Reader, func(), error) {
	head, err := r.Peek(6)
	if err != nil && err != io.EOF {
		return nil, nil, err
	}
	nothing := func() {}
	for _, c := range compressed {
		if !bytes.HasPrefix(head, c.magic) {
			continue
		}
		switch c.name {
		case "gzip":
			z, err := gzip.NewReader(r)
			return z, nothing, err
		case "bzip2":
			return bzip2.NewReader(r), nothing, nil
		case "xz":
			z, err := xz.NewReader(r)
			return z, nothing, err
		case "zstd":
			z, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(maxZstdWindow), zstd.WithDecoderConcurrency(1))
			if err != nil {
				return nil, nil, err
			}
			return z, z.Close, nil
		}
	}
	return r, nothing, nil
}

// unpack extracts a context into the empty directory dir. Owners are not kept: a context's files
// are 0:0. Nothing is written outside of dir, whatever names and links the archive holds. It
// returns remarks on what was left out.
func unpack(ctx context.Context, r *bufio.Reader, dir string) ([]string, error) {
	plain, done, err := decompress(r)
	if err != nil {
		return nil, err
	}
	defer done()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	u := &unpacker{root: root}
	tr := tar.NewReader(plain)
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		if err := u.entry(h, tr); err != nil {
			return nil, fmt.Errorf("%q: %w", h.Name, err)
		}
	}
	// A pipe's writer should not die of a closed pipe for the padding at the end.
	if _, err := io.Copy(io.Discard, plain); err != nil {
		return nil, err
	}
	return u.left, u.finishDirs()
}

type unpacker struct {
	root *os.Root
	dirs []*tar.Header // their modes and times are set last
	left []string
}

// maxRemarks is how many left-out entries are named.
const maxRemarks = 10

func (u *unpacker) entry(h *tar.Header, r io.Reader) error {
	name, err := inside(h.Name)
	if err != nil {
		return err
	}
	if name == "." {
		return nil
	}
	if err := u.root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return u.dir(name, h)
	case tar.TypeReg:
		return u.file(name, h, r)
	case tar.TypeSymlink:
		if err := u.clear(name); err != nil {
			return err
		}
		return u.root.Symlink(h.Linkname, name)
	case tar.TypeLink:
		target, err := inside(h.Linkname)
		if err != nil {
			return err
		}
		if target == name {
			return nil
		}
		if err := u.clear(name); err != nil {
			return err
		}
		return u.root.Link(target, name)
	case tar.TypeXGlobalHeader:
		return nil // git archive writes one
	}
	if len(u.left) < maxRemarks {
		u.left = append(u.left, fmt.Sprintf("the context's %q is a device or pipe and was left out", h.Name))
	}
	return nil
}

// inside gives the path of an entry relative to the root; one that leads out is an error.
func inside(name string) (string, error) {
	clean := path.Clean(strings.TrimLeft(name, "/"))
	if clean == ".." || strings.HasPrefix(clean, "../") {
		return "", errors.New("the path leads out of the archive")
	}
	if strings.IndexByte(clean, 0) >= 0 {
		return "", errors.New("the path holds a NUL byte")
	}
	return clean, nil
}

// clear removes what an earlier entry of the same name left, if anything.
func (u *unpacker) clear(name string) error {
	err := u.root.RemoveAll(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

func (u *unpacker) dir(name string, h *tar.Header) error {
	info, err := u.root.Lstat(name)
	if err == nil && !info.IsDir() {
		if err := u.clear(name); err != nil {
			return err
		}
	}
	if err := u.root.MkdirAll(name, 0o755); err != nil {
		return err
	}
	own := *h
	own.Name = name
	u.dirs = append(u.dirs, &own)
	return nil
}

func (u *unpacker) file(name string, h *tar.Header, r io.Reader) error {
	if err := u.clear(name); err != nil {
		return err
	}
	f, err := u.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	if err == nil {
		err = f.Chmod(h.FileInfo().Mode() & (os.ModePerm | os.ModeSetuid | os.ModeSetgid | os.ModeSticky))
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return u.root.Chtimes(name, time.Now(), h.ModTime)
}

// finishDirs sets what writing into the directories would have changed, the innermost first.
func (u *unpacker) finishDirs() error {
	for i := len(u.dirs) - 1; i >= 0; i-- {
		h := u.dirs[i]
		info, err := u.root.Lstat(h.Name)
		if err != nil || !info.IsDir() {
			continue // a later entry took its place
		}
		mode := h.FileInfo().Mode() & (os.ModePerm | os.ModeSetuid | os.ModeSetgid | os.ModeSticky)
		if err := u.root.Chmod(h.Name, mode); err != nil {
			return err
		}
		if err := u.root.Chtimes(h.Name, time.Now(), h.ModTime); err != nil {
			return err
		}
	}
	return nil
}
