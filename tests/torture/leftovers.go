package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// names are what lies below a directory, how often, with what is random in the names left out.
type names map[string]int

var (
	hexes  = regexp.MustCompile(`[0-9a-f]{12,}`)
	tokens = regexp.MustCompile(`\b[a-z0-9]{26}\b|\b[A-Z2-7]{26}\b|[0-9]+-[a-z2-7]{10}\b|=[A-Za-z0-9+/]{20,}=*`)
)

// lie lists what dhow keeps below w.at.
func (w *world) lie() (names, error) {
	n := names{}
	for _, top := range []string{"data", "tmp", "run", "home", "ctx"} {
		err := filepath.WalkDir(filepath.Join(w.at, top), func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			rel, _ := filepath.Rel(w.at, p)
			if standing(p, d) {
				return nil
			}
			n[tokens.ReplaceAllString(hexes.ReplaceAllString(rel, "H"), "R")]++
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return n, nil
}

// standing tells what is there once and for all, whichever command comes to need it first: lock files,
// and directories of a fixed name with nothing in them.
func standing(p string, d fs.DirEntry) bool {
	if hexes.MatchString(d.Name()) || tokens.MatchString(d.Name()) || strings.ContainsAny(d.Name(), "0123456789") {
		return false
	}
	if d.IsDir() {
		entries, err := os.ReadDir(p)
		return err == nil && len(entries) == 0
	}
	if strings.HasSuffix(p, "/cache/digests") {
		return true // of files that are old enough to be remembered: a slow run's are
	}
	return d.Name() == "lock" || strings.HasSuffix(d.Name(), ".lock")
}

// beyond tells what lies there more often than it may, and what less.
func (n names) beyond(least, most names) []string {
	var lines []string
	for _, p := range slices.Sorted(maps.Keys(merged(n, least))) {
		switch {
		case n[p] > most[p]:
			lines = append(lines, fmt.Sprintf("left: %s (%d, not %d)", p, n[p], most[p]))
		case n[p] < least[p]:
			lines = append(lines, fmt.Sprintf("missing: %s (%d, not %d)", p, n[p], least[p]))
		}
	}
	return lines
}

// remains tells of the processes that use w.at, the mounts below it and the locks on its files.
func (w *world) remains() []string {
	var lines []string
	procs, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range procs {
		pid, _ := strconv.Atoi(filepath.Base(p))
		if pid == os.Getpid() || !w.theirs(p) {
			continue
		}
		cmd, _ := os.ReadFile(p + "/cmdline")
		lines = append(lines, fmt.Sprintf("process %d: %s", pid, bytes.ReplaceAll(bytes.TrimRight(cmd, "\x00"), []byte{0}, []byte{' '})))
	}
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); len(fields) > 4 && strings.HasPrefix(fields[4], w.at+"/") {
			lines = append(lines, "mount: "+strings.TrimSpace(line))
		}
	}
	return append(lines, w.locks()...)
}

// theirs tells whether a process was started by a command of this world: by its environment, its binary
// or its mounts.
func (w *world) theirs(proc string) bool {
	if env, _ := os.ReadFile(proc + "/environ"); bytes.Contains(env, []byte(w.at+"/")) {
		return true
	}
	if exe, _ := os.Readlink(proc + "/exe"); strings.HasPrefix(exe, w.dir+"/") {
		return true
	}
	own, _ := os.Readlink("/proc/self/ns/mnt")
	if ns, _ := os.Readlink(proc + "/ns/mnt"); ns == own || ns == "" {
		return false
	}
	mounts, _ := os.ReadFile(proc + "/mountinfo")
	return bytes.Contains(mounts, []byte(w.at+"/"))
}

// locks tells of the locks on files below w.at.
func (w *world) locks() []string {
	held := map[uint64]string{}
	fd, err := os.Open("/proc/locks")
	if err != nil {
		return []string{err.Error()}
	}
	defer fd.Close()
	for s := bufio.NewScanner(fd); s.Scan(); {
		fields := strings.Fields(s.Text())
		for _, f := range fields {
			if parts := strings.Split(f, ":"); len(parts) == 3 {
				ino, _ := strconv.ParseUint(parts[2], 10, 64)
				held[ino] = s.Text()
			}
		}
	}
	var lines []string
	_ = filepath.WalkDir(w.at, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil
		}
		var st unix.Stat_t
		if unix.Lstat(p, &st) == nil && held[st.Ino] != "" {
			if own := fmt.Sprintf("%02x:%02x:%d", unix.Major(st.Dev), unix.Minor(st.Dev), st.Ino); strings.Contains(held[st.Ino], own) {
				lines = append(lines, "lock: "+p+": "+held[st.Ino])
			}
		}
		return nil
	})
	return lines
}

// unpacked gives a blob without its gzip.
func unpacked(b []byte) ([]byte, error) {
	if !bytes.HasPrefix(b, []byte{0x1f, 0x8b}) {
		return b, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

func (w *world) mkdir(p string) error {
	if err := os.MkdirAll(p, 0o700); err != nil {
		return err
	}
	return os.Chown(p, w.uid, w.gid)
}
