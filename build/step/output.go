package step

import (
	"fmt"
	"os"
	"sync"

	"github.com/dhow-containers/dhow/storage/progress"
)

// tailBytes is how much of a step's output an error repeats at most.
const tailBytes = 64 << 10

// output passes what a command prints on to the progress, as it comes, and keeps the end of it.
type output struct {
	stdout, stderr *os.File // the command's ends
	readers        [2]*os.File
	done           sync.WaitGroup

	mu   sync.Mutex
	last []byte
}

func newOutput(p progress.Func, id string) (*output, error) {
	o := &output{}
	for i := range o.readers {
		r, w, err := os.Pipe()
		if err != nil {
			o.close()
			return nil, fmt.Errorf("making a pipe for the output: %w", err)
		}
		o.readers[i] = r
		if i == 0 {
			o.stdout = w
		} else {
			o.stderr = w
		}
		o.done.Add(1)
		go func() {
			defer o.done.Done()
			buf := make([]byte, 32<<10)
			for {
				n, err := r.Read(buf)
				if n > 0 {
					o.keep(buf[:n])
					p.Emit(progress.Event{ID: id, Log: append([]byte(nil), buf[:n]...), Stream: i + 1})
				}
				if err != nil {
					return
				}
			}
		}()
	}
	return o, nil
}

func (o *output) keep(b []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last = append(o.last, b...)
	if len(o.last) > 2*tailBytes {
		o.last = append([]byte(nil), o.last[len(o.last)-tailBytes:]...)
	}
}

// started closes our copies of the command's ends: the pipes end with the command.
func (o *output) started() {
	o.stdout.Close()
	o.stderr.Close()
}

// wait returns when everything that was printed has been passed on.
func (o *output) wait() { o.done.Wait() }

// tail is the end of what was printed.
func (o *output) tail() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]byte(nil), o.last[max(0, len(o.last)-tailBytes):]...)
}

func (o *output) close() {
	if o.stdout != nil {
		o.stdout.Close()
	}
	if o.stderr != nil {
		o.stderr.Close()
	}
	o.wait()
	for _, r := range o.readers {
		if r != nil {
			r.Close()
		}
	}
}
