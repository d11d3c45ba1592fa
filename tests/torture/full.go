package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// want fills the disk: commands meet its end at every place, and what makes room has to work when there
// is none at all.
type want struct {
	w      *world
	every  int64 // bytes between two places
	inodes int   // and inodes
	verbs  []string
	report *report
}

var fullDisk = filesystem{"ext4", 160 << 20, []string{"mkfs.ext4", "-q", "-F", "-b", "4096", "-m", "0", "-E", "nodiscard,lazy_itable_init=0", "-O", "^has_journal"}}

func (f *want) run() error {
	d, err := newDepot(f.w.dir)
	if err != nil {
		return err
	}
	for _, v := range verbs(f.w) {
		if !contains(f.verbs, v.name) {
			continue
		}
		if v.name == "pull" { // a larger one, into a store that is there
			v.from, v.args = "opened", []string{"pull", "-q", "base"}
		}
		for _, what := range []string{"bytes", "inodes"} {
			err = errors.Join(err, f.verb(d, v, what))
		}
	}
	return errors.Join(err, d.close())
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

// verb gives the command more and more room until it succeeds.
func (f *want) verb(d *depot, v verb, what string) error {
	if err := f.w.onDisk(d, fullDisk, v.from, "-N", "4096"); err != nil {
		return err
	}
	step := f.every
	if what == "inodes" {
		step = int64(f.inodes)
	}
	for room := int64(0); room < 1<<30; room += step {
		enough, err := f.place(d, v, what, room)
		if err != nil {
			f.report.fail(f.w, fmt.Sprintf("%s with %d %s free", v.name, room, what), err.Error(), "ONLY=full KIND="+f.w.kind+" VERB="+strconv.Quote(v.name))
		}
		if enough {
			return nil
		}
	}
	return errors.New("there is never room enough")
}

// place tries one amount of room, and looks at the store when there is none at all.
func (f *want) place(d *depot, v verb, what string, room int64) (enough bool, err error) {
	w := f.w
	f.report.points["full: "+v.name+", "+what]++
	eject, err := w.insert(d, "base", "disk", false)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, eject()) }()
	if err := w.leave(what, room); err != nil {
		return false, err
	}
	a := w.run(v.say, v.args...)
	enough = a.code == 0
	if !enough {
		// A build shows the line of the Dockerfile besides, and what a step said.
		if n := strings.Count("\n"+a.stderr, "\ndhow: "); n != 1 || !strings.Contains(a.stderr, "no space left") {
			return false, fmt.Errorf("not one line that says so: %v", a)
		}
	}
	if err := w.leave(what, 0); err != nil {
		return enough, err
	}
	if err := w.sound(); err != nil {
		return enough, fmt.Errorf("with nothing free: %w", err)
	}
	if left := w.remains(); len(left) > 0 {
		return enough, fmt.Errorf("left: %s", strings.Join(left, "\n\t"))
	}
	if room%(4*f.every) == 0 { // what is there goes all at once, or piece by piece
		if err := w.runs("system", "prune", "-af", "--volumes"); err != nil {
			return enough, fmt.Errorf("with nothing free: %w", err)
		}
	}
	if err := w.empty(); err != nil {
		return enough, fmt.Errorf("with nothing free: %w", err)
	}
	return enough, w.sound()
}

func (w *world) runs(args ...string) error {
	_, err := w.must(args...)
	return err
}

// empty removes containers and images one by one.
func (w *world) empty() error {
	for _, list := range [][]string{{"ps", "-aq"}, {"images", "-aq"}} {
		for range 20 {
			out, err := w.must(list...)
			if err != nil {
				return err
			}
			ids := strings.Fields(out)
			if len(ids) == 0 {
				break
			}
			verb := []string{"rm", "-f"}
			if list[0] == "images" {
				verb[0] = "rmi"
			}
			if err := w.runs(append(verb, ids[0])...); err != nil {
				return err
			}
		}
	}
	if out, err := w.must("images", "-aq"); err != nil || out != "" {
		return fmt.Errorf("images are left: %q, %w", out, err)
	}
	return nil
}

// leave fills the filesystem of w.at until only room is free.
func (w *world) leave(what string, room int64) error {
	dir := filepath.Join(w.at, "filling")
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) && !errors.Is(err, unix.ENOSPC) {
		return err
	}
	for n := 0; ; n++ {
		var st unix.Statfs_t
		if err := unix.Statfs(w.at, &st); err != nil {
			return err
		}
		free := int64(st.Bavail) * st.Bsize
		if what == "inodes" {
			free = int64(st.Ffree)
		}
		if free <= room {
			return nil
		}
		f, err := os.CreateTemp(dir, "f")
		if err != nil {
			if errors.Is(err, unix.ENOSPC) {
				return nil
			}
			return err
		}
		if what == "bytes" {
			err = unix.Fallocate(int(f.Fd()), 0, 0, free-room)
			for size := int64(1 << 20); errors.Is(err, unix.ENOSPC) && size >= 1<<12; size /= 2 { // metadata takes its part
				err = unix.Fallocate(int(f.Fd()), 0, 0, min(size, free-room))
			}
		}
		f.Close()
		if errors.Is(err, unix.ENOSPC) || n > 5000 {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
