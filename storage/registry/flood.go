package registry

import (
	"context"
	"errors"
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"sync"
)

// ErrFlood is what a registry is that answers without end.
var ErrFlood = errors.New("the registry's answer does not end")

// floodBytes is what the library may hold of what registries say: manifests of 4 MB, tokens, tags.
const floodBytes = 32 << 20

// transfer is what a context of Bounded carries.
type transfer struct{ asked pause }

type transferKey struct{}

func transferOf(ctx context.Context) *transfer {
	t, _ := ctx.Value(transferKey{}).(*transfer)
	return t
}

// Bounded gives a context that ends with ErrFlood as its cause when the library comes to hold more of
// registries' answers than any honest one has, before stop is called. The library bounds manifests,
// configs and tokens, but reads an answer of 400 to 499 to its end, and one that lists tags. Refusals
// to a Reference have an end of their own, but for those to its first requests: the library makes
// them before anybody sees its client.
//
// Only what the library reads whole is counted. Layers on their way, which may take far more, are none of it.
//
// While nothing is read it costs nothing: no flood comes without collections of the heap, and it looks after
// each. They come before the heap has grown by floodBytes.
func Bounded(ctx context.Context) (_ context.Context, stop func()) {
	profiled()
	ctx, cancel := context.WithCancelCause(ctx)
	least := heap()
	collections.begin(least)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer collections.end()
		collected := afterCollections(ctx)
		// Counting takes a collection of its own. counted is what there was at the last, of others.
		for counted := uint64(0); ; {
			select {
			case <-ctx.Done():
				return
			case <-collected:
			}
			now := heap()
			least, counted = min(least, now), min(counted, now)
			if now >= max(least, counted)+floodBytes {
				if held() > floodBytes {
					cancel(ErrFlood)
					return
				}
				counted = heap()
			}
			collections.adjust(now)
		}
	}()
	return context.WithValue(ctx, transferKey{}, &transfer{}), func() { cancel(nil); <-ended }
}

// collections are made as often as the heap grows by some bytes, while somebody wants that.
var collections frequency

type frequency struct {
	mu    sync.Mutex
	users int
	was   int // the percentage when there was none
}

// begin wants a collection before a heap of live bytes has grown by floodBytes.
func (f *frequency) begin(live uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	was := debug.SetGCPercent(percentOf(live))
	if f.users++; f.users == 1 {
		f.was = was
	}
}

func (f *frequency) adjust(live uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	debug.SetGCPercent(percentOf(live))
}

func (f *frequency) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.users--; f.users == 0 {
		debug.SetGCPercent(f.was)
	}
}

// percentOf is by how much a heap of live bytes may grow until it is collected (GOGC).
func percentOf(live uint64) int {
	return int(min(max(100*floodBytes/max(live, 1), 10), 400))
}

// afterCollections gives a signal after each collection of the heap, until the context ends.
func afterCollections(ctx context.Context) <-chan struct{} {
	signal := make(chan struct{}, 1)
	var arm func()
	arm = func() {
		runtime.AddCleanup(new([64]byte), func(struct{}) {
			select {
			case signal <- struct{}{}:
			default:
			}
			if ctx.Err() == nil {
				arm()
			}
		}, struct{}{})
	}
	arm()
	return signal
}

// heap is what the last collection found in use, in bytes.
func heap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// profileBytes is how much is allocated for each sample of the memory profile; it is Go's own default.
const profileBytes = 512 << 10

// A program with a way to its memory profile keeps one from its first line, unless it is linked without
// (the Makefile's godebugDefault). This one needs none but for transfers.
var profiled = sync.OnceFunc(func() { runtime.MemProfileRate = profileBytes })

// reading begins the names of the functions whose memory held counts, with what they call.
const reading = "go.podman.io/image/v5/docker."

// held tells how many bytes are in use that the library's part for registries has asked for, by the
// memory profile.
func held() int {
	runtime.GC() // a profile tells what the last collection has found
	var records []runtime.MemProfileRecord
	for n, ok := 0, false; !ok; {
		records = make([]runtime.MemProfileRecord, n+64)
		if n, ok = runtime.MemProfile(records, false); ok {
			records = records[:n]
		}
	}
	var sum float64
	for i := range records {
		if r := &records[i]; readBy(r.Stack()) {
			// Few of the small allocations are in the profile. This is how runtime/pprof makes up for it.
			each := float64(r.InUseBytes()) / float64(r.InUseObjects())
			sum += float64(r.InUseBytes()) / -math.Expm1(-each/profileBytes)
		}
	}
	return int(sum)
}

func readBy(stack []uintptr) bool {
	for frames := runtime.CallersFrames(stack); ; {
		f, more := frames.Next()
		if strings.HasPrefix(f.Function, reading) {
			return true
		}
		if !more {
			return false
		}
	}
}
