package ownership

// expected are the credentials of the next process that joins the container.
type expected struct {
	uid, gid uint32
	groups   []uint32
}

// Expect tells which credentials the next listener's process gets when it executes its payload: those
// of an exec, which may be another user's than the container's. Only one process may be on its way at a
// time.
func (s *Supervisor) Expect(uid, gid uint32, groups []uint32) {
	s.next.Store(&expected{uid, gid, groups})
}

// expecting gives what Expect said last, at first the container's own user.
// User gives the effective uid that a process of the container, by this process's number of it, believes
// to have; false when that is not known.
func (s *Supervisor) User(pid int) (uid uint32, ok bool) {
	if s.creds.list.Load() == nil {
		return 0, false
	}
	c, e := s.creds.of(uint32(pid))
	if e != 0 {
		return 0, false
	}
	return c.euid, true
}

func (s *Supervisor) expecting() expected {
	if e := s.next.Load(); e != nil {
		return *e
	}
	return expected{s.cfg.UID, s.cfg.GID, s.cfg.Groups}
}
