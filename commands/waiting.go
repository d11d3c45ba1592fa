package commands

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/dhow-containers/dhow/commands/ui"
)

// waitNotice is after how long a wait for another process is worth a word.
const waitNotice = 2 * time.Second

// tellOfWaits says, once, whom this command has been waiting for when that takes longer than waitNotice:
// whoever holds a lock may be stopped, and nobody would know. It looks at the kernel's list, so that
// every lock counts, also those of libraries; not often, since there may be a hundred that wait, and the
// list is of all of them. It ends with unwatch.
func (c *call) tellOfWaits() {
	if c.unwatch != nil {
		return
	}
	stop := make(chan struct{})
	c.unwatch = func() { close(stop) }
	go func() {
		tick := time.NewTicker(waitNotice / 2)
		defer tick.Stop()
		var since time.Time
		var last blocked
		var locks bytes.Buffer
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			if err := readLocks(&locks); err != nil {
				return
			}
			b, waits := blockedOn(locks.String(), os.Getpid())
			switch {
			case !waits || b != last:
				since, last = time.Now(), b
			case time.Since(since) >= waitNotice:
				fmt.Fprintln(c.err, "dhow: waiting for "+ui.Escape(b.text(c.verbs)))
				return
			}
		}
	}()
}

func readLocks(into *bytes.Buffer) error {
	f, err := os.Open("/proc/locks")
	if err != nil {
		return err
	}
	defer f.Close()
	into.Reset()
	into.Grow(16 << 10) // the kernel gives a page at a time
	_, err = into.ReadFrom(f)
	return err
}

// endWatch ends tellOfWaits.
func (c *call) endWatch() {
	if c.unwatch != nil {
		c.unwatch()
		c.unwatch = func() {} // it is not begun again
	}
}

// blocked is what a process waits for.
type blocked struct {
	holder int    // its pid, 0 when it is not to be seen from here
	inode  string // of the locked file
}

// blockedOn reads /proc/locks (proc_locks(5)): a line for each lock, and below it, with an arrow, one for
// each process that waits for it. A lock that the process itself holds, for another part of its work, is
// none to tell of.
func blockedOn(locks string, pid int) (blocked, bool) {
	holders := map[string]int{}
	for line := range strings.Lines(locks) {
		f := strings.Fields(line)
		waits := len(f) > 1 && f[1] == "->"
		if waits {
			f = append(f[:1:1], f[2:]...)
		}
		if len(f) < 6 {
			continue
		}
		who, _ := strconv.Atoi(f[4])
		if !waits {
			holders[f[0]] = max(who, 0)
			continue
		}
		if _, inode, ok := cutLast(f[5], ":"); ok && who == pid && holders[f[0]] != pid {
			return blocked{holders[f[0]], inode}, true
		}
	}
	return blocked{}, false
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

func (b blocked) text(known []*verb) string {
	who := "another process"
	if b.holder > 0 {
		who = fmt.Sprintf("process %d", b.holder)
		if verb := verbOf(b.holder, known); verb != "" {
			who = fmt.Sprintf("%q (process %d)", verb, b.holder)
		}
	}
	if name := b.file(); name != "" {
		who += ", which holds " + name
	}
	if b.holder > 0 && isStopped(b.holder) {
		who += fmt.Sprintf("; it is stopped: kill -CONT %d lets it go on", b.holder)
	}
	return who
}

// file is the locked file's name: who waits for it has it open.
func (b blocked) file() string {
	fds, _ := os.ReadDir("/proc/self/fd")
	for _, fd := range fds {
		st, err := os.Stat("/proc/self/fd/" + fd.Name())
		if err != nil || inodeOf(st) != b.inode {
			continue
		}
		if name, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && filepath.IsAbs(name) {
			return name
		}
	}
	return ""
}

func inodeOf(st os.FileInfo) string {
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return strconv.FormatUint(sys.Ino, 10)
}

// verbOf is the verb of another dhow: its first word alone, others may be secret.
func verbOf(pid int, known []*verb) string {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return ""
	}
	words := bytes.Split(line, []byte{0})
	name := filepath.Base(string(words[0]))
	if len(words) > 1 && len(words[1]) > 0 && words[1][0] != '-' {
		if v, _ := find(known, []string{string(words[1])}); v != nil {
			name += " " + string(words[1])
		}
	}
	return name
}

func isStopped(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, after, ok := cutLast(string(stat), ") ")
	return err == nil && ok && strings.HasPrefix(after, "T")
}
