package registry

import (
	"context"
	"errors"
	"runtime/metrics"
	"time"
)

// ErrFlood is what a registry is that answers without end.
var ErrFlood = errors.New("the registry's answer does not end")

// What a transfer may take of memory. Several layers are read at a time, or compressed, which takes more.
const (
	Receiving = 128 << 20
	Sending   = 512 << 20
)

const floodEvery = 25 * time.Millisecond

// Bounded gives a context that ends with ErrFlood as its cause when the memory in use grows by more
// than bytes before stop is called. The library bounds manifests, configs and tokens, but reads an answer
// of 400 to 499 to its end, however far that is.
func Bounded(ctx context.Context, bytes uint64) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(sample)
		most := sample[0].Value.Uint64() + bytes
		tick := time.NewTicker(floodEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if metrics.Read(sample); sample[0].Value.Uint64() > most {
				cancel(ErrFlood)
				return
			}
		}
	}()
	return ctx, func() { cancel(nil) }
}
