package enter

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/idmap"
)

// view is what a process sees of itself after the constructor.
type view struct {
	Mapping  idmap.Mapping
	Caller   [2]uint32
	Reason   string
	Entered  bool
	Err      string
	Hint     string
	UID, GID int
	UIDMap   string
	GIDMap   string
	MountNS  string
	UserNS   string
	Fds      []string
	Env      []string
	Status   map[string]string
	Prctl    [2]int // PR_GET_DUMPABLE, PR_GET_PDEATHSIG
	Shared   int    // mounts that still propagate to the outside
}

// The test binary plays the command: started with ENTER_PROBE it prints its view and ends.
// The parent death signal is a thread's (PR_SET_PDEATHSIG(2const)): the probes look at the first one's.
func init() { runtime.LockOSThread() }

func TestMain(m *testing.M) {
	switch os.Getenv("ENTER_PROBE") {
	case "":
		os.Exit(m.Run())
	case "ensure":
		if err := Ensure(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case "caller":
		cmd := exec.Command("/usr/bin/id")
		cmd.SysProcAttr = AsCaller(Current())
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	json.NewEncoder(os.Stdout).Encode(look())
	os.Exit(0)
}

func look() view {
	m := Current()
	v := view{Mapping: m, Caller: [2]uint32{m.CallerUID, m.CallerGID}, Reason: m.Reason, Entered: Entered(),
		UID: os.Getuid(), GID: os.Getgid(), Env: os.Environ(), Status: map[string]string{}}
	if err := Err(); err != nil {
		v.Err = err.Error()
		var e *Error
		if errors.As(err, &e) {
			v.Hint = e.Hint()
		}
	}
	var sig int32
	v.Prctl[0], _ = unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	_ = unix.Prctl(unix.PR_GET_PDEATHSIG, uintptr(unsafe.Pointer(&sig)), 0, 0, 0)
	v.Prctl[1] = int(sig)
	v.UIDMap, v.GIDMap = words(slurp("/proc/self/uid_map")), words(slurp("/proc/self/gid_map"))
	v.MountNS, _ = os.Readlink("/proc/self/ns/mnt")
	v.UserNS, _ = os.Readlink("/proc/self/ns/user")
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		to, err := os.Readlink("/proc/self/fd/" + e.Name())
		to, _, _ = strings.Cut(filepath.Base(to), ":") // pipes have numbers, other namespaces other roots
		if err == nil && !strings.HasPrefix(to, "anon_inode") {
			v.Fds = append(v.Fds, e.Name()+" "+to)
		}
	}
	for _, line := range strings.Split(slurp("/proc/self/status"), "\n") {
		if k, val, ok := strings.Cut(line, ":"); ok {
			v.Status[k] = strings.TrimSpace(val)
		}
	}
	for _, line := range strings.Split(slurp("/proc/self/mountinfo"), "\n") {
		if strings.Contains(line, " shared:") {
			v.Shared++
		}
	}
	return v
}

func words(s string) string { return strings.Join(strings.Fields(s), " ") }

func slurp(path string) string {
	b, _ := os.ReadFile(path)
	return string(b)
}

// who is a user the constructor is tried as.
type who struct {
	name     string
	uid, gid uint32
	files    map[string]string    // of the host, covered by these texts
	attr     *syscall.SysProcAttr // instead of all that
}

// account gives a user this machine need not have: passwd, subuid and subgid are covered for it in a
// mount namespace. casey has subordinate ids, casey0 has none.
func account(t *testing.T, name string) who {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skipf("not root: can not become %q, only the calling user is tried", name)
	}
	for _, tool := range []string{"/usr/bin/unshare", "/usr/bin/setpriv", "/usr/bin/mount", "/usr/bin/newuidmap", "/usr/bin/newgidmap"} {
		if _, err := os.Stat(tool); err != nil {
			t.Skipf("users are not tried: %v", err)
		}
	}
	u := who{name: name, uid: 54321, gid: 54322, files: map[string]string{
		"/etc/passwd": "root:x:0:0::/root:/bin/sh\ncasey:x:54321:54322::/:/bin/sh\ncasey0:x:54331:54332::/:/bin/sh\n",
		"/etc/subuid": "casey:2000000:65536\n",
		"/etc/subgid": "casey:2000000:65536\n",
	}}
	if name == "casey0" {
		u.uid, u.gid = 54331, 54332
	}
	return u
}

