package ownership

import "golang.org/x/sys/unix"

// permitEntry is for calls that take a name out of a directory: the directory must be writable, and
// in a sticky one the file or the directory the caller's own.
func (w *worker) permitEntry(c *creds, p *place) unix.Errno {
	if c.plain() || c.can(capOverride|capFowner) {
		return 0
	}
	var file object
	if w.look(p, false, &file) != 0 {
		return 0
	}
	unix.Close(file.fd)
	if e := w.reachParent(c, p); e != 0 {
		return e
	}
	var dir object
	if p.inParent(func() unix.Errno { return w.look(p, true, &dir) }) != 0 {
		return 0
	}
	unix.Close(dir.fd)
	if !c.allowed(dir.attr, mayWrite|mayExec) {
		return unix.EACCES
	}
	if dir.attr.Mode&unix.S_ISVTX != 0 && c.fsuid != file.attr.UID && c.fsuid != dir.attr.UID && !c.can(capFowner) {
		return unix.EPERM
	}
	return 0
}

// unlinkAt answers unlinkat(2), unlink(2) and rmdir(2).
func (w *worker) unlinkAt(dirfd int32, path, flags uint64) answer {
	if flags&unix.AT_REMOVEDIR != 0 {
		w.s.files.age.Add(1)
	}
	c, e := w.creds()
	if e != 0 || c.plain() || w.at(&w.p, dirfd, path, false) != 0 {
		return proceed()
	}
	w.p.strip()
	if e := w.permitEntry(c, &w.p); e != 0 {
		return refuse(e)
	}
	return proceed()
}

// renameAt answers renameat2(2).
func (w *worker) renameAt(fromFD int32, from uint64, toFD int32, to uint64) answer {
	f := &w.s.files
	c, e := w.creds()
	if e != 0 || c.plain() {
		f.age.Add(1) // perhaps a directory
	}
	if e != 0 || c.plain() && len(f.linked) == 0 ||
		w.at(&w.p, fromFD, from, false) != 0 || w.at(&w.q, toFD, to, false) != 0 {
		return proceed()
	}
	w.p.strip()
	w.q.strip()
	if w.statx(&w.p, false, unix.STATX_TYPE, &w.stx) == 0 && w.stx.Mode&unix.S_IFMT == unix.S_IFDIR {
		f.age.Add(1)
	}
	for _, p := range [...]*place{&w.p, &w.q} {
		if e := w.permitEntry(c, p); e != 0 {
			return refuse(e)
		}
	}
	if e := w.permitNew(c, &w.q); e != 0 {
		return refuse(e)
	}
	if len(f.linked) > 0 {
		w.pinLink()
	}
	return proceed()
}

// linkAt answers linkat(2): a link is the same file, but its directory must be the caller's.
func (w *worker) linkAt(dirfd int32, path uint64) answer {
	c, e := w.creds()
	if e != 0 || c.plain() || w.at(&w.p, dirfd, path, false) != 0 {
		return proceed()
	}
	if e := w.permitNew(c, &w.p); e != 0 {
		return w.refuseNew(&w.p, e)
	}
	return proceed()
}

// permitNew tells whether the caller may make a name in a directory.
func (w *worker) permitNew(c *creds, p *place) unix.Errno {
	if c.plain() || c.can(capOverride) {
		return 0
	}
	b, e := w.newborn(p, true)
	b.close()
	return e
}

// pinLink makes the owner of a symlink at w.p its own before it is renamed: the layers below know it
// by path only.
func (w *worker) pinLink() {
	if w.statx(&w.p, false, unix.STATX_TYPE, &w.stx) != 0 || w.stx.Mode&unix.S_IFMT != unix.S_IFLNK {
		return
	}
	var o object
	if w.look(&w.p, false, &o) != 0 {
		return
	}
	defer unix.Close(o.fd)
	if !valid(w.l.fd, w.n.id) || unix.Fchownat(o.fd, "", -1, -1, unix.AT_EMPTY_PATH) != nil {
		return // the rename will fail as well
	}
	w.setOwner(&o, o.attr)
}
