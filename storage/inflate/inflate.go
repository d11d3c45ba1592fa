// Package inflate reads streams that may be compressed, by whoever made them: layers, archives, tars.
//
// It knows what the image library knows, and reads gzip by itself: the library's reader of it (pgzip)
// calls itself for every empty member, so that a stream of nothing but those overflows the stack, and its
// WriteTo panics at the end of a stream. Zstd too: what a stream may make its reader keep has a bound, and
// the streams of a process do not ask for it at the same time.
package inflate

import (
	"bufio"
	"io"

	"github.com/klauspost/compress/gzip"
	"go.podman.io/image/v5/pkg/compression"
)

// Uncompressed is Open's name for a stream that is not compressed, as the image library calls it.
const Uncompressed = "uncompressed"

// Open gives what a stream holds, and the name of what it is compressed with. The stream is read ahead of
// what is given. What stands behind the end of a compressed stream is an error, but for further gzip
// members.
func Open(stream io.Reader) (plain io.ReadCloser, algorithm string, err error) {
	format, open, all, err := compression.DetectCompressionFormat(stream)
	if err != nil {
		return nil, "", err
	}
	all = bufio.NewReaderSize(all, 64<<10)
	switch {
	case open == nil:
		return io.NopCloser(all), Uncompressed, nil
	case format.Name() == compression.Gzip.Name():
		plain, err = gzip.NewReader(all)
	case format.Name() == compression.Zstd.Name():
		plain, err = openZstd(all)
	default:
		plain, err = open(all)
	}
	if err != nil {
		return nil, "", err
	}
	return plain, format.Name(), nil
}
