package registry

import (
	"context"
	"errors"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

// ErrFlood is what a registry is that answers without end.
var ErrFlood = errors.New("the registry's answer does not end")

// What a transfer may take of memory. Several layers are read at a time, or compressed, which takes more.
const (
	Receiving = 128 << 20
	Sending   = 512 << 20
	// unpacking is for when refusals are bounded by themselves (see Listen) and layers come: what they are
	// decompressed with is bounded by storage/inflate.
	unpacking = 640 << 20
)

const floodEvery = 25 * time.Millisecond

// transfer is what a context of Bounded carries.
type transfer struct {
	most  atomic.Uint64 // bytes of memory
	began uint64
	asked pause
}

type transferKey struct{}

func transferOf(ctx context.Context) *transfer {
	t, _ := ctx.Value(transferKey{}).(*transfer)
	return t
}

// Bounded gives a context that ends with ErrFlood as its cause when the memory in use grows by more
// than bytes before stop is called. The library bounds manifests, configs and tokens, but reads an answer
// of 400 to 499 to its end, however far that is; see Listen for when that is no matter any more.
func Bounded(ctx context.Context, bytes uint64) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	t := &transfer{began: heap()}
	t.most.Store(bytes)
	go func() {
		tick := time.NewTicker(floodEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if heap() > t.began+t.most.Load() {
				cancel(ErrFlood)
				return
			}
		}
	}()
	return context.WithValue(ctx, transferKey{}, t), func() { cancel(nil) }
}

func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
