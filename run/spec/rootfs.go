package spec

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Bounds of the files that are read from an image: whoever made it is not trusted.
const (
	maxFileBytes = 16 << 20
	maxLineBytes = 64 << 10
)

// rootfs is the root filesystem of a container, read by way of one descriptor.
type rootfs struct{ fd int }

func openRootfs(path string) (*rootfs, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return &rootfs{fd}, nil
}

func (r *rootfs) Close() error { return unix.Close(r.fd) }

// eachLine gives f the lines of a regular file until f gives false; a missing file has none. Symlinks
// are followed as the container would follow them (openat2(2), RESOLVE_IN_ROOT). The file is opened
// without effect first, so that neither a FIFO blocks nor a device is touched. Lines longer than
// maxLineBytes are no entries and skipped; a file longer than maxFileBytes is an error.
func (r *rootfs) eachLine(name string, f func(line string) bool) error {
	file, err := r.open(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading /%s of the image: %w", name, err)
	}
	defer file.Close()
	in := bufio.NewReaderSize(&io.LimitedReader{R: file, N: maxFileBytes}, maxLineBytes)
	total := 0
	skipping := false
	for {
		line, err := in.ReadSlice('\n')
		total += len(line)
		if total >= maxFileBytes {
			return fmt.Errorf("reading /%s of the image: larger than %d bytes", name, maxFileBytes)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			skipping = true
			continue
		}
		if err != nil && err != io.EOF {
			return fmt.Errorf("reading /%s of the image: %w", name, err)
		}
		if !skipping && len(line) > 0 && line[0] != '#' {
			if line[len(line)-1] == '\n' {
				line = line[:len(line)-1]
			}
			if !f(string(line)) {
				return nil
			}
		}
		skipping = false
		if err == io.EOF {
			return nil
		}
	}
}

func (r *rootfs) open(name string) (*os.File, error) {
	var fd int
	var err error
	for range 32 { // EAGAIN: a rename happened somewhere while "..", openat2(2)
		fd, err = unix.Openat2(r.fd, name, &unix.OpenHow{
			Flags:   unix.O_PATH | unix.O_CLOEXEC,
			Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
		})
		if err != unix.EAGAIN && err != unix.EINTR {
			break
		}
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: "/" + name, Err: err}
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, &fs.PathError{Op: "stat", Path: "/" + name, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, errors.New("not a regular file")
	}
	in, err := unix.Open("/proc/self/fd/"+strconv.Itoa(fd), unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: "/" + name, Err: err}
	}
	return os.NewFile(uintptr(in), name), nil
}
