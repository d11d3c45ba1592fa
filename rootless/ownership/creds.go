package ownership

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// creds are the credentials a process believes to have: credentials(7), and what else of a process
// the supervisor must know and fork(2) passes on. Values are compared and interned, see credTable.
type creds struct {
	ruid, euid, suid, fsuid uint32
	rgid, egid, sgid, fsgid uint32
	groups                  string // supplementary groups, four bytes each, native order
	// permitted and effective are the emulated capability sets; the real ones are wider. bounding is
	// the real one: what root gets back at execve(2).
	permitted, effective, bounding uint64

	umask    uint16
	keepCaps bool // PR_SET_KEEPCAPS
	// odd says that the process may have another root directory than the container's.
	odd bool
	// onExec are the credentials the next execve(2) starts from: the payload's, for a process of the
	// runtime that is going to execute it.
	onExec *creds
}

const noID = ^uint32(0)

// Capabilities the supervisor itself decides by (capability.h).
const (
	capChown      = 1 << unix.CAP_CHOWN
	capOverride   = 1 << unix.CAP_DAC_OVERRIDE
	capReadSearch = 1 << unix.CAP_DAC_READ_SEARCH
	capFowner     = 1 << unix.CAP_FOWNER
	capFsetid     = 1 << unix.CAP_FSETID
	capSetgid     = 1 << unix.CAP_SETGID
	capSetuid     = 1 << unix.CAP_SETUID
	capChroot     = 1 << unix.CAP_SYS_CHROOT
	capMknod      = 1 << unix.CAP_MKNOD

	// fsCaps follow the file system uid: CAP_FS_SET of the kernel.
	fsCaps = capChown | capOverride | capReadSearch | capFowner | capFsetid | capMknod |
		1<<unix.CAP_MAC_OVERRIDE | 1<<unix.CAP_LINUX_IMMUTABLE

	// rootCaps are those that make root's file accesses need no look at owners.
	rootCaps = capChown | capOverride | capFowner | capFsetid
)

// rootCreds are those of a container's root with the given bounding set.
func rootCreds(bounding uint64, umask uint16) creds {
	return creds{permitted: bounding, effective: bounding, bounding: bounding, umask: umask}
}

// plain reports whether nothing the process does to files needs a look at its credentials.
func (c *creds) plain() bool {
	return c.fsuid == 0 && c.fsgid == 0 && c.effective&rootCaps == rootCaps && !c.odd
}

func (c *creds) can(capability uint64) bool { return c.effective&capability == capability }

// inGroup is in_group_p(9).
func (c *creds) inGroup(gid uint32) bool {
	if gid == c.fsgid {
		return true
	}
	for i := 0; i+4 <= len(c.groups); i += 4 {
		if binary.NativeEndian.Uint32([]byte(c.groups[i:i+4])) == gid {
			return true
		}
	}
	return false
}

func packGroups(groups []uint32) string {
	b := make([]byte, 0, 4*len(groups))
	for _, g := range groups {
		b = binary.NativeEndian.AppendUint32(b, g)
	}
	return string(b)
}

func one(id uint32, of ...uint32) bool {
	for _, o := range of {
		if id == o {
			return true
		}
	}
	return false
}

// The set calls follow kernel/sys.c; old is the state before, for the capability rules.

func (c creds) setuid(uid uint32) (creds, unix.Errno) {
	old := c
	switch {
	case uid == noID:
		return old, unix.EINVAL
	case c.can(capSetuid):
		c.ruid, c.suid = uid, uid
	case !one(uid, c.ruid, c.suid):
		return old, unix.EPERM
	}
	c.euid, c.fsuid = uid, uid
	return c.fixed(&old), 0
}

func (c creds) setreuid(ruid, euid uint32) (creds, unix.Errno) {
	old := c
	if ruid != noID {
		if !one(ruid, old.ruid, old.euid) && !c.can(capSetuid) {
			return old, unix.EPERM
		}
		c.ruid = ruid
	}
	if euid != noID {
		if !one(euid, old.ruid, old.euid, old.suid) && !old.can(capSetuid) {
			return old, unix.EPERM
		}
		c.euid = euid
	}
	if ruid != noID || euid != noID && euid != old.ruid {
		c.suid = c.euid
	}
	c.fsuid = c.euid
	return c.fixed(&old), 0
}

