// Package build makes an image from a Dockerfile.
//
// Build is the list of what happens, in order; each phase is a room of its own: source reads the
// input, plan turns the text into a graph, schedule decides which steps are done and when, cache
// knows what was done before, step does one step (mount prepares what is mounted into a RUN), and
// export makes the image. What is happening goes up as progress events; nothing here prints.
package build

import (
	"context"
	"errors"
	"fmt"

	"github.com/dhow-containers/dhow/build/export"
	"github.com/dhow-containers/dhow/build/plan"
	"github.com/dhow-containers/dhow/storage/reference"
)

// Build makes the image and names it. An error in the Dockerfile, or of a step, carries its place
// (*dockerfile.Error); a failed step is a *StepError inside. Nothing is left behind but cached
// layers, unless the image is made.
func Build(ctx context.Context, o Options) (result Result, err error) {
	if err := check(o); err != nil {
		return Result{}, err
	}
	s, err := open(o)
	if err != nil {
		return Result{}, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.read(ctx); err != nil {
		return Result{}, err
	}
	graph, err := s.plan(ctx)
	if err != nil {
		return Result{}, err
	}
	final, err := s.steps(ctx, graph)
	if err != nil {
		return Result{}, err
	}
	image, err := s.export(ctx, graph, final)
	if err != nil {
		return Result{}, err
	}
	if o.IIDFile != "" {
		if err := export.IIDFile(ctx, o.IIDFile, image.ID); err != nil {
			return Result{}, err
		}
	}
	return Result{ImageID: image.ID, Digest: image.Digest, Names: image.Names}, nil
}

// check refuses what would fail only after the work was done.
func check(o Options) error {
	for _, t := range o.Tags {
		name, err := reference.Parse(t)
		if err != nil {
			return fmt.Errorf("naming the image: %w", err)
		}
		if name.Digest != "" {
			return fmt.Errorf("naming the image: invalid reference %q: an image can not be named by digest", t)
		}
	}
	if o.Platform != "" {
		if _, err := plan.ParsePlatform(o.Platform); err != nil {
			return err
		}
	}
	return checkSecrets(o.Secrets)
}
