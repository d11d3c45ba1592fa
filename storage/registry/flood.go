package registry

import (
	"context"
	"errors"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"
)

// ErrFlood is what a registry is that answers without end.
var ErrFlood = errors.New("the registry's answer does not end")

// What a transfer may take of memory. Several layers are compressed at a time.
const (
	Receiving = 512 << 20
	Sending   = 512 << 20
)

// arriving is what a layer may take in addition while it is read: zstd's window may have 128 MB.
const arriving = 256 << 20

const floodEvery = 25 * time.Millisecond

// allowed is what everything under way in this process may take together.
var allowed atomic.Uint64

func allow(bytes uint64) (stop func()) {
	allowed.Add(bytes)
	return sync.OnceFunc(func() { allowed.Add(-bytes) })
}

// Arriving allows for a layer until done is called.
func Arriving() (done func()) { return allow(arriving) }

// Bounded gives a context that ends with ErrFlood as its cause when the memory in use grows by more
// than bytes, and what else is allowed meanwhile, before stop is called. The library bounds manifests,
// configs and tokens, but reads an answer of 400 to 499 to its end, however far that is.
func Bounded(ctx context.Context, bytes uint64) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	back := allow(bytes)
	before := heap()
	go func() {
		tick := time.NewTicker(floodEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if heap() <= before+allowed.Load() {
				continue
			}
			runtime.GC() // garbage is nobody's answer
			if heap() > before+allowed.Load() {
				cancel(ErrFlood)
				return
			}
		}
	}()
	return ctx, func() { cancel(nil); back() }
}

func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
