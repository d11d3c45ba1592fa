// Package ocicrypt stands in for the library of encrypted layers, of which image/v5 uses these names.
//
// dhow refuses encrypted layers (storage/pull.go) and offers no encryption, so nothing here is ever
// called. The real one brings gRPC, PKCS#11 and three ways of wrapping keys: 70 packages whose
// initialisers every command would run before its first line, `run` included and twice.
package ocicrypt

import (
	"errors"
	"io"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/containers/ocicrypt/config"
)

// ErrUnsupported is what both directions answer.
var ErrUnsupported = errors.New("encrypted layers are not supported")

// EncryptLayerFinalizer gives the annotations of an encrypted layer.
type EncryptLayerFinalizer func() (map[string]string, error)

// EncryptLayer refuses.
func EncryptLayer(*config.EncryptConfig, io.Reader, ocispec.Descriptor) (io.Reader, EncryptLayerFinalizer, error) {
	return nil, nil, ErrUnsupported
}

// DecryptLayer refuses.
func DecryptLayer(*config.DecryptConfig, io.Reader, ocispec.Descriptor, bool) (io.Reader, digest.Digest, error) {
	return nil, "", ErrUnsupported
}
