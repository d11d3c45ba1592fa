package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

func cores() int { return runtime.NumCPU() }

// settle waits until what was written to the place has reached its device, so that one contender does
// not pay for the other's pages.
func (b *bench) settle() error {
	f, err := os.Open(b.place)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Syncfs(int(f.Fd()))
}

// unload gives the memory back that earlier lines have filled with file content, where it may: who has to
// take pages from others pays for it, and the first round, which does not count, reads again what is used.
// Not for lines of milliseconds: a program whose file was read anew starts slower than one just written, since
// the kernel then has it in smaller pieces.
func (b *bench) unload() error {
	if err := b.settle(); err != nil || os.Getuid() != 0 {
		return err
	}
	if err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("1"), 0); err != nil && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, unix.EROFS) {
		return err
	}
	return nil
}

// written gives how many bytes the device of the place has been given so far; false when it is shared
// with others.
func (b *bench) written() (int64, bool) {
	if !strings.Contains(b.fs, "loop") {
		return 0, false
	}
	var st syscall.Stat_t
	if err := syscall.Stat(b.place, &st); err != nil {
		return 0, false
	}
	raw, err := os.ReadFile(fmt.Sprintf("/sys/dev/block/%d:%d/stat", unix.Major(st.Dev), unix.Minor(st.Dev)))
	if err != nil {
		return 0, false
	}
	f := strings.Fields(string(raw))
	if len(f) < 7 {
		return 0, false
	}
	sectors, err := strconv.ParseInt(f[6], 10, 64) // Documentation/block/stat.rst
	return sectors * 512, err == nil
}

// onDisk is what the files below dir occupy.
func onDisk(dir string) (int64, error) {
	var size int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			size += st.Blocks * 512
		}
		return nil
	})
	return size, err
}
