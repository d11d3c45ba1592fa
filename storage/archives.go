package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"go.podman.io/image/v5/copy"
	imageref "go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/types"

	"github.com/dhow-containers/dhow/storage/archive"
	"github.com/dhow-containers/dhow/storage/image"
	"github.com/dhow-containers/dhow/storage/progress"
	"github.com/dhow-containers/dhow/storage/reference"
	"github.com/dhow-containers/dhow/storage/registry"
)

// toSave is one image of an archive, or all of its index, and the names it carries there.
type toSave struct {
	img   Image
	names []string
	from  types.ImageReference
	out   *copy.Options
}

// Save writes images as one archive; format is "" or "docker-archive", or "oci-archive". A name
// without a tag means all tags of the repository, as in docker. With an empty platform an oci-archive
// has the whole index of a name where all of it is here, and a docker-archive the platform this machine
// runs best.
func (s *Store) Save(ctx context.Context, names []string, w io.Writer, format, platform string, p progress.Func) error {
	return s.save(ctx, names, platform, format == archive.OCI, p, func(sys *types.SystemContext, dir string) (*archive.Writer, error) {
		return archive.NewWriter(sys, w, format, dir)
	})
}

// SaveDir writes images into the empty directory dir; format is "oci-dir", or "docker-dir" for one
// image.
func (s *Store) SaveDir(ctx context.Context, names []string, dir, format, platform string, p progress.Func) error {
	return s.save(ctx, names, platform, format == archive.OCIDir, p, func(*types.SystemContext, string) (*archive.Writer, error) {
		return archive.NewDirWriter(format, dir)
	})
}

