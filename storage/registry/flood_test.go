package registry

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"
)

// What is alive counts, less what other transfers and layers are allowed; garbage does not.
func TestBounded(t *testing.T) {
	const mb = 1 << 20
	var kept []byte
	for _, c := range []struct {
		name  string
		fill  func() (done func())
		flood bool
	}{
		{"kept", func() func() { kept = make([]byte, 64*mb); return func() {} }, true},
		{"garbage", func() func() {
			for range 16 {
				kept = make([]byte, 4*mb)
			}
			return func() {}
		}, false},
		{"a layer", func() func() { done := Arriving(); kept = make([]byte, 64*mb); return done }, false},
		{"another transfer", func() func() {
			_, done := Bounded(context.Background(), 64*mb)
			kept = make([]byte, 64*mb)
			return done
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			kept = nil
			runtime.GC()
			ctx, stop := Bounded(context.Background(), 32*mb)
			defer stop()
			done := c.fill()
			defer done()
			wait := 6 * floodEvery
			if c.flood {
				wait = 10 * time.Second
			}
			select {
			case <-ctx.Done():
			case <-time.After(wait):
			}
			runtime.KeepAlive(kept)
			if got := errors.Is(context.Cause(ctx), ErrFlood); got != c.flood {
				t.Errorf("a flood: %v, want %v", got, c.flood)
			}
		})
	}
	if left := allowed.Load(); left != 0 {
		t.Errorf("%d bytes are still allowed", left)
	}
}
