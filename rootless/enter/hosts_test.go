package enter

import (
	"fmt"
	"maps"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/dhow-containers/dhow/rootless/idmap"
)

// with gives u on a host that has other files.
func (u who) with(files map[string]string) who {
	all := maps.Clone(u.files)
	maps.Copy(all, files)
	u.files = all
	return u
}

// The map for all that subuid(5), subgid(5) and the helpers may be. A placeholder %d is the uid.
func TestHosts(t *testing.T) {
	bin := binary(t)
	u := account(t, "casey")
	const fails = "#!/bin/sh\necho out of order >&2\nexit 1\n"
	// both gives the two files the same text.
	both := func(text string) map[string]string {
		text = strings.ReplaceAll(text, "%d", itoa(u.uid))
		return map[string]string{"/etc/subuid": text, "/etc/subgid": text}
	}
	with := func(m map[string]string, path, text string) map[string]string {
		m[path] = text
		return m
	}
	cases := []struct {
		name   string
		files  map[string]string
		kind   idmap.Kind
		uids   string // the map in the kernel, "" to leave it unchecked
		reason string // contained in the reason
	}{
		{"by name", both("casey:300000:65536\n"), idmap.Subids, "0 %d 1 1 300000 65536", ""},
		{"by uid", both("%d:300000:65536\n"), idmap.Subids, "0 %d 1 1 300000 65536", ""},
		{"no line end", both("root:1:2\ncasey:300000:65536"), idmap.Subids, "0 %d 1 1 300000 65536", ""},
		{"several ranges", both("casey:300000:30000\nother:1:2\ncasey:400000:40000\n"), idmap.Subids,
			"0 %d 1 1 300000 30000 30001 400000 40000", ""},
		{"overlapping ranges", both("casey:300000:65536\ncasey:310000:65536\n"), idmap.Subids,
			"0 %d 1 1 300000 65536 65537 365536 10000", ""},
		{"the same range twice", both("casey:300000:65536\ncasey:300000:65536\n"), idmap.Subids, "0 %d 1 1 300000 65536", ""},
		{"the caller's own id inside", both("casey:1:131072\n"), idmap.Subids, "", ""},
		{"garbage around", both("#comment\n\n:::\ncasey\ncasey:x:65536\ncasey:-1:65536\ncasey:300000:65536:\ncasey:300000:65536\n" + strings.Repeat("long", 5000) + ":1:1\n"),
			idmap.Subids, "0 %d 1 1 300000 65536", ""},
		{"to the end of all ids", both("casey:4294900000:4294967295\n"), idmap.Subids, "0 %d 1 1 4294900000 67295", ""},
		{"a name that begins like ours", both("case:300000:65536\ncasey2:300000:65536\n"), idmap.Single, "0 %d 1", `no subordinate ids for "casey" in /etc/subuid`},
		{"too few", both("casey:300000:1000\n"), idmap.Single, "0 %d 1", "only 1000 subordinate ids"},
		{"none", both(""), idmap.Single, "0 %d 1", "no subordinate ids"},
		{"zero", both("casey:300000:0\n"), idmap.Single, "0 %d 1", "no subordinate ids"},
		{"no group ids", map[string]string{"/etc/subgid": ""}, idmap.Single, "0 %d 1", "in /etc/subgid"},
		{"newuidmap fails", map[string]string{"/usr/bin/newuidmap": fails}, idmap.Single, "0 0 1", "newuidmap: out of order"},
		{"newgidmap fails", map[string]string{"/usr/bin/newgidmap": fails}, idmap.Single, "0 0 1", "newgidmap: out of order"},
		{"both fail", map[string]string{"/usr/bin/newgidmap": fails, "/usr/bin/newuidmap": fails}, idmap.Single, "0 %d 1", "newuidmap: out of order"},
		{"a helper that is no program", map[string]string{"/usr/bin/newuidmap": "#!/nonexistent/sh\n"}, idmap.Single, "", "newuidmap: "},
		{"a helper that may not run", map[string]string{"/usr/bin/newgidmap": ""}, idmap.Single, "0 %d 1", "newgidmap is not installed"},
		{"another source of ids", with(with(both(""), "/etc/nsswitch.conf", "passwd: files\nsubid: sss\n"),
			"/usr/bin/getsubids", "#!/bin/sh\nif [ \"$1\" = -g ]; then shift; fi\necho \"0: $1 2000000 65536\"\n"),
			idmap.Single, "", "newuidmap"}, // found, but newuidmap itself does not know that source here
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if c.files["/usr/bin/getsubids"] != "" {
				if _, err := os.Stat("/usr/bin/getsubids"); err != nil {
					t.Skipf("%v", err)
				}
			}
			u := u.with(c.files)
			v, inert := probe(t, bin, &u, nil)
			v.clean(t, inert)
			if v.Mapping.Kind != c.kind || !strings.Contains(v.Reason, c.reason) {
				t.Errorf("kind %q because %q, want %q because %q", v.Mapping.Kind, v.Reason, c.kind, c.reason)
			}
			if want := strings.ReplaceAll(c.uids, "%d", itoa(u.uid)); want != "" && v.UIDMap != want {
				t.Errorf("map %q, want %q", v.UIDMap, want)
			}
			if v.Mapping.Kind == idmap.Single {
				if key := fmt.Sprintf("single 0:%d:1 0:%d:1", u.uid, u.gid); v.Mapping.Key() != key {
					t.Errorf("key %q, want %q", v.Mapping.Key(), key)
				}
			}
		})
	}
}

