package storage

import (
	"context"
	"errors"
	"io"
	"math"
	"reflect"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/types"
)

// Two things image/v5 can do it tells nobody: its registry source reads a blob from any offset, and
// its cache keeps how a blob is compressed, without which it mounts nothing from another repository.
// The methods are exported, the types of their arguments are internal; so they are called by
// reflection. Where a newer version has them differently, a blob is fetched whole and uploaded.

var errNoRange = errors.New("the library has no ranges")

// blobFrom gives a blob from offset on. What a registry without ranges sends before that is read and
// dropped by the library. The reader ends with ctx; cancel it before closing the reader, which would
// read the rest.
func blobFrom(ctx context.Context, src types.ImageSource, info types.BlobInfo, offset int64) (_ io.ReadCloser, err error) {
	m := reflect.ValueOf(src).MethodByName("GetBlobAt")
	if !m.IsValid() || m.Type().NumIn() != 3 || m.Type().In(2).Kind() != reflect.Slice || m.Type().NumOut() != 3 {
		return nil, errNoRange
	}
	chunks := reflect.MakeSlice(m.Type().In(2), 1, 1)
	for name, value := range map[string]uint64{"Offset": uint64(offset), "Length": math.MaxUint64} {
		field := chunks.Index(0)
		if field.Kind() == reflect.Struct {
			field = field.FieldByName(name)
		}
		if !field.IsValid() || field.Kind() != reflect.Uint64 {
			return nil, errNoRange
		}
		field.SetUint(value)
	}
	out := m.Call([]reflect.Value{reflect.ValueOf(ctx), reflect.ValueOf(info), chunks})
	if err, _ := out[2].Interface().(error); err != nil {
		return nil, err
	}
	streams, ok1 := out[0].Interface().(chan io.ReadCloser)
	errs, ok2 := out[1].Interface().(chan error)
	if !ok1 || !ok2 {
		return nil, errNoRange
	}
	for streams != nil || errs != nil {
		select {
		case r, ok := <-streams:
			if ok {
				return r, nil
			}
			streams = nil
		case err, ok := <-errs:
			if ok {
				return nil, err
			}
			errs = nil
		}
	}
	return nil, io.ErrUnexpectedEOF
}

// recordCompression notes in the library's cache how a blob is compressed: "gzip", "zstd", or
// "uncompressed".
func recordCompression(cache types.BlobInfoCache, blob digest.Digest, algorithm string) {
	m := reflect.ValueOf(cache).MethodByName("RecordDigestCompressorData")
	if !m.IsValid() || m.Type().NumIn() != 2 || m.Type().In(1).Kind() != reflect.Struct {
		return
	}
	data := reflect.New(m.Type().In(1)).Elem()
	for name, value := range map[string]string{"BaseVariantCompressor": algorithm, "SpecificVariantCompressor": "unknown"} {
		if field := data.FieldByName(name); field.IsValid() && field.Kind() == reflect.String {
			field.SetString(value)
		}
	}
	m.Call([]reflect.Value{reflect.ValueOf(blob), data})
}
