package tree

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Content copies what is in regular files. The zero value is ready; it remembers what the filesystem
// refused, because asking again for every file costs a call.
type Content struct {
	// Progress, when not nil, is told of every piece that was copied, in bytes.
	Progress func(n int64)

	noClone, noRange atomic.Bool
}

// ErrShort is returned by Copy for a file that ends before its size.
var ErrShort = errors.New("it became shorter while it was read")

// maxPiece is how much one call to the kernel copies, in bytes: it can not be interrupted.
const maxPiece = 64 << 20

// Copy writes the first size bytes of from to the empty file to: as a shared extent where the
// filesystem can, in the kernel otherwise, with holes kept. A file that ends early is an error.
func (c *Content) Copy(to, from int, st *unix.Stat_t) error {
	size := st.Size
	if size == 0 {
		return nil
	}
	if !c.noClone.Load() {
		err := unix.IoctlFileClone(to, from)
		if err == nil {
			c.tell(size)
			return nil
		}
		c.noClone.Store(true)
	}
	if st.Blocks*512 >= size {
		return c.span(to, from, 0, size)
	}
	return c.sparse(to, from, size)
}

// sparse copies the data between the holes (lseek(2), SEEK_DATA).
func (c *Content) sparse(to, from int, size int64) error {
	for at := int64(0); at < size; {
		data, err := unix.Seek(from, at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break // a hole to the end
		}
		if err != nil {
			return c.span(to, from, at, size)
		}
		hole, err := unix.Seek(from, data, unix.SEEK_HOLE)
		if err != nil {
			return c.span(to, from, at, size)
		}
		hole = min(hole, size)
		if data >= size {
			break
		}
		if err := c.span(to, from, data, hole); err != nil {
			return err
		}
		at = hole
	}
	if err := unix.Ftruncate(to, size); err != nil {
		return fmt.Errorf("setting the size: %w", err)
	}
	return nil
}

// span copies the bytes from start up to end.
func (c *Content) span(to, from int, start, end int64) error {
	for start < end && !c.noRange.Load() {
		in, out := start, start
		n, err := unix.CopyFileRange(from, &in, to, &out, int(min(end-start, maxPiece)), 0)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil && !(errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EIO)):
			c.noRange.Store(true)
			continue
		case err != nil:
			return fmt.Errorf("writing: %w", err)
		case n == 0:
			return ErrShort
		}
		start += int64(n)
		c.tell(int64(n))
	}
	if start == end {
		return nil
	}
	buf := make([]byte, min(end-start, 256<<10))
	for start < end {
		n, err := pread(from, buf[:min(int64(len(buf)), end-start)], start)
		if err != nil {
			return fmt.Errorf("reading: %w", err)
		}
		if n == 0 {
			return ErrShort
		}
		for done := 0; done < n; {
			m, err := unix.Pwrite(to, buf[done:n], start+int64(done))
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if err == nil && m == 0 {
				err = io.ErrShortWrite
			}
			if err != nil {
				return fmt.Errorf("writing: %w", err)
			}
			done += m
		}
		start += int64(n)
		c.tell(int64(n))
	}
	return nil
}

func (c *Content) tell(n int64) {
	if c.Progress != nil {
		c.Progress(n)
	}
}

func pread(fd int, buf []byte, at int64) (int, error) {
	for {
		n, err := unix.Pread(fd, buf, at)
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}
