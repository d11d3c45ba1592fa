// Package archive reads and writes files of images: docker's archive (docker save), an OCI layout as a
// directory or in a tar, and a directory of the blobs of one image (podman save --format docker-dir).
//
// Archives are given and taken as streams; the library's writers and readers want paths, which are
// pipes and spooled files here.
package archive

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"

	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/directory"
	dockerarchive "go.podman.io/image/v5/docker/archive"
	imageref "go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/types"
	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/storage/inflate"
)

// Formats of archives and directories, as podman spells them.
const (
	Docker    = "docker-archive"
	OCI       = "oci-archive"
	OCIDir    = "oci-dir"
	DockerDir = "docker-dir"
)

// Writer writes one archive or directory.
type Writer struct {
	docker *dockerarchive.Writer
	pipe   *os.File // the end the library writes to
	copied chan error

	layout string    // directory of the OCI layout
	out    io.Writer // what its tar goes to; nil leaves the directory
	blobs  string    // directory of the one image
	used   bool
}

// NewWriter begins an archive of the format ("" is Docker). dir is for files on the way.
func NewWriter(sys *types.SystemContext, w io.Writer, format, dir string) (*Writer, error) {
	switch format {
	case "", Docker:
	case OCI:
		l := filepath.Join(dir, "layout")
		if err := os.Mkdir(l, 0o700); err != nil {
			return nil, fmt.Errorf("writing the archive: %w", err)
		}
		return &Writer{layout: l, out: w}, nil
	default:
		return nil, fmt.Errorf("archive format %q is not known: use %s or %s", format, Docker, OCI)
	}
	r, p, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("writing the archive: %w", err)
	}
	aw, err := dockerarchive.NewWriter(sys, "/proc/self/fd/"+strconv.Itoa(int(p.Fd())))
	if err != nil {
		r.Close()
		p.Close()
		return nil, fmt.Errorf("writing the archive: %w", err)
	}
	out := &Writer{docker: aw, pipe: p, copied: make(chan error, 1)}
	go func() {
		_, err := io.Copy(w, r)
		// A reader that has gone away makes the library's next write fail.
		out.copied <- errors.Join(err, r.Close())
	}()
	return out, nil
}

// NewDirWriter begins a directory of the format OCIDir or DockerDir in dir, which is empty.
func NewDirWriter(format, dir string) (*Writer, error) {
	switch format {
	case OCIDir:
		return &Writer{layout: dir}, nil
	case DockerDir:
		return &Writer{blobs: dir}, nil
	}
	return nil, fmt.Errorf("format %q is no directory: use %s or %s", format, OCIDir, DockerDir)
}

// Layout tells that images go in as they are, indexes too.
func (w *Writer) Layout() bool { return w.layout != "" }

// WantsDocker tells that images go in with docker's manifest whatever their own is.
func (w *Writer) WantsDocker() bool { return w.blobs != "" }

// Reference is where the next image goes. Of the tags the first is in the reference; the others
// travel in the SystemContext, or are added by Named.
func (w *Writer) Reference(tags []imageref.NamedTagged) (types.ImageReference, error) {
	var first imageref.NamedTagged
	if len(tags) > 0 {
		first = tags[0]
	}
	switch {
	case w.docker != nil:
		return w.docker.NewReference(first)
	case w.layout != "":
		name := ""
		if first != nil {
			name = first.String()
		}
		return layout.NewReference(w.layout, name)
	case w.used:
		return nil, fmt.Errorf("a %s holds one image: use %s for several", DockerDir, OCIDir)
	}
	w.used = true
	return directory.NewReference(w.blobs)
}

// Named gives the image that was copied last its other tags.
func (w *Writer) Named(tags []imageref.NamedTagged) error {
	if w.layout == "" || len(tags) < 2 {
		return nil
	}
	return addNames(w.layout, tags)
}