// become gives the words before a command that is to run as u with its files in place. The covers
// lie in dir.
func (u who) become(t *testing.T, dir string) []string {
	t.Helper()
	script := "set -e\n"
	for path, text := range u.files {
		cover := filepath.Join(dir, "cover-"+strings.ReplaceAll(path, "/", "-"))
		mode := os.FileMode(0o644)
		if strings.HasPrefix(text, "#!") {
			mode = 0o755
		}
		if err := errors.Join(os.WriteFile(cover, []byte(text), mode), os.Chmod(cover, mode)); err != nil {
			t.Fatal(err)
		}
		script += fmt.Sprintf("/usr/bin/mount --bind %s %s\n", cover, path)
	}
	script += fmt.Sprintf("exec /usr/bin/setpriv --reuid %d --regid %d --clear-groups \"$@\"\n", u.uid, u.gid)
	return []string{"/usr/bin/unshare", "-m", "--propagation", "private", "/bin/sh", "-c", script, "sh"}
}

// binary gives a copy of the test binary that every user can run.
func binary(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/var/tmp", "dhow-enter-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(exe)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	path := filepath.Join(dir, "dhow")
	out, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.Chmod(0o755), out.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// probe runs the copied test binary behind the words of wrap as u (nil: as this process), once
// entering and once inert.
func probe(t *testing.T, bin string, u *who, wrap []string, env ...string) (entered, inert view) {
	t.Helper()
	return run(t, bin, u, wrap, append(env, "DHOW_ENTER=1")), run(t, bin, u, wrap, append(env, "DHOW_ENTER=0"))
}

func run(t *testing.T, bin string, u *who, wrap []string, env []string) view {
	t.Helper()
	args := append(append([]string{}, wrap...), bin)
	if u != nil && u.attr == nil {
		args = append(u.become(t, filepath.Dir(bin)), args...)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append([]string{"ENTER_PROBE=1", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, env...)
	cmd.Dir = "/"
	attr := &syscall.SysProcAttr{}
	if u != nil && u.attr != nil {
		attr = u.attr
	}
	runtime.LockOSThread() // the parent of a death signal is a thread
	defer runtime.UnlockOSThread()
	attr.Pdeathsig = syscall.SIGUSR1
	cmd.SysProcAttr = attr
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	var v view
	if err := json.Unmarshal(out, &v); err != nil {
		t.Fatalf("%v: %v in %q", args, err, out)
	}
	v.Mapping.CallerUID, v.Mapping.CallerGID, v.Mapping.Reason = v.Caller[0], v.Caller[1], v.Reason
	return v
}

// clean checks what holds after every successful entering: the process differs from an inert one
// only in its namespaces.
func (v view) clean(t *testing.T, inert view) {
	t.Helper()
	if v.Err != "" || !v.Entered {
		t.Fatalf("not entered: %s (%s)", v.Err, v.Hint)
	}
	if v.UID != 0 || v.GID != 0 {
		t.Errorf("ids inside are %d:%d", v.UID, v.GID)
	}
	// Behind unshare(1) each of the two had another one, and numbers are used again.
	if own, _ := os.Readlink("/proc/self/ns/mnt"); inert.MountNS == own && v.MountNS == own {
		t.Error("the mount namespace is the caller's")
	}
	if v.Shared != 0 {
		t.Errorf("%d mounts propagate to the outside", v.Shared)
	}
	if !slices.Equal(v.Env, inert.Env) {
		t.Errorf("environment is %q, was %q", v.Env, inert.Env)
	}
	if v.Prctl != inert.Prctl || v.Prctl[0] != 1 {
		t.Errorf("dumpable and parent death signal are %v, were %v", v.Prctl, inert.Prctl)
	}
	if !slices.Equal(v.Fds, inert.Fds) {
		t.Errorf("descriptors are %q, were %q", v.Fds, inert.Fds)
	}
	for _, key := range []string{"SigBlk", "SigIgn", "SigPnd", "ShdPnd", "PPid"} {
		if v.Status[key] != inert.Status[key] {
			t.Errorf("%s is %s, was %s", key, v.Status[key], inert.Status[key])
		}
	}
}

func TestKinds(t *testing.T) {
	bin := binary(t)

	t.Run("caller", func(t *testing.T) {
		if os.Getuid() == 0 {
			t.Skip("the caller is root: see the others")
		}
		v, inert := probe(t, bin, nil, nil)
		v.clean(t, inert)
		if want := fmt.Sprintf("0 %d 1", os.Getuid()); !strings.HasPrefix(v.UIDMap, want) || v.Mapping.Kind == idmap.Root {
			t.Errorf("got %+v with map %q, want %q first", v.Mapping, v.UIDMap, want)
		}
	})
	t.Run("root", func(t *testing.T) {
		if os.Getuid() != 0 {
			t.Skip("not root: plain root is not tried")
		}
		v, inert := probe(t, bin, nil, nil)
		v.clean(t, inert)
		if v.Mapping.Kind != idmap.Root || v.UserNS != inert.UserNS || v.Reason != "" {
			t.Errorf("got %+v, user namespace %s, was %s", v.Mapping, v.UserNS, inert.UserNS)
		}
	})
	t.Run("subids", func(t *testing.T) {
		u := account(t, "casey")
		v, inert := probe(t, bin, &u, nil)
		v.clean(t, inert)
		want := fmt.Sprintf("0 %d 1 1 2000000 65536", u.uid)
		if v.Mapping.Kind != idmap.Subids || v.UIDMap != want {
			t.Errorf("got %+v with map %q, want %q", v.Mapping, v.UIDMap, want)
		}
		if got := v.Mapping.Key(); got != fmt.Sprintf("subids 0:%d:1,1:2000000:65536 0:%d:1,1:2000000:65536", u.uid, u.gid) {
			t.Errorf("key %q", got)
		}
	})
	t.Run("single", func(t *testing.T) {
		u := account(t, "casey0")
		v, inert := probe(t, bin, &u, nil)
		v.clean(t, inert)
		if v.Mapping.Kind != idmap.Single || v.UIDMap != fmt.Sprintf("0 %d 1", u.uid) {
			t.Errorf("got %+v with map %q", v.Mapping, v.UIDMap)
		}
		if v.Reason != `no subordinate ids for "casey0" in /etc/subuid` {
			t.Errorf("reason %q", v.Reason)
		}
	})
}

func TestSurroundings(t *testing.T) {
	bin := binary(t)
	u := account(t, "casey")
	evil := t.TempDir()
	for _, name := range []string{"newuidmap", "newgidmap", "getsubids"} {
		if err := os.WriteFile(filepath.Join(evil, name), []byte("#!/bin/sh\necho hostile >&2; exit 1\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	os.Chmod(evil, 0o755)
	cases := []struct {
		name string
		wrap []string
		env  []string
		kind idmap.Kind
	}{
		{"hostile PATH", nil, []string{"PATH=" + evil}, idmap.Subids},
		{"HOME unset", []string{"/usr/bin/env", "-u", "HOME"}, nil, idmap.Subids},
		{"GODEBUG", nil, []string{"GODEBUG=inittrace=0,madvdontneed=1"}, idmap.Subids},
		{"no_new_privs", []string{"/usr/bin/setpriv", "--no-new-privs"}, nil, idmap.Single},
		{"SIGCHLD ignored", []string{"/bin/sh", "-c", `trap '' CHLD; exec "$0"`}, nil, idmap.Subids},
		{"standard descriptors closed", []string{"/bin/sh", "-c", `exec 0<&- 2>&-; exec "$0"`}, nil, idmap.Subids},
		{"forced single", nil, []string{"DHOW_MAPPING=single"}, idmap.Single},
		{"nested", []string{"/usr/bin/unshare", "-r"}, nil, idmap.Single},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if len(c.wrap) > 0 {
				if _, err := os.Stat(c.wrap[0]); err != nil {
					t.Skipf("%v", err)
				}
			}
			v, inert := probe(t, bin, &u, c.wrap, c.env...)
			v.clean(t, inert)
			if v.Mapping.Kind != c.kind {
				t.Errorf("kind %q (%s), want %q", v.Mapping.Kind, v.Reason, c.kind)
			}
			if c.kind == idmap.Single && v.Reason == "" {
				t.Error("no reason for the lower rung")
			}
		})
	}
}

func itoa(n uint32) string { return strconv.FormatUint(uint64(n), 10) }
