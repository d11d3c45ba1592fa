package plan

import (
	"context"

	"github.com/dhow-containers/dhow/dockerfile"
)

// Make plans a Dockerfile for one target. resolve is asked for the images that are needed, in
// parallel. Errors stand at their line (*dockerfile.Error) where they have one.
func Make(ctx context.Context, file *dockerfile.File, opts Options, resolve Resolver) (*Graph, error) {
	return nil, nil
}
