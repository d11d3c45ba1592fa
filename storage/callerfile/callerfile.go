// Package callerfile writes files a person names that may be pipes: opening one waits for somebody at the
// other end, where a signal reaches nobody, and so may writing. For reading there is storage/given.
package callerfile

import (
	"context"
	"os"
)

// OpenToWrite opens a file that is there to be written. The writing may wait too.
func OpenToWrite(ctx context.Context, path string) (*os.File, error) {
	return within(ctx, func() (*os.File, error) { return os.OpenFile(path, os.O_WRONLY, 0) })
}

// Write writes to a file that is there.
func Write(ctx context.Context, path string, data []byte) error {
	_, err := within(ctx, func() (int, error) {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return 0, err
		}
		n, err := f.Write(data)
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		return n, err
	})
	return err
}

// within gives up waiting for do when ctx ends; what do is doing ends with the process, or with whoever is at
// the other end.
func within[T any](ctx context.Context, do func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		v, err := do()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}