// Forced rungs that can not be had are an error with a cure, not another rung.
func TestForced(t *testing.T) {
	bin := binary(t)
	casey0 := account(t, "casey0")
	cases := []struct {
		name, env string
		u         *who
		kind      idmap.Kind // "" for an error
	}{
		{"root as single", "single", nil, idmap.Single},
		{"root as root", "root", nil, idmap.Root},
		{"user as root", "root", &casey0, ""},
		{"user without ranges as subids", "subids", &casey0, ""},
		{"user as single", "single", &casey0, idmap.Single},
		{"a word", "best", &casey0, ""},
	}
	for _, c := range cases {
		v, inert := probe(t, bin, c.u, nil, "DHOW_MAPPING="+c.env)
		if c.kind != "" {
			v.clean(t, inert)
			if v.Mapping.Kind != c.kind {
				t.Errorf("%s: kind %q", c.name, v.Mapping.Kind)
			}
			continue
		}
		if v.Entered || v.Err == "" || v.Hint == "" || strings.Contains(v.Err, "\n") {
			t.Errorf("%s: entered %v, %q, cure %q", c.name, v.Entered, v.Err, v.Hint)
		}
	}
}

// Root forced to ranges takes its own from subuid(5).
func TestRootAsSubids(t *testing.T) {
	bin := binary(t)
	text := "root:500000:65536\n"
	root := account(t, "root").with(map[string]string{"/etc/subuid": text, "/etc/subgid": text})
	root.uid, root.gid = 0, 0
	v, inert := probe(t, bin, &root, nil, "DHOW_MAPPING=subids")
	v.clean(t, inert)
	if v.Mapping.Kind != idmap.Subids || v.UIDMap != "0 0 1 1 500000 65536" {
		t.Errorf("kind %q, map %q", v.Mapping.Kind, v.UIDMap)
	}
}

