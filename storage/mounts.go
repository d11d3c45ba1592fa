package storage

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/storage/journal"
	"github.com/dhow-containers/dhow/storage/working"
)

// ErrNotMounted is returned by UnmountImage for an image that this mount namespace does not show.
var ErrNotMounted = errors.New("the image is not mounted")

// MountImage mounts a held image's files read-only in the mount namespace of this process, where they
// stay when it ends, and gives the directory. An image that is mounted already is mounted once.
//
// The directories below mounts/ID, one for each namespace, tell those who remove images to look whether
// a mount still lives: its namespace may have ended with its last process, however that ended.
func (s *Store) MountImage(c *Chain) (dir string, err error) {
	w, err := s.mountHere(c.Image.ID)
	if err != nil {
		return "", err
	}
	lock, err := s.lockMounts()
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	here, err := mountPoints("/proc/self/mountinfo", s.mountsDir())
	if err != nil || here[w.Merged()] {
		return w.Merged(), err
	}
	for _, l := range c.Layers {
		w.Lowers = append(w.Lowers, l.Dir)
	}
	if err := w.Mount(); err != nil {
		return "", errors.Join(err, s.forgetMount(w))
	}
	return w.Merged(), nil
}

// MountedImages gives the ids of the images that are mounted in the mount namespace of this process, and
// where.
func (s *Store) MountedImages() (map[string]string, error) {
	here, err := mountPoints("/proc/self/mountinfo", s.mountsDir())
	if err != nil {
		return nil, err
	}
	ids := map[string]string{}
	for point := range here {
		id := filepath.Base(filepath.Dir(filepath.Dir(point)))
		w, err := s.mountHere(id)
		if err != nil {
			return nil, err
		}
		if w.Merged() == point { // else a copy of one made in a namespace above
			ids[id] = point
		}
	}
	return ids, nil
}

// UnmountImage ends the mount of an image in the mount namespace of this process. One in use is refused
// (EBUSY) unless forced: it then ends with its last user. ErrNotMounted.
func (s *Store) UnmountImage(id string, force bool) (err error) {
	w, err := s.mountHere(id)
	if err != nil {
		return err
	}
	lock, err := s.lockMounts()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	here, err := mountPoints("/proc/self/mountinfo", s.mountsDir())
	if err != nil {
		return err
	}
	if !here[w.Merged()] {
		return ErrNotMounted
	}
	flags := unix.UMOUNT_NOFOLLOW
	if force {
		flags |= unix.MNT_DETACH
	}
	if err := unix.Unmount(w.Merged(), flags); err != nil {
		return &fs.PathError{Op: "unmount", Path: w.Merged(), Err: err}
	}
	return s.forgetMount(w)
}

// lockMounts keeps others from making and removing the directories of mounts: each is a step of several,
// and two commands may be at one image. Who has the store's lock takes that first.
func (s *Store) lockMounts() (*journal.Lock, error) {
	if err := os.MkdirAll(s.mountsDir(), 0o700); err != nil {
		return nil, fmt.Errorf("mounting images: %w", err)
	}
	return journal.TakeLock(filepath.Join(s.mountsDir(), "lock"), true)
}

func (s *Store) mountsDir() string { return filepath.Join(s.opts.Dir, "mounts") }

// mountHere is the place of an image's mount in the mount namespace of this process.
func (s *Store) mountHere(id string) (*working.Work, error) {
	var st unix.Stat_t
	if err := unix.Stat("/proc/self/ns/mnt", &st); err != nil {
		return nil, fmt.Errorf("looking at the mount namespace: %w", err)
	}
	return &working.Work{Dir: filepath.Join(s.mountsDir(), id, strconv.FormatUint(st.Ino, 10)), ReadOnly: true}, nil
}

// mountedAt gives where an image is mounted in the namespace of some process that can be seen, "" for
// nowhere. What is left of mounts that no process sees goes.
func (s *Store) mountedAt(id string) (_ string, err error) {
	dir := filepath.Join(s.mountsDir(), id)
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	lock, err := s.lockMounts()
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	spaces, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("looking for mounts of an image: %w", err)
	}
	// proc(5): mountinfo of another process asks for no right but to see it.
	files, err := filepath.Glob("/proc/[0-9]*/mountinfo")
	if err != nil {
		return "", err
	}
	for _, file := range files {
		points, _ := mountPoints(file, dir) // an error: the process has ended
		for point := range points {
			return point, nil
		}
	}
	for _, space := range spaces {
		if err := s.forgetMount(&working.Work{Dir: filepath.Join(dir, space.Name())}); err != nil {
			return "", err
		}
	}
	return "", nil
}

// forgetMount removes the empty directories of a mount, never what is in them. Copies of the mount in
// namespaces that were made of its own end with the directory (rmdir(2) of a mount point).
func (s *Store) forgetMount(w *working.Work) error {
	for _, dir := range []string{w.Merged(), filepath.Join(w.Dir, "empty0"), filepath.Join(w.Dir, "empty1"), w.Dir} {
		if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing what is left of a mounted image: %w", err)
		}
	}
	err := os.Remove(filepath.Dir(w.Dir))
	if errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, fs.ErrNotExist) {
		return nil // mounted elsewhere too
	}
	return err
}

// mountPoints gives the mount points below dir that a mountinfo file tells of (proc_pid_mountinfo(5)).
func mountPoints(file, dir string) (map[string]bool, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	points := map[string]bool{}
	r := bufio.NewReader(f)
	for {
		line, err := r.ReadString('\n')
		if fields := strings.Fields(line); len(fields) > 4 {
			if point := unescape(fields[4]); strings.HasPrefix(point, dir+"/") {
				points[point] = true
			}
		}
		if errors.Is(err, io.EOF) {
			return points, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
	}
}

// unescape takes back the octal escapes of spaces, tabs, line breaks and backslashes.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}