// Close ends the archive; all of it has been written when it returns nil.
func (w *Writer) Close() error {
	if w.docker != nil {
		err := w.docker.Close()
		err = errors.Join(err, w.pipe.Close())
		if cerr := <-w.copied; cerr != nil {
			return fmt.Errorf("writing the archive: %w", cerr)
		}
		return err
	}
	if w.out == nil {
		return nil
	}
	if err := packLayout(w.out, w.layout); err != nil {
		return fmt.Errorf("writing the archive: %w", err)
	}
	return nil
}

// Image is one image of an archive.
type Image struct {
	Ref   types.ImageReference
	Names []string // full
}

// Reader reads one archive.
type Reader struct {
	images []Image
	docker *dockerarchive.Reader
	// InPlace tells that it is read where the user has it: nothing of it was copied.
	InPlace bool
}

// NewReader spools the stream into dir and reads what images it has.
func NewReader(sys *types.SystemContext, r io.Reader, dir string) (*Reader, error) {
	file := filepath.Join(dir, "in.tar")
	if err := spool(r, file); err != nil {
		return nil, err
	}
	return readFile(sys, file, dir, true)
}

// NewFileReader reads what images a file has, where it lies: f stays open, and what it is, as long as the
// reader is. It gives nil when the file is one for NewReader: a pipe, compressed, read from already, or
// one that others may write to, who could change it after it was looked at.
func NewFileReader(sys *types.SystemContext, f *os.File, dir string) (*Reader, error) {
	name, ok := inPlace(f)
	if !ok {
		return nil, nil
	}
	again, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer again.Close()
	if err := onlyTar(again); err != nil {
		return nil, fmt.Errorf("reading the archive: %w", err)
	}
	return readFile(sys, name, dir, false)
}

// inPlace gives the name under which this process can read f from its beginning, if that is to be had and
// f is not compressed.
func inPlace(f *os.File) (name string, ok bool) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || int(st.Uid) != os.Geteuid() || st.Mode&0o022 != 0 {
		return "", false
	}
	if at, err := f.Seek(0, io.SeekCurrent); err != nil || at != 0 {
		return "", false
	}
	name = "/proc/self/fd/" + strconv.Itoa(int(f.Fd()))
	again, err := os.Open(name) // who was given an open file may not be allowed to open it
	if err != nil {
		return "", false
	}
	defer again.Close()
	plain, algorithm, err := inflate.Open(again)
	if err != nil {
		return "", false
	}
	return name, algorithm == inflate.Uncompressed && plain.Close() == nil
}

// readFile reads a tar. spooled is one of dir, which may go when something better is there.
func readFile(sys *types.SystemContext, file, dir string, spooled bool) (*Reader, error) {
	oci, err := isOCI(file)
	if err != nil {
		return nil, err
	}
	if oci {
		l := filepath.Join(dir, "layout")
		if err := unpackLayout(file, l); err != nil {
			return nil, fmt.Errorf("reading the archive: %w", err)
		}
		return readLayout(l)
	}
	plain, err := inflated(file, dir)
	if err == nil && spooled && plain != file {
		err = os.Remove(file)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the archive: %w", err)
	}
	r, err := readDocker(sys, plain)
	if r != nil {
		r.InPlace = !spooled && plain == file
	}
	return r, err
}

// NewDirReader reads what images a directory has: an OCI layout, or the blobs of one image.
func NewDirReader(dir string) (*Reader, error) {
	if err := onlyFiles(dir); err != nil {
		return nil, fmt.Errorf("reading %q: %w", dir, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "index.json")); err == nil {
		return readLayout(dir)
	}
	if _, err := os.Stat(filepath.Join(dir, "manifest.json")); err != nil {
		return nil, fmt.Errorf("reading %q: it has neither index.json nor manifest.json", dir)
	}
	ref, err := directory.NewReference(dir)
	if err != nil {
		return nil, fmt.Errorf("reading %q: %w", dir, err)
	}
	return &Reader{images: []Image{{Ref: ref}}}, nil
}

