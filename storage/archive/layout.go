package archive

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	imageref "go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/oci/layout"
)

// maxIndexBytes bounds index.json, which is read into memory.
const maxIndexBytes = 4 << 20

// addNames repeats the last entry of a layout's index for every tag but the first.
func addNames(dir string, tags []imageref.NamedTagged) error {
	index, err := readIndex(dir)
	if err != nil {
		return err
	}
	for _, d := range index.Manifests {
		if d.Annotations[imgspecv1.AnnotationRefName] != tags[0].String() {
			continue
		}
		for _, t := range tags[1:] {
			more := d
			more.Annotations = maps.Clone(d.Annotations)
			more.Annotations[imgspecv1.AnnotationRefName] = t.String()
			index.Manifests = append(index.Manifests, more)
		}
		break
	}
	raw, err := json.Marshal(index)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, imgspecv1.ImageIndexFile), raw, 0o644)
}

func readIndex(dir string) (index imgspecv1.Index, err error) {
	f, err := os.Open(filepath.Join(dir, imgspecv1.ImageIndexFile))
	if err != nil {
		return index, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxIndexBytes+1))
	if err != nil {
		return index, err
	}
	if len(raw) > maxIndexBytes {
		return index, fmt.Errorf("its %s is larger than %d bytes", imgspecv1.ImageIndexFile, maxIndexBytes)
	}
	if err := json.Unmarshal(raw, &index); err != nil {
		return index, fmt.Errorf("its %s: %w", imgspecv1.ImageIndexFile, err)
	}
	return index, nil
}

// packLayout writes a layout as a tar: the same layout gives the same bytes.
func packLayout(w io.Writer, dir string) error {
	tw := tar.NewWriter(w)
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		h := &tar.Header{Name: rel, Typeflag: tar.TypeDir, Mode: 0o755}
		if d.IsDir() {
			h.Name += "/"
			return tw.WriteHeader(h)
		}
		h.Typeflag, h.Mode, h.Size = tar.TypeReg, 0o644, info.Size()
		if err := tw.WriteHeader(h); err != nil {
			return err
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(tw, f)
		return err
	})
	return errors.Join(err, tw.Close())
}

var blobExpr = regexp.MustCompile(`^blobs/[a-z0-9]+/[a-f0-9]+$`)

// unpackLayout takes the files of a layout out of a tar, and nothing else: no links, no other names.
func unpackLayout(file, dir string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	for tr := tar.NewReader(f); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
		if h.Typeflag != tar.TypeReg || name != imgspecv1.ImageLayoutFile && name != imgspecv1.ImageIndexFile && !blobExpr.MatchString(name) {
			continue
		}
		if err := takeOut(tr, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
}

func takeOut(r io.Reader, name string) (err error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}

// maxImages bounds how many images of one layout are loaded.
const maxImages = 10_000

// readLayout gives the images of a layout. One image comes once, with all its names.
func readLayout(dir string) (*Reader, error) {
	index, err := readIndex(dir)
	if err != nil {
		return nil, fmt.Errorf("reading the archive: %w", err)
	}
	if len(index.Manifests) == 0 || len(index.Manifests) > maxImages {
		return nil, fmt.Errorf("reading the archive: it names %d images", len(index.Manifests))
	}
	r := &Reader{}
	at := map[string]int{}
	for i, d := range index.Manifests {
		n, known := at[d.Digest.String()]
		if !known {
			ref, err := layout.NewIndexReference(dir, i)
			if err != nil {
				return nil, fmt.Errorf("reading the archive: %w", err)
			}
			n = len(r.images)
			at[d.Digest.String()] = n
			r.images = append(r.images, Image{Ref: ref})
		}
		if name := nameOf(d); name != "" {
			r.images[n].Names = append(r.images[n].Names, name)
		}
	}
	return r, nil
}

// nameOf is the full name an index gives an entry, "" when what it says is none.
func nameOf(d imgspecv1.Descriptor) string {
	for _, key := range []string{"io.containerd.image.name", imgspecv1.AnnotationRefName} {
		named, err := imageref.ParseNormalizedNamed(d.Annotations[key])
		if err != nil {
			continue
		}
		if t, ok := named.(imageref.NamedTagged); ok {
			return t.String()
		}
	}
	return ""
}
