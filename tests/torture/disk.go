package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// depot is a place for images of disks that can be copied in an instant: a file on XFS is cloned whole,
// whatever is being written to it. What was not written to the device yet is not in the copy, as after a
// power cut.
type depot struct {
	dir  string
	loop string
}

// newDepot makes one below dir. Everything is mounted in a namespace of this process.
func newDepot(dir string) (*depot, error) {
	d := &depot{dir: filepath.Join(dir, "depot")}
	file := filepath.Join(dir, "depot.img")
	if err := sparse(file, 8<<30); err != nil {
		return nil, err
	}
	if err := sh("mkfs.xfs", "-q", "-m", "reflink=1", file); err != nil {
		return nil, err
	}
	if err := os.Mkdir(d.dir, 0o700); err != nil {
		return nil, err
	}
	return d, d.mount(file, d.dir, &d.loop, false)
}

func (d *depot) close() error { return release(d.dir, d.loop) }

func (d *depot) file(name string) string { return filepath.Join(d.dir, name) }

// clone copies an image of a disk, all at once.
func (d *depot) clone(from, to string) error {
	in, err := os.Open(d.file(from))
	if err != nil {
		return err
	}
	defer in.Close()
	os.Remove(d.file(to))
	out, err := os.Create(d.file(to))
	if err != nil {
		return err
	}
	defer out.Close()
	return unix.IoctlFileClone(int(out.Fd()), int(in.Fd()))
}

// mount attaches a loop device to file and mounts it.
func (d *depot) mount(file, dir string, loop *string, direct bool, options ...string) error {
	args := []string{"--find", "--show", file}
	if direct {
		args = append([]string{"--direct-io=on"}, args...)
	}
	out, err := exec.Command("losetup", args...).Output()
	if err != nil {
		return fmt.Errorf("attaching a loop device to %s: %w", file, err)
	}
	*loop = strings.TrimSpace(string(out))
	if direct {
		flag, err := os.ReadFile("/sys/block/" + filepath.Base(*loop) + "/loop/dio")
		if err == nil && strings.TrimSpace(string(flag)) != "1" {
			return fmt.Errorf("%s does not write directly to %s", *loop, file)
		}
	}
	return sh("mount", append(options, *loop, dir)...)
}

// release unmounts dir and detaches the device.
func release(dir, loop string) error {
	if loop == "" {
		return nil
	}
	err := unix.Unmount(dir, 0)
	if errors.Is(err, unix.EINVAL) {
		err = nil // it was not mounted
	}
	if errors.Is(err, unix.EBUSY) {
		err = unix.Unmount(dir, unix.MNT_DETACH)
	}
	return errors.Join(err, sh("losetup", "-d", loop))
}

func sparse(file string, size int64) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(size), f.Close())
}

func sh(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// filesystem is how to make one.
type filesystem struct {
	name string
	size int64
	mkfs []string // with the file to follow
}

var filesystems = []filesystem{
	{"ext4", 160 << 20, []string{"mkfs.ext4", "-q", "-F", "-b", "4096", "-m", "0", "-E", "nodiscard,lazy_itable_init=0"}},
	{"xfs", 320 << 20, []string{"mkfs.xfs", "-q", "-f", "-s", "size=4096"}},
	{"btrfs", 256 << 20, []string{"mkfs.btrfs", "-q", "-f"}},
}

// onDisk makes w.at a filesystem of its own with the state in it, and keeps its image as "base"; it is not
// mounted afterwards.
func (w *world) onDisk(d *depot, fs filesystem, state string, more ...string) error {
	if err := w.remove(w.at); err != nil {
		return err
	}
	if err := errors.Join(os.Mkdir(w.at, 0o700), sparse(d.file("disk"), fs.size)); err != nil {
		return err
	}
	args := append(append([]string{}, fs.mkfs[1:]...), more...)
	if err := sh(fs.mkfs[0], append(args, d.file("disk"))...); err != nil {
		return err
	}
	var loop string
	if err := d.mount(d.file("disk"), w.at, &loop, false); err != nil {
		return err
	}
	err := os.Chown(w.at, w.uid, w.gid)
	if err == nil {
		err = w.fill()
	}
	if err == nil {
		err = states[state](w)
	}
	if err := errors.Join(err, release(w.at, loop)); err != nil {
		return fmt.Errorf("making the state %q on %s: %w", state, fs.name, err)
	}
	return d.clone("disk", "base")
}

// insert mounts a copy of the disk image from at w.at; the caller calls the result.
func (w *world) insert(d *depot, from, name string, direct bool) (eject func() error, err error) {
	if err := d.clone(from, name); err != nil {
		return nil, err
	}
	var loop string
	if err := d.mount(d.file(name), w.at, &loop, direct); err != nil {
		return nil, errors.Join(err, release(w.at, loop))
	}
	return func() error { return release(w.at, loop) }, nil
}

// otherBoot makes this process and its children see another boot.
func otherBoot(dir string) (back func() error, err error) {
	const file = "/proc/sys/kernel/random/boot_id"
	fake := filepath.Join(dir, "boot_id")
	if err := os.WriteFile(fake, []byte("00000000-1111-4222-8333-444444444444\n"), 0o644); err != nil {
		return nil, err
	}
	if err := unix.Mount(fake, file, "", unix.MS_BIND, ""); err != nil {
		return nil, fmt.Errorf("mounting %s: %w", file, err)
	}
	return func() error { return unix.Unmount(file, unix.MNT_DETACH) }, nil
}