// onlyFiles refuses a directory with pipes or devices where the library would read: it would wait for a
// writer, or read without end.
func onlyFiles(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		st, err := os.Stat(name) // symlinks may lead to blobs that are shared
		switch {
		case err != nil && e.Type()&fs.ModeSymlink != 0:
			continue // to nothing: who reads it says so
		case err != nil:
			return err
		case st.IsDir() && (e.Name() == imgspecv1.ImageBlobsDir || filepath.Base(dir) == imgspecv1.ImageBlobsDir):
			err = onlyFiles(name)
		case !st.IsDir() && !st.Mode().IsRegular():
			err = fmt.Errorf("%s is no file", e.Name())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// spool writes the stream to file, decompressed.
func spool(r io.Reader, file string) (err error) {
	plain, _, err := inflate.Open(r)
	if err != nil {
		return fmt.Errorf("reading the archive: %w", err)
	}
	defer plain.Close()
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	in, out := bufio.NewReaderSize(plain, 1<<20), bufio.NewWriterSize(f, 1<<20)
	err = onlyTar(io.TeeReader(in, out))
	if err == nil {
		err = out.Flush()
	}
	if err == nil {
		err = toEnd(in)
	}
	if err != nil {
		return fmt.Errorf("reading the archive: %w", err)
	}
	return nil
}

// onlyTar reads r to where a tar ends. What is no tar may have no end: a device would fill the disk.
func onlyTar(r io.Reader) error {
	tr := tar.NewReader(r)
	for n := 0; ; n++ {
		_, err := tr.Next()
		switch {
		case err == io.EOF && n == 0:
			return errors.New("it is empty")
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("it is no tar: %w", err)
		}
	}
}

// trailing bounds what may follow a tar, in bytes: some writers fill up their last block.
const trailing = 64 << 20

// toEnd reads what follows a tar, for the sum of what it was compressed with, and so that no program that
// writes it into a pipe is interrupted.
func toEnd(r io.Reader) error {
	n, err := io.CopyN(io.Discard, r, trailing)
	if err == nil {
		return fmt.Errorf("more than %d MB follow its end", n>>20)
	}
	if err != io.EOF {
		return err
	}
	return nil
}

// isOCI tells the two formats apart. Newer docker writes both into one archive; the docker side of
// it names the images.
func isOCI(file string) (bool, error) {
	f, err := os.Open(file)
	if err != nil {
		return false, err
	}
	defer f.Close()
	layout := false
	for tr := tar.NewReader(f); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return false, fmt.Errorf("reading the archive: it is no tar: %w", err)
		}
		switch path.Clean("/" + h.Name) {
		case "/manifest.json":
			return false, nil
		case "/oci-layout":
			layout = true
		}
	}
	if !layout {
		return false, errors.New("reading the archive: it has neither manifest.json nor oci-layout")
	}
	return true, nil
}

func readDocker(sys *types.SystemContext, file string) (*Reader, error) {
	ar, err := dockerarchive.NewReader(sys, file)
	if err != nil {
		return nil, fmt.Errorf("reading the archive: %w", err)
	}
	list, err := ar.List()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("reading the archive: %w", err), ar.Close())
	}
	if len(list) == 0 {
		return nil, errors.Join(errors.New("reading the archive: it names no image"), ar.Close())
	}
	r := &Reader{docker: ar}
	for _, refs := range list {
		img := Image{Ref: refs[0]}
		for _, ref := range refs {
			if n := ref.DockerReference(); n != nil {
				img.Names = append(img.Names, n.String())
			}
		}
		r.images = append(r.images, img)
	}
	return r, nil
}

// Images gives the images in the order of the archive.
func (r *Reader) Images() []Image { return r.images }

// Close ends reading.
func (r *Reader) Close() error {
	if r.docker != nil {
		return r.docker.Close()
	}
	return nil
}
