package ownership

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// To the kernel every process of the container is root. What an emulated user may not do is decided
// here, by owner, group and permission bits; access control lists are not looked at.

const (
	mayExec  = 1
	mayWrite = 2
	mayRead  = 4
)

// allowed is generic_permission(9) without access control lists.
func (c *creds) allowed(a Attr, want uint32) bool {
	dir := a.Mode&unix.S_IFMT == unix.S_IFDIR
	switch {
	case c.fsuid == a.UID:
		if a.Mode>>6&want == want {
			return true
		}
	case c.inGroup(a.GID):
		if a.Mode>>3&want == want {
			return true
		}
	case a.Mode&want == want:
		return true
	}
	if c.can(capOverride) && (dir || want&mayExec == 0 || a.Mode&0o111 != 0) {
		return true
	}
	return c.can(capReadSearch) && (want == mayRead || dir && want&mayWrite == 0)
}

// dirEntry is what is remembered of a directory.
type dirEntry struct {
	name string // its real path
	attr Attr
	ok   bool
}

// maxDirs bounds what a worker remembers.
const maxDirs = 4096

// reach tells whether the caller may search the directories on the way to a place: EACCES when not,
// nothing when the place can not be opened at all, which is for the kernel to say.
//
// Looked at are the directories above the file as they really lie, from the working directory or
// descriptor when the file is below it; those that were only passed through on the way of a symlink
// are not.
func (w *worker) reach(c *creds, p *place, follow bool) unix.Errno {
	if c.can(capOverride) || c.can(capReadSearch) || p.whole() {
		return 0
	}
	if dir, ok := w.realParent(p, follow); ok {
		return w.search(c, p, dir)
	}
	fd, e := w.open(p, follow)
	if e == unix.ENOENT {
		return w.reachParent(c, p)
	}
	if e != 0 {
		return 0
	}
	defer unix.Close(fd)
	full, ok := w.pathOfFD(fd)
	if !ok || full == "/" {
		return 0
	}
	dir := full[:strings.LastIndexByte(full, '/')]
	return w.search(c, p, dir)
}

// realParent gives the parent directory of an absolute path without asking the kernel, when that is
// known to be spelled as it really lies and the file is no symlink that leads on.
func (w *worker) realParent(p *place, follow bool) (string, bool) {
	at := p.cut()
	if p.buf[p.start] != '/' || p.start != p.text || at <= p.start+1 || w.strange >= 0 || w.dirsAge != w.s.files.age.Load() {
		return "", false
	}
	d, ok := w.dirs[string(p.buf[p.start:at-1])]
	if !ok || !d.ok {
		return "", false
	}
	if name := p.buf[at:p.end]; len(name) == 0 || name[0] == '.' && (len(name) == 1 || len(name) == 2 && name[1] == '.') {
		return "", false
	}
	if follow && w.statx(p, false, unix.STATX_TYPE, &w.stx) == 0 && w.stx.Mode&unix.S_IFMT == unix.S_IFLNK {
		return "", false
	}
	return d.name, true
}

// reachParent does so for a file that does not exist yet.
func (w *worker) reachParent(c *creds, p *place) unix.Errno {
	if c.can(capOverride) || c.can(capReadSearch) {
		return 0
	}
	if dir, ok := w.realParent(p, false); ok {
		return w.search(c, p, dir)
	}
	fd, e := w.openParent(p)
	if e != 0 {
		return 0
	}
	defer unix.Close(fd)
	full, ok := w.pathOfFD(fd)
	if !ok {
		return 0
	}
	return w.search(c, p, full)
}

func (w *worker) pathOfFD(fd int) (string, bool) {
	return w.pathOf(ownFD(fd))
}

// search checks every directory of dir, "" being the root, that lies on the way of p.
func (w *worker) search(c *creds, p *place, dir string) unix.Errno {
	dir = strings.TrimSuffix(dir, "/")
	from := 0
	if p.start < p.text && p.buf[p.start] != '/' {
		// "812/cwd/…": what lies above the working directory was passed before.
		base := strings.TrimSuffix(string(p.buf[p.start:p.text]), "/")
		if b, ok := w.pathOf(base); ok && (dir == b || strings.HasPrefix(dir, b+"/")) {
			from = len(b)
			if b == "/" {
				from = 0
			}
		}
	}
	for end := from; ; {
		name := dir[:end]
		if name == "" {
			name = "/"
		}
		a, ok := w.directory(name)
		if ok && !c.allowed(a, mayExec) {
			return unix.EACCES
		}
		if end >= len(dir) {
			return 0
		}
		next := strings.IndexByte(dir[end+1:], '/')
		if next < 0 {
			end = len(dir)
		} else {
			end += 1 + next
		}
	}
}

