// Package archive reads and writes files of images: docker's archive (docker save) and an OCI layout
// in a tar (podman save --format oci-archive).
//
// Both are given and taken as streams; the library's writers and readers want paths, which are pipes
// and spooled files here.
package archive

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"

	dockerarchive "go.podman.io/image/v5/docker/archive"
	imageref "go.podman.io/image/v5/docker/reference"
	ociarchive "go.podman.io/image/v5/oci/archive"
	"go.podman.io/image/v5/pkg/compression"
	"go.podman.io/image/v5/transports"
	"go.podman.io/image/v5/types"
)

// Formats of archives.
const (
	Docker = "docker-archive"
	OCI    = "oci-archive"
)

// Writer writes one archive to a stream.
type Writer struct {
	docker *dockerarchive.Writer
	pipe   *os.File // the end the library writes to
	copied chan error

	oci  string // the file the library writes an OCI archive to
	out  io.Writer
	used bool
}

// NewWriter begins an archive of the format ("" is Docker). dir is for files on the way.
func NewWriter(sys *types.SystemContext, w io.Writer, format, dir string) (*Writer, error) {
	switch format {
	case "", Docker:
	case OCI:
		return &Writer{oci: filepath.Join(dir, "out.tar"), out: w}, nil
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

// Reference is where the next image goes. Of the tags the first is in the reference; the others
// travel in the SystemContext.
func (w *Writer) Reference(tags []imageref.NamedTagged) (types.ImageReference, error) {
	var first imageref.NamedTagged
	if len(tags) > 0 {
		first = tags[0]
	}
	if w.docker != nil {
		return w.docker.NewReference(first)
	}
	if w.used {
		return nil, fmt.Errorf("an %s holds one image: use %s for several", OCI, Docker)
	}
	w.used = true
	name := ""
	if first != nil {
		name = first.String()
	}
	return ociarchive.NewReference(w.oci, name)
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
	f, err := os.Open(w.oci)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.Copy(w.out, f); err != nil {
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
}

// NewReader spools the stream into dir and reads what images it has.
func NewReader(sys *types.SystemContext, r io.Reader, dir string) (*Reader, error) {
	file := filepath.Join(dir, "in.tar")
	if err := spool(r, file); err != nil {
		return nil, err
	}
	oci, err := isOCI(file)
	if err != nil {
		return nil, err
	}
	if oci {
		return readOCI(sys, file)
	}
	return readDocker(sys, file)
}

// spool writes the stream to file, decompressed.
func spool(r io.Reader, file string) (err error) {
	plain, _, err := compression.AutoDecompress(bufio.NewReader(r))
	if err != nil {
		return fmt.Errorf("reading the archive: %w", err)
	}
	defer plain.Close()
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	n, err := io.Copy(f, plain)
	if err != nil {
		return fmt.Errorf("reading the archive: %w", err)
	}
	if n == 0 {
		return errors.New("reading the archive: it is empty")
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

func readOCI(sys *types.SystemContext, file string) (*Reader, error) {
	ref, err := ociarchive.NewReference(file, "")
	if err != nil {
		return nil, fmt.Errorf("reading the archive: %w", err)
	}
	img := Image{Ref: ref}
	if desc, err := ociarchive.LoadManifestDescriptorWithContext(sys, ref); err == nil {
		for _, key := range []string{"io.containerd.image.name", "org.opencontainers.image.ref.name"} {
			named, err := imageref.ParseNormalizedNamed(desc.Annotations[key])
			if err != nil {
				continue
			}
			if t, ok := named.(imageref.NamedTagged); ok {
				img.Names = []string{t.String()}
				break
			}
		}
	} else {
		return nil, fmt.Errorf("reading the archive %s: %w", transports.ImageName(ref), err)
	}
	return &Reader{images: []Image{img}}, nil
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
