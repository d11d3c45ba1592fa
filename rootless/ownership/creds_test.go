package ownership

import (
	"testing"

	"golang.org/x/sys/unix"
)

const testBounding = 0xa80425fb // Docker's default

func TestCreds(t *testing.T) {
	root := rootCreds(testBounding, 0o022)
	user, e := root.setresuid(1000, 1000, 1000)
	if e != 0 || user.effective != 0 || user.permitted != 0 || user.fsuid != 1000 {
		t.Fatalf("setresuid: %+v, %v", user, e)
	}
	type set func(creds) (creds, unix.Errno)
	ids := func(c creds) [8]uint32 {
		return [8]uint32{c.ruid, c.euid, c.suid, c.fsuid, c.rgid, c.egid, c.sgid, c.fsgid}
	}
	temporary, _ := root.setreuid(noID, 1000) // seteuid(1000) of C libraries is setresuid(-1, 1000, -1)
	seteuid, _ := root.setresuid(noID, 1000, noID)
	cases := []struct {
		name string
		from creds
		f    set
		want [8]uint32
		e    unix.Errno
		caps uint64
	}{
		{"setuid of root", root, func(c creds) (creds, unix.Errno) { return c.setuid(5) }, [8]uint32{5, 5, 5, 5}, 0, 0},
		{"setuid(-1)", root, func(c creds) (creds, unix.Errno) { return c.setuid(noID) }, [8]uint32{}, unix.EINVAL, testBounding},
		{"setuid back", user, func(c creds) (creds, unix.Errno) { return c.setuid(0) }, ids(user), unix.EPERM, 0},
		{"setuid to oneself", user, func(c creds) (creds, unix.Errno) { return c.setuid(1000) }, ids(user), 0, 0},
		{"seteuid keeps the way back", seteuid, func(c creds) (creds, unix.Errno) { return c.setresuid(noID, 0, noID) }, [8]uint32{}, 0, testBounding},
		{"seteuid loses capabilities", root, func(c creds) (creds, unix.Errno) { return c.setresuid(noID, 1000, noID) }, [8]uint32{0, 1000, 0, 1000}, 0, 0},
		{"setreuid sets the saved id", root, func(c creds) (creds, unix.Errno) { return c.setreuid(noID, 1000) }, [8]uint32{0, 1000, 1000, 1000}, 0, 0},
		{"setreuid swaps", temporary, func(c creds) (creds, unix.Errno) { return c.setreuid(1000, 0) }, [8]uint32{1000, 0, 0, 0}, 0, testBounding},
		{"setreuid to others", user, func(c creds) (creds, unix.Errno) { return c.setreuid(3, noID) }, ids(user), unix.EPERM, 0},
		{"setgid of root", root, func(c creds) (creds, unix.Errno) { return c.setgid(5) }, [8]uint32{0, 0, 0, 0, 5, 5, 5, 5}, 0, testBounding},
		{"setgid of a user", user, func(c creds) (creds, unix.Errno) { return c.setgid(5) }, ids(user), unix.EPERM, 0},
		{"setresgid of a user", user, func(c creds) (creds, unix.Errno) { return c.setresgid(noID, 5, noID) }, ids(user), unix.EPERM, 0},
		{"setregid", root, func(c creds) (creds, unix.Errno) { return c.setregid(7, 8) }, [8]uint32{0, 0, 0, 0, 7, 8, 8, 8}, 0, testBounding},
	}
	for _, c := range cases {
		got, e := c.f(c.from)
		if ids(got) != c.want || e != c.e || got.effective != c.caps {
			t.Errorf("%s: %v %v %#x, should be %v %v %#x", c.name, ids(got), e, got.effective, c.want, c.e, c.caps)
		}
	}

	keep := root
	keep.keepCaps = true
	if kept, _ := keep.setuid(9); kept.permitted != testBounding || kept.effective != 0 {
		t.Errorf("PR_SET_KEEPCAPS: %+v", kept)
	}
	fs := root.setfsuid(4)
	if fs.fsuid != 4 || fs.euid != 0 || fs.can(capOverride) || !fs.can(capSetuid) {
		t.Errorf("setfsuid: %+v", fs)
	}
	if back := fs.setfsuid(0); back != root {
		t.Errorf("setfsuid back: %+v", back)
	}
	if same := user.setfsuid(4); same != user {
		t.Errorf("setfsuid of a user: %+v", same)
	}
}

