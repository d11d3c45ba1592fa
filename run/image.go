package run

import (
	"context"
	"errors"
	"fmt"
	"runtime"

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
		chain, err := o.Store.ChainFor(o.Image, o.Platform)
		if errors.Is(err, storage.ErrPacked) {
			chain, err = o.unpack(ctx)
		}
		if err == nil {
			o.warnPlatform(chain.Image.Config)
			return chain, nil
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

// unpack makes the wanted platform of an index that was brought whole one that can run.
func (o Options) unpack(ctx context.Context) (*storage.Chain, error) {
	img, err := o.Store.LookupFor(o.Image, o.Platform)
	if err == nil {
		img, err = o.Store.Unpack(ctx, img)
	}
	if err != nil {
		return nil, err
	}
	return o.Store.Chain(img.ID)
}

// warnPlatform says in docker's words that nobody asked for the platform of the image.
func (o Options) warnPlatform(c storage.ImageConfig) {
	if o.Platform != "" || c.Architecture == "" || c.Architecture == runtime.GOARCH && (c.OS == "" || c.OS == runtime.GOOS) {
		return
	}
	platform := c.OS + "/" + c.Architecture
	if c.Variant != "" {
		platform += "/" + c.Variant
	}
	o.warn("The requested image's platform (%s) does not match the detected host platform (%s/%s) and no specific platform was requested",
		platform, runtime.GOOS, runtime.GOARCH)
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