func (s *Store) save(ctx context.Context, names []string, platform string, indexes bool, p progress.Func, open func(*types.SystemContext, string) (*archive.Writer, error)) (err error) {
	quiet()
	list, err := s.choose(names, platform, indexes)
	if err != nil {
		return err
	}
	sys, done, err := s.settings().Context(registry.Access{})
	if err != nil {
		return err
	}
	defer done()
	dir, err := s.tempDir("save-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	out, err := open(sys, dir)
	if err != nil {
		return err
	}
	for _, item := range list {
		if err = s.saveOne(ctx, out, sys, item, p); err != nil {
			break
		}
	}
	if err != nil {
		_ = out.Close() // what is there is not whole
		return err
	}
	if err = out.Close(); err == nil {
		for _, item := range list {
			s.note(nil, "save", "sha256:"+item.img.ID, item.names...)
		}
	}
	return err
}

func (s *Store) saveOne(ctx context.Context, out *archive.Writer, sys *types.SystemContext, item toSave, p progress.Func) error {
	var tags []imageref.NamedTagged
	for _, n := range item.names {
		named, err := imageref.ParseNormalizedNamed(n)
		if err != nil {
			return err
		}
		if t, ok := named.(imageref.NamedTagged); ok {
			tags = append(tags, t)
		}
	}
	to, err := out.Reference(tags)
	if err != nil {
		return err
	}
	own := *sys
	if len(tags) > 1 {
		own.DockerArchiveAdditionalTags = tags[1:]
	}
	policy, err := registry.AcceptAnything()
	if err != nil {
		return err
	}
	defer policy.Destroy()
	report := newReporter(p, "saving")
	co := &copy.Options{
		RemoveSignatures: true,
		SourceCtx:        sys,
		DestinationCtx:   &own,
		Progress:         report.events(),
		ProgressInterval: report.interval(),

		ImageListSelection: item.out.ImageListSelection,
		PreserveDigests:    item.out.PreserveDigests && out.Layout(),
	}
	if out.WantsDocker() {
		co.ForceManifestMIMEType = manifest.DockerV2Schema2MediaType
	}
	_, err = copy.Image(ctx, policy, to, item.from, co)
	report.close(err)
	if err != nil {
		return fmt.Errorf("saving %s: %w", short(item.img.ID), explainTransfer(ctx, err))
	}
	return out.Named(tags)
}

// choose finds the images and holds them; one image comes once, with all the names asked for. With
// indexes a name of an index means all of it where all of it is here.
func (s *Store) choose(names []string, platform string, indexes bool) ([]toSave, error) {
	var list []toSave
	add := func(name, tag string) error {
		img, from, out, err := s.outgoing(name, platform)
		if err != nil {
			return err
		}
		if out.ImageListSelection == copy.CopyAllImages && !indexes {
			if img, from, out, err = s.outgoing(name, img.Platform()); err != nil {
				return err
			}
		}
		if tag == "" {
			_, tag = nameUsed(img, name)
			if img.Packed {
				tag = s.tagOf(name)
			}
			if n, err := reference.ParseBare(tag); err != nil || n.Tag == "" {
				tag = ""
			}
		}
		i := slices.IndexFunc(list, func(t toSave) bool {
			return t.img.ID == img.ID && t.out.ImageListSelection == out.ImageListSelection && t.img.Index == img.Index
		})
		if i < 0 {
			list = append(list, toSave{img: img, from: from, out: out})
			i = len(list) - 1
		}
		if tag != "" && !slices.Contains(list[i].names, tag) {
			list[i].names = append(list[i].names, tag)
		}
		return nil
	}
	for _, name := range names {
		if n, err := reference.ParseBare(name); err == nil && n.Tag == "" && n.Digest == "" {
			found, err := s.ofRepository(n.Repository())
			if err != nil {
				return nil, err
			}
			for _, full := range found {
				if err := add(full, full); err != nil {
					return nil, err
				}
			}
			if len(found) > 0 {
				continue
			}
		}
		if err := add(name, ""); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// tagOf is the full name of the image that stands for an index called by name.
func (s *Store) tagOf(name string) string {
	_, n, err := s.findNamed(name)
	if err != nil {
		return ""
	}
	return n.Tagged()
}

// ofRepository gives the names with tags of one repository, sorted.
func (s *Store) ofRepository(repository string) ([]string, error) {
	records, err := s.imageRecords([][]byte{[]byte(`"` + repository + `:`)})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, r := range records {
		for _, n := range r.Names {
			if repositoryOf(n) == repository {
				names = append(names, n)
			}
		}
	}
	slices.Sort(names)
	return names, nil
}

// Loaded is one image Load brought.
type Loaded struct {
	ID    string
	Names []string // full; empty for an image without a name
}

// Load reads an archive of Save, docker save or podman save, compressed or not. With an empty platform
// it brings all platforms of an index that the archive has.
func (s *Store) Load(ctx context.Context, r io.Reader, platform string, p progress.Func) (loaded []Loaded, err error) {
	quiet()
	if _, err := s.library(); err != nil {
		return nil, err
	}
	sys, done, err := s.settings().Context(registry.Access{Platform: platform})
	if err != nil {
		return nil, err
	}
	defer done()
	dir, err := s.tempDir("load-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	sys.BigFilesTemporaryDir = dir
	var in *archive.Reader
	if f, ok := r.(*os.File); ok {
		if in, err = archive.NewFileReader(sys, f, dir); in != nil {
			defer func() { // for who reads the same file after us, as a stream's would stand
				if err == nil {
					_, err = f.Seek(0, io.SeekEnd)
				}
			}()
		}
	}
	if in == nil && err == nil {
		in, err = archive.NewReader(sys, canceled{ctx, r}, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("loading: %w", err)
	}
	return s.loadAll(ctx, in, sys, platform, p)
}

// LoadDir reads a directory of SaveDir, podman save or another tool that writes OCI layouts.
func (s *Store) LoadDir(ctx context.Context, dir, platform string, p progress.Func) ([]Loaded, error) {
	quiet()
	if _, err := s.library(); err != nil {
		return nil, err
	}
	sys, done, err := s.settings().Context(registry.Access{Platform: platform})
	if err != nil {
		return nil, err
	}
	defer done()
	in, err := archive.NewDirReader(dir)
	if err != nil {
		return nil, fmt.Errorf("loading: %w", err)
	}
	return s.loadAll(ctx, in, sys, platform, p)
}

func (s *Store) loadAll(ctx context.Context, in *archive.Reader, sys *types.SystemContext, platform string, p progress.Func) (loaded []Loaded, err error) {
	defer func() { err = errors.Join(err, in.Close()) }()
	for _, item := range in.Images() {
		img, err := s.loadOne(ctx, item, in.InPlace, sys, platform, p)
		if err != nil {
			return loaded, fmt.Errorf("loading: %w", explainTransfer(ctx, err))
		}
		loaded = append(loaded, Loaded{ID: img.ID, Names: item.Names})
		s.note(nil, "load", "sha256:"+img.ID, item.Names...)
	}
	return loaded, nil
}

func (s *Store) loadOne(ctx context.Context, item archive.Image, inPlace bool, sys *types.SystemContext, platform string, p progress.Func) (Image, error) {
	if platform == "" {
		if img, ok, err := s.loadIndex(ctx, item.Ref, item.Names, sys, p); ok || err != nil {
			return img, err
		}
	}
	policy, err := registry.AcceptAnything()
	if err != nil {
		return Image{}, err
	}
	defer policy.Destroy()
	to := &target{local: local{name: "archive"}, s: s, names: item.Names, platform: platform, ahead: inPlace}
	report := newReporter(p, "loading")
	into := *sys
	if l := s.held(); inPlace && l != nil {
		// The library notes what blobs contain. Of an archive that is not compressed there is nothing to note, and to
		// make its database takes as long as to unpack a small image. Where a file is in its way, it does without.
		into.BlobInfoCacheDir = l.path
	}
	_, err = copy.Image(ctx, policy, to, item.Ref, &copy.Options{
		RemoveSignatures: true,
		SourceCtx:        sys,
		DestinationCtx:   &into,
		Progress:         report.events(),
		ProgressInterval: report.interval(),
	})
	report.close(err)
	return to.result, err
}

// ImportOptions guide Import.
type ImportOptions struct {
	Config   ImageConfig // platform and container config of the new image
	Message  string      // history comment
	Created  time.Time   // zero is now
	Name     string      // "" for none
	Progress progress.Func
}

// Import makes an image of one layer from a tar of a root filesystem, compressed or not.
func (s *Store) Import(ctx context.Context, r io.Reader, o ImportOptions) (img Image, err error) {
	var names []string
	if o.Name != "" {
		if names, err = fullNames([]string{o.Name}); err != nil {
			return Image{}, err
		}
	}
	if _, err := s.library(); err != nil {
		return Image{}, err
	}
	t, _, err := s.stage(ctx, s.flushingAhead(r), "")
	if err != nil {
		return Image{}, fmt.Errorf("importing: %w", explainTransfer(ctx, err))
	}
	t.compressed = "" // that was a file, not a blob a registry may have
	lock, err := s.shared()
	if err != nil {
		return Image{}, errors.Join(err, t.drop())
	}
	l, err := s.adopt("", *t)
	t.tarSplit = nil
	if err = errors.Join(err, lock.Unlock()); err != nil {
		return Image{}, errors.Join(fmt.Errorf("importing: %w", err), t.drop())
	}
	c := o.Config.Clone()
	if c.OS == "" || c.Architecture == "" {
		c.OS, c.Architecture, _, _ = registry.ParsePlatform("")
	}
	if o.Created.IsZero() {
		o.Created = time.Now()
	}
	created := o.Created.UTC()
	c.Created = &created
	c.History = append(c.History, image.History{Created: &created, Comment: o.Message})
	img, err = s.Commit(CommitOptions{Layers: []string{l.ID}, Config: c, Names: names})
	s.note(err, "import", "sha256:"+img.ID, names...)
	return img, err
}
