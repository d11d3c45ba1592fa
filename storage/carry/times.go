package carry

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// keptTimes bounds how many directories wait for their times.
const keptTimes = 8 << 10

// times are those of the directories that were made or met. What is put into one changes its time again,
// so they are set at the end; when there are many, those that have been left are set before. A tar may
// come back to such a directory, and then its time is the copy's. Honest tars do not (tar(1), as well,
// sets a time when the directory is left).
type times struct {
	list []dirTime
	most int // of list, before it is made shorter
}

type dirTime struct {
	rel  string
	time unix.Timespec
}

// keep notes that the directory rel is to have time t in the end.
func (w *writing) keep(rel string, t unix.Timespec) error {
	w.times.list = append(w.times.list, dirTime{rel, t})
	if len(w.times.list) <= max(w.times.most, keptTimes) {
		return nil
	}
	var stay, left []dirTime
	for _, d := range w.times.list {
		if d.rel == rel || strings.HasPrefix(rel, d.rel+"/") {
			stay = append(stay, d)
		} else {
			left = append(left, d)
		}
	}
	w.times.list, w.times.most = stay, 2*len(stay)
	return w.setTimes(left)
}

// setTimes sets the times of directories, the last one first. One that has gone meanwhile is no matter.
func (w *writing) setTimes(list []dirTime) error {
	for i := len(list) - 1; i >= 0; i-- {
		d := list[i]
		at, err := w.parent(d.rel)
		if err == nil {
			err = setTime(at, path.Base(d.rel), d.time)
		}
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("setting the time of %q: %w", w.shown(d.rel), err)
		}
	}
	return nil
}

func setTime(at int, name string, t unix.Timespec) error {
	return unix.UtimesNanoAt(at, name, []unix.Timespec{t, t}, unix.AT_SYMLINK_NOFOLLOW)
}
