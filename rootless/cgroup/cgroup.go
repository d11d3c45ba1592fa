// Package cgroup knows the control groups of version 2 (cgroups(7)): where this user may make one for
// a container, what one says of its processes, and how one is frozen and removed.
//
// Making a group, moving a process into it and setting limits is libcontainer's work, see run/sandbox.
// A group of a container is named dhow-ID and is a child of a Base; its path is absolute in the
// hierarchy. Whoever owns a group may read and freeze it, so commands do that themselves and ask no
// monitor.
package cgroup

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Root is where the hierarchy is mounted.
const Root = "/sys/fs/cgroup"

const prefix = "dhow-"

// Name is the name of a container's group.
func Name(id string) string { return prefix + id }

// file is a file of the group at p.
func file(p, name string) string { return filepath.Join(Root, path.Clean("/"+p), name) }

// Exists reports whether there is a group at p.
func Exists(p string) bool {
	_, err := os.Lstat(file(p, "cgroup.procs"))
	return err == nil
}

// Frozen reports whether the group at p is frozen, or on its way to it.
func Frozen(p string) bool {
	text, err := os.ReadFile(file(p, "cgroup.freeze"))
	return err == nil && string(bytes.TrimSpace(text)) == "1"
}

// freezing is how long a group may take to freeze: a process that is inside the kernel may have to come
// back first.
const freezing = 10 * time.Second

// Freeze stops all processes of the group at p where they are, and returns when they stand. When they
// do not, they go on.
func Freeze(p string) error {
	if err := os.WriteFile(file(p, "cgroup.freeze"), []byte("1"), 0); err != nil {
		return unwrapped(err)
	}
	for end := time.Now().Add(freezing); ; time.Sleep(5 * time.Millisecond) {
		n, err := keyed(file(p, "cgroup.events"), "frozen")
		if err == nil && n == 1 {
			return nil
		}
		if err != nil || time.Now().After(end) {
			return errors.Join(err, fmt.Errorf("not all processes have stopped in %v", freezing), Thaw(p))
		}
	}
}

// Thaw lets the processes of the group at p go on.
func Thaw(p string) error {
	return unwrapped(os.WriteFile(file(p, "cgroup.freeze"), []byte("0"), 0))
}

// OOMKills is how many processes of the group at p, and of those below, the kernel has killed because
// their memory was used up; 0 when that is not known.
func OOMKills(p string) uint64 {
	n, _ := keyed(file(p, "memory.events"), "oom_kill")
	return n
}

// Remove removes the group at p, which must be that of a container which has ended, with what its payload
// has made below and left running. A missing one is no error.
func Remove(p string) error {
	if !strings.HasPrefix(path.Base(p), prefix) {
		return fmt.Errorf("%s is no control group of a container", p)
	}
	// What is left of a payload whose monitor was killed goes too (Linux 5.14; cgroups(7), cgroup.kill).
	_ = os.WriteFile(file(p, "cgroup.kill"), []byte("1"), 0)
	return remove(file(p, ""))
}

func remove(dir string) error {
	err := unix.Rmdir(dir)
	for try := 0; err == unix.EBUSY && try < 300; try++ { // the last process is gone in a moment, on a busy machine in a second, or there are groups below
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			if e.IsDir() {
				_ = remove(filepath.Join(dir, e.Name()))
			}
		}
		if try > 0 {
			time.Sleep(5 * time.Millisecond)
		}
		err = unix.Rmdir(dir)
	}
	if err == nil || err == unix.ENOENT {
		return nil
	}
	return &fs.PathError{Op: "removing the control group", Path: dir, Err: err}
}

// Sweep removes groups of containers below b that have no processes and are older than any start takes:
// what was left by a dhow that was killed between making the group and recording it.
func Sweep(b Base) {
	entries, _ := os.ReadDir(file(b.Path, ""))
	for _, e := range entries {
		if !e.IsDir() || len(e.Name()) != len(prefix)+64 || !strings.HasPrefix(e.Name(), prefix) {
			continue
		}
		info, err := e.Info()
		if err != nil || time.Since(info.ModTime()) < time.Minute {
			continue
		}
		p := path.Join(b.Path, e.Name())
		if n, err := keyed(file(p, "cgroup.events"), "populated"); err == nil && n == 0 {
			_ = unix.Rmdir(file(p, ""))
		}
	}
}

// keyed reads one value of a file of lines "key value".
func keyed(name, key string) (uint64, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		if k, v, ok := strings.Cut(s.Text(), " "); ok && k == key {
			return strconv.ParseUint(v, 10, 64)
		}
	}
	return 0, fmt.Errorf("%s has no %q", name, key)
}

// gone reports that a process or a group has ended meanwhile.
func gone(err error) bool {
	return errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ENODEV) || errors.Is(err, fs.ErrNotExist)
}

// unwrapped is the error without the path, which says little.
func unwrapped(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// Of is the group of a process, "" when it is not known.
func Of(pid int) string {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	if err != nil {
		return ""
	}
	return ownPath(string(text))
}
