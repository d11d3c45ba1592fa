package archive

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/dhow-containers/dhow/storage/inflate"
)

// inflated gives a docker archive whose layers are not compressed: file itself, or when some are a copy in
// dir. The library would read them with a gzip reader that a stream of empty members
// takes down (see inflate).
func inflated(file, dir string) (string, error) {
	any := false
	err := entries(file, func(_ *tar.Header, body *bufio.Reader) error {
		any = any || compressed(body)
		return nil
	})
	if err != nil || !any {
		return file, err
	}
	plain := filepath.Join(dir, "plain.tar")
	if err := rewrite(file, plain, filepath.Join(dir, "layer")); err != nil {
		return "", err
	}
	return plain, nil
}

// compressed tells whether gzip data follows; the other formats have readers that bear everything.
func compressed(body *bufio.Reader) bool {
	magic, _ := body.Peek(2)
	return string(magic) == "\x1f\x8b"
}

// entries calls do for what is in a tar.
func entries(file string, do func(*tar.Header, *bufio.Reader) error) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	body := bufio.NewReaderSize(nil, 64<<10)
	for tr := tar.NewReader(f); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("it is no tar: %w", err)
		}
		body.Reset(tr)
		if err := do(h, body); err != nil {
			return err
		}
	}
}

// rewrite copies a tar with its compressed files as they are without that; temp is for each on its way.
func rewrite(from, to, temp string) (err error) {
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	tw := tar.NewWriter(out)
	err = entries(from, func(h *tar.Header, body *bufio.Reader) error {
		// What the library looks at; the rest may be what no writer takes.
		short := &tar.Header{Name: h.Name, Typeflag: h.Typeflag, Linkname: h.Linkname, Mode: 0o600}
		switch h.Typeflag {
		case tar.TypeReg, tar.TypeGNUSparse:
			short.Typeflag, short.Size = tar.TypeReg, h.Size
		case tar.TypeDir, tar.TypeSymlink, tar.TypeLink:
		default:
			return nil
		}
		var content io.Reader = body
		if compressed(body) {
			plain, err := unzip(body, temp)
			if err != nil {
				return fmt.Errorf("%q: %w", strings.ToValidUTF8(h.Name, "?"), err)
			}
			defer plain.Close()
			st, err := plain.Stat()
			if err != nil {
				return err
			}
			content, short.Size = plain, st.Size()
		}
		if err := tw.WriteHeader(short); err != nil {
			return err
		}
		_, err := io.Copy(tw, io.LimitReader(content, short.Size))
		return err
	})
	return errors.Join(err, tw.Close())
}

// unzip gives an open file without a name that holds what body holds compressed.
func unzip(body io.Reader, temp string) (*os.File, error) {
	plain, _, err := inflate.Open(body)
	if err != nil {
		return nil, err
	}
	defer plain.Close()
	f, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	err = os.Remove(temp)
	if err == nil {
		_, err = io.Copy(f, plain)
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err == nil && compressed(bufio.NewReader(io.NewSectionReader(f, 0, 16))) {
		err = errors.New("it is compressed twice")
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
