package storage

import (
	"context"
	"fmt"

	"github.com/dhow-containers/dhow/storage/reference"
)

// RemoteManifest asks the registry for the document a name stands for, an image's manifest or an
// index, without pulling anything; insecure is PullOptions.Insecure. It gives the very bytes and their media type.
func (s *Store) RemoteManifest(ctx context.Context, ref string, auth *Credentials, insecure bool) (raw []byte, mediaType string, err error) {
	ctx, name, sys, done, err := s.remote(ctx, ref, "", auth, insecure)
	if err != nil {
		return nil, "", err
	}
	defer done()
	if name.Digest != "" {
		name.Tag = ""
	}
	from, err := dockerReference(name)
	if err != nil {
		return nil, "", err
	}
	src, err := from.NewImageSource(ctx, sys)
	if err == nil {
		raw, mediaType, err = src.GetManifest(ctx, nil)
		src.Close()
	}
	if err != nil {
		return nil, "", fmt.Errorf("asking for the manifest of %s: %w", reference.Familiar(name.String()), explainTransfer(ctx, err))
	}
	return raw, mediaType, nil
}
