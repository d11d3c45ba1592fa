package monitor

import (
	"errors"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Join runs a further process in the container in dir with the caller's streams and gives its exit
// status. With e.Detach it returns when the process has started. ErrDetached when the person typed the
// detach keys.
func Join(dir string, e Exec, c Caller) (int, error) {
	r := Request{Op: "exec", Exec: &e}
	var theirs []*os.File
	var pumps joint
	screen := c.screen(e.Terminal)
	if screen != nil {
		if size, err := unix.IoctlGetWinsize(int(screen.Fd()), unix.TIOCGWINSZ); err == nil {
			r.Width, r.Height = size.Col, size.Row
		}
	}
	if !e.Terminal && !e.Detach {
		var err error
		if theirs, err = pumps.open(&e, c); err != nil {
			return 0, err
		}
	}
	conn, err := Dial(dir)
	if err == nil {
		defer conn.Close()
		err = request(conn, r, theirs...)
	}
	for _, f := range theirs {
		f.Close()
	}
	if err != nil {
		return 0, err
	}
	_, files, err := receiveReply(conn)
	if err != nil {
		return 0, err
	}
	if e.Detach {
		for _, f := range files {
			f.Close()
		}
		return 0, nil
	}
	if e.Terminal {
		if len(files) != 1 {
			return 0, errors.New("the container's monitor sent no terminal")
		}
		if err := c.use(files[0], screen); err != nil {
			return 0, err
		}
	} else {
		pumps.start()
	}
	reply, _, err := receiveReply(conn)
	if err != nil {
		return 0, err
	}
	if !e.Terminal {
		pumps.outputs.Wait()
	}
	return reply.Status, nil
}

// joint are the pipes between the caller's streams and a process: they are made for the process, so
// that its user may own them.
type joint struct {
	in      func()
	out     []func()
	outputs sync.WaitGroup
}

func (j *joint) open(e *Exec, c Caller) (theirs []*os.File, err error) {
	fail := func(err error) ([]*os.File, error) {
		for _, f := range theirs {
			f.Close()
		}
		return nil, err
	}
	if c.In != nil {
		r, w, err := os.Pipe()
		if err != nil {
			return fail(err)
		}
		theirs, e.Streams[0] = append(theirs, r), true
		j.in = func() {
			_, _ = io.Copy(w, c.In)
			w.Close()
		}
	}
	for i, to := range []*os.File{c.Out, c.Err} {
		if to == nil {
			continue
		}
		r, w, err := os.Pipe()
		if err != nil {
			return fail(err)
		}
		theirs, e.Streams[i+1] = append(theirs, w), true
		j.out = append(j.out, func() {
			defer j.outputs.Done()
			defer r.Close() // when the reader has gone, the process must get EPIPE too
			_, _ = io.Copy(to, r)
		})
	}
	return theirs, nil
}

func (j *joint) start() {
	if j.in != nil {
		go j.in()
	}
	for _, f := range j.out {
		j.outputs.Add(1)
		go f()
	}
}

// use passes data between the caller and the process's terminal until that ends.
func (c Caller) use(master, screen *os.File) error {
	defer master.Close()
	if screen != nil {
		if c.In != nil {
			restore, err := raw(screen)
			if err != nil {
				return err
			}
			defer restore()
		}
		defer followSize(screen, func(width, height uint16) {
			_ = unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: width, Row: height})
		})()
	}
	detached := make(chan struct{})
	if c.In != nil {
		go func() {
			keys := c.Keys
			if screen == nil {
				keys = nil
			}
			switch err := input(master, c.In, keys); {
			case errors.Is(err, ErrDetached):
				close(detached)
			case errors.Is(err, io.EOF):
				_, _ = master.Write([]byte{4}) // as a person would end the input
			}
		}()
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		out := c.Out
		if out == nil {
			_, _ = io.Copy(io.Discard, master)
			return
		}
		_, _ = io.Copy(out, master) // a terminal without a process answers EIO
	}()
	select {
	case <-done:
		return nil
	case <-detached:
		return ErrDetached
	}
}