func TestExec(t *testing.T) {
	root := rootCreds(testBounding, 0o022)
	user, _ := root.setresuid(1000, 1000, 1000)
	if got := user.exec(noID, noID); got != user {
		t.Errorf("plain program: %+v", got)
	}
	su := user.exec(0, noID)
	if su.ruid != 1000 || su.euid != 0 || su.suid != 0 || su.fsuid != 0 || su.effective != testBounding {
		t.Errorf("setuid-root program: %+v", su)
	}
	if got := user.exec(7, 8); got.euid != 7 || got.suid != 7 || got.egid != 8 || got.rgid != 0 || got.effective != 0 {
		t.Errorf("setuid and setgid program: %+v", got)
	}
	dropped, _ := root.setresuid(noID, 1000, noID)
	if got := dropped.exec(noID, noID); got.suid != 1000 || got.effective != 0 || got.permitted != testBounding {
		t.Errorf("with real uid 0: %+v", got)
	}
}

func TestAllowed(t *testing.T) {
	root := rootCreds(testBounding, 0)
	user, _ := root.setgid(50)
	user.groups = packGroups([]uint32{60, 70})
	user, _ = user.setuid(1000)
	dir, file := uint32(unix.S_IFDIR), uint32(unix.S_IFREG)
	cases := []struct {
		c    creds
		a    Attr
		want uint32
		ok   bool
	}{
		{root, Attr{5, 5, file | 0o000, 0}, mayRead | mayWrite, true},
		{root, Attr{5, 5, file | 0o644, 0}, mayExec, false},
		{root, Attr{5, 5, dir | 0o000, 0}, mayExec | mayWrite, true},
		{user, Attr{1000, 5, file | 0o077, 0}, mayRead, false}, // the owner's bits alone count
		{user, Attr{1000, 5, file | 0o600, 0}, mayRead | mayWrite, true},
		{user, Attr{0, 50, file | 0o640, 0}, mayRead, true},
		{user, Attr{0, 70, file | 0o620, 0}, mayWrite, true},
		{user, Attr{0, 70, file | 0o607, 0}, mayRead, false},
		{user, Attr{0, 0, file | 0o640, 0}, mayRead, false},
		{user, Attr{0, 0, dir | 0o755, 0}, mayExec | mayRead, true},
		{user, Attr{0, 0, dir | 0o755, 0}, mayWrite, false},
	}
	for _, c := range cases {
		if c.c.allowed(c.a, c.want) != c.ok {
			t.Errorf("uid %d on %+v for %o: %v", c.c.fsuid, c.a, c.want, !c.ok)
		}
	}
	chown := []struct {
		c        creds
		a        Attr
		uid, gid uint32
		ok       bool
	}{
		{root, Attr{5, 5, file, 0}, 6, 6, true},
		{user, Attr{1000, 5, file, 0}, noID, 60, true},
		{user, Attr{1000, 5, file, 0}, 1000, noID, true},
		{user, Attr{1000, 5, file, 0}, 0, noID, false},
		{user, Attr{1000, 5, file, 0}, noID, 61, false},
		{user, Attr{0, 50, file, 0}, noID, 50, false},
		{user, Attr{0, 50, file, 0}, noID, noID, true},
	}
	for _, c := range chown {
		if c.c.mayChown(c.a, c.uid, c.gid) != c.ok {
			t.Errorf("uid %d chowns %+v to %d:%d: %v", c.c.fsuid, c.a, c.uid, c.gid, !c.ok)
		}
	}
}

// The payload's credentials take the place of the runtime's.
func TestRebase(t *testing.T) {
	var table credTable
	first := rootCreds(testBounding, 0o022)
	payload := first
	first.onExec = table.payload(payload)
	if table.payload(payload) != first.onExec {
		t.Error("equal payloads differ")
	}
	table.intern(first)
	table.rebase(payload)
	if *table.at(0) != payload || table.several.Load() || table.impure.Load() {
		t.Errorf("%+v", table.at(0))
	}
	if i, _ := table.intern(payload); i != 1 {
		t.Errorf("index of the payload: %d", i)
	}
	if i, _ := table.intern(first); i != 2 || !table.several.Load() {
		t.Errorf("index of another: %d", i)
	}
	user, _ := payload.setuid(5)
	table.rebase(user)
	if !table.impure.Load() || table.at(0).ruid != 5 {
		t.Errorf("%+v", table.at(0))
	}
}

// Equal credentials have one index, whatever a payload does the table stays bounded.
func TestCredTable(t *testing.T) {
	var table credTable
	root := rootCreds(testBounding, 0o022)
	first, _ := table.intern(root)
	again, _ := table.intern(root)
	if first != 1 || again != 1 || table.several.Load() || table.at(0) != table.at(99) {
		t.Errorf("%d, then %d", first, again)
	}
	big := make([]byte, 1<<20)
	for i := range 64 {
		c := root
		big[0] = byte(i)
		c.groups = string(big)
		if _, e := table.intern(c); e == unix.ENOMEM {
			return
		}
	}
	t.Error("groups are not bounded")
}