// directory gives the image's view of a directory by its real path.
func (w *worker) directory(name string) (Attr, bool) {
	age := w.s.files.age.Load()
	if age != w.dirsAge || len(w.dirs) > maxDirs {
		clear(w.dirs)
		w.dirsAge = age
	}
	if w.strange < 0 {
		if d, ok := w.dirs[name]; ok {
			return d.attr, d.ok
		}
	}
	var d dirEntry
	fd, err := unix.Open(name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err == nil {
		o := object{fd: fd}
		if w.examine(&o, false) == 0 {
			d = dirEntry{name, o.attr, true}
		}
		unix.Close(fd)
	}
	if w.strange < 0 {
		w.dirs[name] = d
	}
	return d.attr, d.ok
}

// accessAt answers access(2), faccessat(2) and faccessat2(2).
func (w *worker) accessAt(dirfd int32, path uint64, mode uint32, flags uint64) answer {
	c, e := w.creds()
	if e != 0 || c.plain() && c.ruid == 0 || w.at(&w.p, dirfd, path, flags&unix.AT_EMPTY_PATH != 0) != 0 {
		return proceed()
	}
	if flags&unix.AT_EACCESS == 0 {
		real := *c
		real.fsuid, real.fsgid = c.ruid, c.rgid
		real.effective = 0
		if c.ruid == 0 {
			real.effective = c.permitted
		}
		c = &real
	}
	return w.permit(c, &w.p, flags&unix.AT_SYMLINK_NOFOLLOW == 0 || w.p.whole(), mode&7)
}

// permit lets the kernel go on unless the caller may not have what it wants of a place.
func (w *worker) permit(c *creds, p *place, follow bool, want uint32) answer {
	if c.plain() || c.can(capOverride) {
		return proceed()
	}
	var o object
	if want == 0 {
		return w.permitObject(c, p, follow, nil, 0)
	}
	if w.look(p, follow, &o) != 0 {
		return proceed()
	}
	unix.Close(o.fd)
	return w.permitObject(c, p, follow, &o, want)
}

// permitObject is permit for a place that has been looked at.
func (w *worker) permitObject(c *creds, p *place, follow bool, o *object, want uint32) answer {
	if e := w.reach(c, p, follow); e != 0 {
		return refuse(e)
	}
	if want != 0 && !c.allowed(o.attr, want) && !w.holds(o, want) {
		return refuse(unix.EACCES)
	}
	return proceed()
}

// holds tells whether the caller has a pipe or a terminal open already, for what it wants. To the
// kernel it is root's, be it dhow's or one that an emulated user made; who opens it anew, through
// /dev/stdout for instance, gains nothing.
func (w *worker) holds(o *object, want uint32) bool {
	if t := o.stx.Mode & unix.S_IFMT; t != unix.S_IFIFO && t != unix.S_IFCHR || want&mayExec != 0 {
		return false
	}
	dir, err := os.Open(strconv.Itoa(int(w.n.pid)) + "/fd") // in /proc, where workers stand
	if err != nil {
		return false
	}
	defer dir.Close()
	for {
		names, err := dir.Readdirnames(64)
		for _, name := range names {
			var st, link unix.Stat_t
			if unix.Fstatat(int(dir.Fd()), name, &st, 0) != nil || st.Ino != o.stx.Ino ||
				st.Dev != unix.Mkdev(o.stx.Dev_major, o.stx.Dev_minor) || st.Mode&unix.S_IFMT != uint32(o.stx.Mode)&unix.S_IFMT {
				continue
			}
			// The link's owner bits tell how it is open (proc_pid_fd(5)).
			if unix.Fstatat(int(dir.Fd()), name, &link, unix.AT_SYMLINK_NOFOLLOW) == nil && link.Mode>>6&want == want {
				return true
			}
		}
		if err != nil || len(names) == 0 {
			return false
		}
	}
}

// permitAt is permit for a path argument.
func (w *worker) permitAt(dirfd int32, path uint64, follow bool, want uint32) answer {
	c, e := w.creds()
	if e != 0 || c.plain() || w.at(&w.p, dirfd, path, false) != 0 {
		return proceed()
	}
	return w.permit(c, &w.p, follow, want)
}

// permitOwner is for calls that only the owner may make (utimensat(2) with times).
func (w *worker) permitOwner(dirfd int32, path uint64, flags uint64, now bool) answer {
	c, e := w.creds()
	if e != 0 || c.plain() || c.can(capFowner) || w.at(&w.p, dirfd, path, true) != 0 {
		return proceed()
	}
	follow := flags&unix.AT_SYMLINK_NOFOLLOW == 0 || w.p.whole()
	if e := w.reach(c, &w.p, follow); e != 0 {
		return refuse(e)
	}
	var o object
	if w.look(&w.p, follow, &o) != 0 {
		return proceed()
	}
	unix.Close(o.fd)
	switch {
	case o.attr.UID == c.fsuid, now && c.allowed(o.attr, mayWrite):
		return proceed()
	case now:
		return refuse(unix.EACCES)
	}
	return refuse(unix.EPERM)
}
