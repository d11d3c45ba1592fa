package run

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/dhow-containers/dhow/run/spec"
	"github.com/dhow-containers/dhow/storage"
)

// image finds the image, brings it when it is wanted, and holds its layers until the container's
// record names them.
func (o Options) image(ctx context.Context) (*storage.Chain, error) {
	policy := storage.PullPolicy(o.Pull)
	switch policy {
	case "":
		policy = storage.PullMissing
	case storage.PullAlways, storage.PullMissing, storage.PullNever:
	default:
		return nil, fmt.Errorf("invalid pull option: '%s': must be one of \"always\", \"missing\" or \"never\"", o.Pull)
	}
	if policy != storage.PullAlways {
		chain, err := o.Store.Chain(o.Image)
		if err == nil {
			if o.Platform == "" || fits(chain.Image.Config, o.Platform) {
				return chain, nil
			}
			err = fmt.Errorf("%w for platform %s: %s", storage.ErrNotFound, o.Platform, o.Image)
			chain.Close()
		}
		if !errors.Is(err, storage.ErrNotFound) || policy == storage.PullNever {
			return nil, err
		}
		o.warn("Unable to find image '%s' locally", o.Image)
	}
	img, err := o.Store.Pull(ctx, o.Image, storage.PullOptions{
		Policy: storage.PullAlways, Platform: o.Platform, Progress: o.Progress,
	})
	if err != nil {
		return nil, err
	}
	return o.Store.Chain(img.ID)
}

// fits reports whether an image is for "os/arch[/variant]".
func fits(c storage.ImageConfig, platform string) bool {
	os, rest, _ := strings.Cut(platform, "/")
	arch, variant, _ := strings.Cut(rest, "/")
	if arch == "" {
		arch = runtime.GOARCH
	}
	return strings.EqualFold(os, c.OS) && strings.EqualFold(arch, c.Architecture) &&
		(variant == "" || c.Variant == "" || strings.EqualFold(variant, c.Variant))
}

// specImage picks from the image's configuration what a process needs.
func specImage(c storage.ImageConfig) spec.Image {
	img := spec.Image{
		Entrypoint: c.Config.Entrypoint, Cmd: c.Config.Cmd, Env: c.Config.Env,
		User: c.Config.User, WorkingDir: c.Config.WorkingDir, StopSignal: c.Config.StopSignal,
	}
	for target := range c.Config.Volumes {
		img.Volumes = append(img.Volumes, target)
	}
	return img
}