// Root in somebody else's user namespace, and root without the right to mount.
func TestSurroundingRoot(t *testing.T) {
	bin := binary(t)
	account(t, "casey") // root only
	t.Run("many ids", func(t *testing.T) {
		ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 100000, Size: 65536}}
		u := who{attr: &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: ids, GidMappings: ids,
			GidMappingsEnableSetgroups: true, Credential: &syscall.Credential{}}}
		v, inert := probe(t, bin, &u, nil)
		v.clean(t, inert)
		if v.Mapping.Kind != idmap.Subids || v.Mapping.Key() != "subids 0:100000:65536 0:100000:65536" || v.Reason == "" {
			t.Errorf("%+v", v.Mapping)
		}
	})
	t.Run("no CAP_SYS_ADMIN", func(t *testing.T) {
		v, inert := probe(t, bin, nil, []string{"/usr/bin/setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"})
		v.clean(t, inert)
		if v.Mapping.Kind != idmap.Subids || v.UIDMap != "0 0 4294967295" || !strings.Contains(v.Reason, "CAP_SYS_ADMIN") {
			t.Errorf("%+v map %q", v.Mapping, v.UIDMap)
		}
	})
	t.Run("one id, as in dhow unshare", func(t *testing.T) { // needs no namespace of users
		v := run(t, bin, nil, []string{"/usr/bin/unshare", "-U", "-r", "/bin/sh", "-c", `echo 0 >/proc/sys/user/max_user_namespaces; exec "$0"`}, []string{"DHOW_ENTER=1"})
		if !v.Entered || v.Mapping.Kind != idmap.Single || v.UIDMap != "0 0 1" {
			t.Errorf("entered %v, %+v, map %q, %q", v.Entered, v.Mapping, v.UIDMap, v.Err)
		}
	})
	t.Run("no namespaces left", func(t *testing.T) {
		v := run(t, bin, nil, []string{"/usr/bin/unshare", "-U", "-r", "/bin/sh", "-c", `echo 0 >/proc/sys/user/max_user_namespaces; exec "$0"`}, []string{"DHOW_ENTER=1", "DHOW_MAPPING=single"})
		if v.Entered || !strings.Contains(v.Err, "max_user_namespaces is 0") || !strings.Contains(v.Hint, "sysctl") {
			t.Errorf("entered %v, %q, cure %q", v.Entered, v.Err, v.Hint)
		}
	})
}

// The sentences for hosts that can not be made here.
func TestDiagnose(t *testing.T) {
	cases := []struct {
		name  string
		step  int
		errno syscall.Errno
		facts facts
		cause string
		cure  string
	}{
		{"Debian's switch", stepUnshare, syscall.EPERM, facts{debian: "0"}, "unprivileged_userns_clone", "sysctl -w kernel.unprivileged_userns_clone=1"},
		{"AppArmor", stepPropagation, syscall.EPERM, facts{appArmor: "1", exe: "/home/a/.local/bin/dhow"}, "AppArmor", "profile dhow /home/a/.local/bin/dhow flags=(unconfined) { userns, }"},
		{"seccomp", stepUnshare, syscall.EPERM, facts{seccomp: true, root: true}, "seccomp", "seccomp=unconfined"},
		{"nesting", stepUnshare, syscall.ENOSPC, facts{maxUser: "9000"}, "nesting", "sysctl"},
		{"mount namespaces", stepUnshare, syscall.ENOSPC, facts{maxUser: "9000", maxMount: "0"}, "max_mnt_namespaces", "max_mnt_namespaces"},
		{"no user namespaces", stepUnshare, syscall.EINVAL, facts{}, "no user namespaces", "CONFIG_USER_NS"},
		{"no proc", stepUIDMap, syscall.ENOENT, facts{}, "/proc", "mount -t proc"},
		{"unknown", stepUnshare, syscall.EPERM, facts{}, "forbids", "chroot"},
	}
	for _, c := range cases {
		cause, hint := diagnose(c.step, c.errno, c.facts)
		if !strings.Contains(cause, c.cause) || !strings.Contains(hint, c.cure) {
			t.Errorf("%s: %q, cure %q", c.name, cause, hint)
		}
	}
}

// The range that a cure names belongs to nobody.
func TestFreeRange(t *testing.T) {
	cases := []struct{ text, want string }{
		{"", "100000-165535"},
		{"casey:100000:65536\n", "165536-231071"},
		{"low:1000:10\nbroken:x:y\n# a:b\nlast:165536:65536\nfirst:100000:65536\n", "231072-296607"},
		{"all:100000:4294860000\n", "100000-165535"}, // nothing is free behind it
	}
	for _, c := range cases {
		if got := freeRange(c.text); got != c.want {
			t.Errorf("%q: %s, want %s", c.text, got, c.want)
		}
	}
}
