package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// bench is one run of the program.
type bench struct {
	quick  bool
	source string // the repository
	dir    string // DHOW_BENCH_DIR or a temporary one
	place  string // where the stores are
	kept   bool
	load   string // before the run
	fs     string

	plain, cgroup2 *runner
	daemon         *exec.Cmd
	server         registryServer
	registry       string // HOST:PORT

	dhow, podman, podmanBuild, buildah, crun, runc, skopeo, buildctl, curl, strace *peer
}

// imageSize is that of the loop image, which is sparse.
const imageSize = 40 << 30

// prepare makes the place, finds the peers and makes what every line needs.
func prepare(quick bool) (_ *bench, err error) {
	b := &bench{quick: quick, load: loadAverage()}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	_, file, _, _ := runtime.Caller(0)
	b.source = filepath.Dir(filepath.Dir(filepath.Dir(file)))
	if _, err := os.Stat(filepath.Join(b.source, "Makefile")); err != nil {
		if b.source, err = os.Getwd(); err != nil { // built with -trimpath
			return nil, err
		}
	}
	if b.dir = os.Getenv("DHOW_BENCH_DIR"); b.dir != "" {
		b.kept = true
		if err := os.MkdirAll(b.dir, 0o755); err != nil {
			return nil, err
		}
	} else if b.dir, err = os.MkdirTemp("/var/tmp", "dhow-bench-"); err != nil {
		return nil, err
	}
	install()
	if err := b.mount(); err != nil {
		return nil, err
	}
	if b.plain, err = startRunner(); err != nil {
		return nil, err
	}
	if os.Getuid() == 0 && exists("/sys/fs/cgroup/unified") {
		if b.cgroup2, err = startRunner("DHOW_BENCH_CGROUP2=1"); err != nil {
			return nil, err
		}
	}
	if err := b.startRegistry(); err != nil {
		return nil, err
	}
	if err := b.peers(); err != nil {
		return nil, err
	}
	if err := b.base(); err != nil {
		return nil, err
	}
	return b, nil
}

// mount puts a journaled ext4 under the stores: what files cost depends on the filesystem, and that of
// the machine may be anything.
func (b *bench) mount() error {
	b.place, b.fs = filepath.Join(b.dir, "place"), "the machine's own filesystem"
	if err := os.MkdirAll(b.place, 0o755); err != nil {
		return err
	}
	if os.Getuid() != 0 {
		return nil
	}
	image := filepath.Join(b.dir, "ext4.img")
	if !exists(image) {
		f, err := os.Create(image)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Truncate(imageSize), f.Close()); err != nil {
			return err
		}
		if out, err := exec.Command("mkfs.ext4", "-q", "-F", "-N", "4000000", "-E", "lazy_itable_init=0,lazy_journal_init=0", image).CombinedOutput(); err != nil {
			return fmt.Errorf("making the filesystem of the stores: %w: %s", err, out)
		}
	}
	if out, err := exec.Command("mount", "-o", "loop", image, b.place).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "bench: no loop device (%s): the stores lie on the machine's own filesystem\n", strings.TrimSpace(string(out)))
		return nil
	}
	b.fs = "ext4 with a journal, on a loop device"
	return nil
}

// at gives a path in the place.
func (b *bench) at(name ...string) string {
	return filepath.Join(append([]string{b.place}, name...)...)
}

// close ends what runs, and removes everything unless it is to be kept.
func (b *bench) close() error {
	if b.daemon != nil && b.daemon.Process != nil {
		_ = b.daemon.Process.Signal(syscall.SIGTERM)
		_ = b.daemon.Wait()
		b.daemon = nil
	}
	b.server.close()
	b.plain.close()
	b.cgroup2.close()
	b.plain, b.cgroup2 = nil, nil
	if b.dir == "" {
		return nil
	}
	for range 50 { // a monitor may be about to end
		if err := syscall.Unmount(b.place, 0); err != syscall.EBUSY {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	_ = syscall.Unmount(b.place, syscall.MNT_DETACH)
	if b.kept {
		return nil
	}
	return os.RemoveAll(b.dir)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// ready runs make unless the directory or file of that name is there already; what was interrupted is
// made again.
func (b *bench) ready(name string, make func(path string) error) (string, error) {
	path := b.at(name)
	if exists(path) {
		return path, nil
	}
	if err := os.RemoveAll(path + ".new"); err != nil {
		return "", err
	}
	if err := make(path + ".new"); err != nil {
		return "", fmt.Errorf("making %s: %w", name, err)
	}
	return path, os.Rename(path+".new", path)
}

// marked runs make once for the place.
func (b *bench) marked(name string, make func() error) error {
	_, err := b.ready("made-"+name, func(path string) error {
		if err := make(); err != nil {
			return err
		}
		return os.WriteFile(path, nil, 0o644)
	})
	return err
}