func (c creds) setresuid(ruid, euid, suid uint32) (creds, unix.Errno) {
	old := c
	if !c.can(capSetuid) {
		for _, id := range [...]uint32{ruid, euid, suid} {
			if id != noID && !one(id, c.ruid, c.euid, c.suid) {
				return old, unix.EPERM
			}
		}
	}
	if ruid != noID {
		c.ruid = ruid
	}
	if euid != noID {
		c.euid = euid
	}
	if suid != noID {
		c.suid = suid
	}
	c.fsuid = c.euid
	return c.fixed(&old), 0
}

func (c creds) setfsuid(uid uint32) creds {
	old := c
	if uid == noID || !one(uid, c.ruid, c.euid, c.suid, c.fsuid) && !c.can(capSetuid) {
		return old
	}
	c.fsuid = uid
	// cap_task_fix_setuid, LSM_SETID_FS
	if old.fsuid == 0 && c.fsuid != 0 {
		c.effective &^= fsCaps
	}
	if old.fsuid != 0 && c.fsuid == 0 {
		c.effective |= c.permitted & fsCaps
	}
	return c
}

// fixed is cap_emulate_setxuid of security/commoncap.c: what a change of user ids does to
// capabilities.
func (c creds) fixed(old *creds) creds {
	wasRoot := old.ruid == 0 || old.euid == 0 || old.suid == 0
	isRoot := c.ruid == 0 || c.euid == 0 || c.suid == 0
	if wasRoot && !isRoot && !c.keepCaps {
		c.permitted, c.effective = 0, 0
	}
	if old.euid == 0 && c.euid != 0 {
		c.effective = 0
	}
	if old.euid != 0 && c.euid == 0 {
		c.effective = c.permitted
	}
	return c
}

func (c creds) setgid(gid uint32) (creds, unix.Errno) {
	old := c
	switch {
	case gid == noID:
		return old, unix.EINVAL
	case c.can(capSetgid):
		c.rgid, c.sgid = gid, gid
	case !one(gid, c.rgid, c.sgid):
		return old, unix.EPERM
	}
	c.egid, c.fsgid = gid, gid
	return c, 0
}

func (c creds) setregid(rgid, egid uint32) (creds, unix.Errno) {
	old := c
	if rgid != noID {
		if !one(rgid, old.rgid, old.egid) && !c.can(capSetgid) {
			return old, unix.EPERM
		}
		c.rgid = rgid
	}
	if egid != noID {
		if !one(egid, old.rgid, old.egid, old.sgid) && !c.can(capSetgid) {
			return old, unix.EPERM
		}
		c.egid = egid
	}
	if rgid != noID || egid != noID && egid != old.rgid {
		c.sgid = c.egid
	}
	c.fsgid = c.egid
	return c, 0
}

func (c creds) setresgid(rgid, egid, sgid uint32) (creds, unix.Errno) {
	old := c
	if !c.can(capSetgid) {
		for _, id := range [...]uint32{rgid, egid, sgid} {
			if id != noID && !one(id, c.rgid, c.egid, c.sgid) {
				return old, unix.EPERM
			}
		}
	}
	if rgid != noID {
		c.rgid = rgid
	}
	if egid != noID {
		c.egid = egid
	}
	if sgid != noID {
		c.sgid = sgid
	}
	c.fsgid = c.egid
	return c, 0
}

func (c creds) setfsgid(gid uint32) creds {
	if gid != noID && (one(gid, c.rgid, c.egid, c.sgid, c.fsgid) || c.can(capSetgid)) {
		c.fsgid = gid
	}
	return c
}

// exec gives the credentials after execve(2) of a file: setuid and setgid tell the owner to become,
// noID for none. The rules are those of capabilities(7) for
// programs without file capabilities and without ambient ones.
func (c creds) exec(setuid, setgid uint32) creds {
	if setuid != noID {
		c.euid = setuid
	}
	if setgid != noID {
		c.egid = setgid
	}
	c.suid, c.fsuid = c.euid, c.euid
	c.sgid, c.fsgid = c.egid, c.egid
	c.keepCaps, c.onExec = false, nil
	c.permitted, c.effective = 0, 0
	if c.euid == 0 || c.ruid == 0 {
		c.permitted = c.bounding
	}
	if c.euid == 0 {
		c.effective = c.bounding
	}
	return c
}
