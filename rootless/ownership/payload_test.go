package ownership

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Payloads are what the tests below execute in a box, by name.
var payloads map[string]func() error

func init() {
	payloads = map[string]func() error{
		"nothing": func() error { return nil },
		"bench":   benchPayload,
		"root":    rootPayload,
		"user":    userPayload,
		"again":   againPayload,
		"bind":    bindPayload,
		"show":    showPayload,
		"chroot":  chrootPayload,
		"threads": threadsPayload,
		"foreign": foreignPayload,
		"sockets": socketsPayload,
		"tree":    treePayload,
		"signals": signalsPayload,
		"storm":   stormPayload,
		"busy":    busyPayload,
	}
}

// payloadBox gives a box whose tree holds nothing but the test binary.
func payloadBox(t testing.TB, name string) boxConfig {
	t.Helper()
	needUserns(t)
	dir := workDir(t)
	for _, d := range []string{"dev", "proc", "tmp", "etc", "home"} {
		if err := os.Mkdir(filepath.Join(dir, "lower", d), 0o755); err != nil {
			t.Fatal(err)
		}
		if os.Getuid() == 0 {
			if err := os.Chown(filepath.Join(dir, "lower", d), testUser, testUser); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := unix.Chmod(filepath.Join(dir, "lower", "tmp"), 0o1777); err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if f, err := elf.Open(exe); err == nil {
		if f.Section(".interp") != nil {
			t.Skip("the test binary is not static: use the Makefile's build tags")
		}
		f.Close()
	}
	b, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "lower", "payload"), b, 0o755); err != nil {
		t.Fatal(err)
	}
	return boxConfig{Dir: dir, Args: []string{"/payload", name}, Env: []string{roleEnv + "=payload"}}
}

// check collects what did not come out as it should.
type check struct{ errs []error }

func (c *check) is(what string, got, want any) {
	if got != want {
		c.errs = append(c.errs, fmt.Errorf("%s: is %v, should be %v", what, got, want))
	}
}

func (c *check) done() error { return errors.Join(c.errs...) }

// look gives "uid:gid mode" by every call of the stat family, which must agree.
func look(path string) string {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return err.Error()
	}
	s := fmt.Sprintf("%d:%d %o", st.Uid, st.Gid, st.Mode)
	if t := st.Mode & unix.S_IFMT; t == unix.S_IFCHR || t == unix.S_IFBLK {
		s += fmt.Sprintf(" %d,%d", unix.Major(st.Rdev), unix.Minor(st.Rdev))
	}
	var stx unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_ALL, &stx); err != nil {
		return err.Error()
	}
	if x := fmt.Sprintf("%d:%d %o", stx.Uid, stx.Gid, stx.Mode); !strings.HasPrefix(s, x) {
		return "statx: " + x + ", lstat: " + s
	}
	fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err.Error()
	}
	defer unix.Close(fd)
	var fst, empty unix.Stat_t
	if err := unix.Fstat(fd, &fst); err != nil {
		return err.Error()
	}
	if err := unix.Fstatat(fd, "", &empty, unix.AT_EMPTY_PATH); err != nil {
		return err.Error()
	}
	if fst != st || empty != st {
		return fmt.Sprintf("fstat: %v, fstatat: %v, lstat: %v", fst, empty, st)
	}
	return s
}

func rootPayload() error {
	var c check
	must := func(err error) {
		if err != nil {
			_, file, line, _ := runtime.Caller(1)
			c.errs = append(c.errs, fmt.Errorf("%s:%d: %w", filepath.Base(file), line, err))
		}
	}
	must(os.WriteFile("/tmp/f", nil, 0o644))
	c.is("new file", look("/tmp/f"), "0:0 100644")
	must(unix.Chown("/tmp/f", 33, 34))
	c.is("chown", look("/tmp/f"), "33:34 100644")
	must(unix.Chown("/tmp/f", -1, 35))
	c.is("chown of the group", look("/tmp/f"), "33:35 100644")
	must(unix.Chmod("/tmp/f", 0o6755))
	c.is("chmod", look("/tmp/f"), "33:35 106755")
	must(unix.Chown("/tmp/f", 36, -1))
	c.is("chown drops setuid", look("/tmp/f"), "36:35 100755")
	must(os.Rename("/tmp/f", "/tmp/g"))
	c.is("rename keeps", look("/tmp/g"), "36:35 100755")
	must(os.Link("/tmp/g", "/tmp/h"))
	c.is("link is the same", look("/tmp/h"), "36:35 100755")
	must(unix.Chown("/tmp/g", 0, 0))
	c.is("back to root", look("/tmp/h"), "0:0 100755")

	must(os.Symlink("g", "/tmp/l"))
	must(unix.Lchown("/tmp/l", 1000, 1001))
	c.is("symlink", look("/tmp/l"), "1000:1001 120777")
	c.is("its target", look("/tmp/g"), "0:0 100755")
	must(os.Rename("/tmp/l", "/tmp/m"))
	c.is("renamed symlink", look("/tmp/m"), "1000:1001 120777")
	must(os.Remove("/tmp/m"))
	must(os.Symlink("g", "/tmp/m"))
	c.is("new symlink on its place", look("/tmp/m"), "0:0 120777")
	must(unix.Lchown("/tmp/m", 7, 8))

	must(unix.Mkfifo("/tmp/p", 0o640))
	must(unix.Chown("/tmp/p", 5, 6))
	c.is("fifo", look("/tmp/p"), "5:6 10640")

	must(unix.Mknod("/tmp/null", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
	c.is("device", look("/tmp/null"), "0:0 20644 1,3")
	must(unix.Chown("/tmp/null", 0, 6))
	must(unix.Chmod("/tmp/null", 0o660))
	c.is("changed device", look("/tmp/null"), "0:6 20660 1,3")

	must(unix.Mkdir("/tmp/sg", 0o755))
	must(unix.Chown("/tmp/sg", 0, 50))
	must(unix.Chmod("/tmp/sg", 0o2775))
	must(os.WriteFile("/tmp/sg/f", []byte("x"), 0o600))
	c.is("file in a setgid directory", look("/tmp/sg/f"), "0:50 100600")
	must(unix.Mkdir("/tmp/sg/d", 0o755))
	c.is("directory in a setgid directory", look("/tmp/sg/d"), "0:50 42755")
	must(os.Symlink("x", "/tmp/sg/l"))
	c.is("symlink in a setgid directory", look("/tmp/sg/l"), "0:50 120777")

	// The xattr does not exist.
	name := XattrName
	c.is("getxattr", getx("/tmp/sg", name), unix.ENODATA)
	c.is("setxattr", unix.Setxattr("/tmp/sg", name, []byte("1:1:0644:file"), 0), unix.EPERM)
	c.is("lsetxattr", unix.Lsetxattr("/tmp/sg", name, []byte("1:1:0644:file"), 0), unix.EPERM)
	c.is("removexattr", unix.Removexattr("/tmp/sg", name), unix.ENODATA)
	must(unix.Setxattr("/tmp/sg", "user.mine", []byte("x"), 0))
	buf := make([]byte, 100)
	n, err := unix.Listxattr("/tmp/sg", buf)
	must(err)
	c.is("listxattr", string(buf[:n]), "user.mine\x00")
	n, err = unix.Listxattr("/tmp/sg", nil)
	must(err)
	c.is("length of listxattr", n, len("user.mine\x00"))

	// Lower files are copied up.
	must(unix.Chown("/etc", 3, 4))
	c.is("lower directory", look("/etc"), "3:4 40755")

	// The limit that carries credentials looks unlimited, also after setting it.
	var lim unix.Rlimit
	must(unix.Setrlimit(unix.RLIMIT_LOCKS, &unix.Rlimit{Cur: 5, Max: 10}))
	must(unix.Getrlimit(unix.RLIMIT_LOCKS, &lim))
	c.is("limit", lim, unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY})

	c.is("bad address", errnoOf(unix.SYS_FCHMODAT, unix.AT_FDCWD&(1<<32-1), 1, 0), unix.EFAULT)
	c.is("bad output", errnoOf(unix.SYS_FSTAT, 0, 1, 0), unix.EFAULT)
	c.is("empty path", unix.Chown("", 1, 1), unix.ENOENT)
	c.is("bad descriptor", unix.Fchown(77, 1, 1), unix.EBADF)
	c.is("long path", unix.Chown("/"+strings.Repeat("x/", 2100), 1, 1), unix.ENAMETOOLONG)
	return c.done()
}

func getx(path, name string) error {
	_, err := unix.Getxattr(path, name, make([]byte, 100))
	return err
}

func errnoOf(nr, a, b, c uintptr) error {
	_, _, e := unix.RawSyscall(nr, a, b, c)
	return e
}

func TestRoot(t *testing.T) {
	c := payloadBox(t, "root")
	c.run(t)
	links, err := FinishUpper(filepath.Join(c.Dir, "upper"), filepath.Join(c.Dir, "table"))
	if err != nil {
		t.Fatal(err)
	}
	want := Links{"tmp/m": {7, 8}, "tmp/p": {5, 6}, "tmp/sg/l": {0, 50}}
	if fmt.Sprint(links) != fmt.Sprint(want) {
		t.Errorf("links are %v, should be %v", links, want)
	}
	// A container that is started again finds its table.
	c.Args[1] = "again"
	c.run(t)
}

func againPayload() error {
	var c check
	c.is("symlink", look("/tmp/m"), "7:8 120777")
	c.is("fifo", look("/tmp/p"), "5:6 10640")
	c.is("directory", look("/etc"), "3:4 40755")
	return c.done()
}

func userPayload() error {
	var c check
	c.is("uid", unix.Getuid(), 1000)
	c.is("euid", unix.Geteuid(), 1000)
	c.is("gid", unix.Getegid(), 1001)
	groups, err := unix.Getgroups()
	c.is("groups", fmt.Sprint(groups, err), "[5 6] <nil>")
	c.is("chown to oneself", unix.Chown("/home", 1000, -1), unix.EPERM)
	c.is("chmod", unix.Chmod("/home", 0o777), unix.EPERM)
	c.is("mkdir", unix.Mkdir("/etc/x", 0o755), unix.EACCES)
	c.is("mkdir of what is there", unix.Mkdir("/etc", 0o755), unix.EEXIST)
	_, err = unix.Open("/etc/x", unix.O_CREAT|unix.O_WRONLY, 0o644)
	c.is("open O_CREAT", err, unix.EACCES)
	c.is("symlink", unix.Symlink("x", "/etc/x"), unix.EACCES)
	c.is("rename", unix.Rename("/etc", "/tmp/etc"), unix.EACCES)
	c.is("rmdir", unix.Rmdir("/home"), unix.EACCES)
	c.is("unlink", unix.Unlink("/payload"), unix.EACCES)
	c.is("access W_OK", unix.Access("/payload", unix.W_OK), unix.EACCES)
	c.is("access X_OK", unix.Access("/payload", unix.X_OK), nil)
	_, err = unix.Open("/payload", unix.O_RDWR, 0)
	c.is("open O_RDWR", err, unix.EACCES)
	c.is("truncate", unix.Truncate("/payload", 1), unix.EACCES)
	c.is("mknod", unix.Mknod("/tmp/null", unix.S_IFCHR, 0x103), unix.EPERM)
	c.is("setuid 0", errnoOf(unix.SYS_SETUID, 0, 0, 0), unix.EPERM)
	c.is("setgroups", errnoOf(unix.SYS_SETGROUPS, 0, 0, 0), unix.EPERM)
	c.is("chroot", unix.Chroot("/tmp"), unix.EPERM)

	unix.Umask(0o027)
	fd, err := unix.Open("/tmp/mine", unix.O_CREAT|unix.O_RDWR|unix.O_CLOEXEC, 0o666)
	c.is("open", err, nil)
	_, err = unix.Write(fd, []byte("text"))
	c.is("write", err, nil)
	flags, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	c.is("close-on-exec", flags, unix.FD_CLOEXEC)
	c.is("own file", look("/tmp/mine"), "1000:1001 100640")
	c.is("chgrp", unix.Chown("/tmp/mine", -1, 5), nil)
	c.is("chgrp to another's", unix.Chown("/tmp/mine", -1, 9), unix.EPERM)
	c.is("own file", look("/tmp/mine"), "1000:5 100640")
	c.is("own directory", unix.Mkdir("/tmp/dir", 0o777), nil)
	c.is("own directory", look("/tmp/dir"), "1000:1001 40750")
	c.is("own symlink", unix.Symlink("nothing", "/tmp/dir/l"), nil)
	c.is("own symlink", look("/tmp/dir/l"), "1000:1001 120777")
	fd, err = unix.Open("/tmp/dir/l", unix.O_CREAT|unix.O_WRONLY, 0o600)
	c.is("through a dangling symlink", err, nil)
	c.is("through a dangling symlink", look("/tmp/dir/nothing"), "1000:1001 100600")
	unix.Close(fd)
	fd, err = unix.Open("/tmp/dir", unix.O_TMPFILE|unix.O_RDWR, 0o600)
	c.is("O_TMPFILE", err, nil)
	c.is("linkat", unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), unix.AT_FDCWD, "/tmp/dir/t", unix.AT_SYMLINK_FOLLOW), nil)
	c.is("O_TMPFILE", look("/tmp/dir/t"), "1000:1001 100600")
	c.is("chdir", unix.Chdir("/tmp/dir"), nil)
	fd, err = unix.Openat2(unix.AT_FDCWD, "two", &unix.OpenHow{Flags: unix.O_CREAT | unix.O_WRONLY, Mode: 0o600})
	c.is("openat2", err, nil)
	unix.Close(fd)
	c.is("openat2", look("two"), "1000:1001 100600")
	c.is("O_EXCL", func() error {
		_, err := unix.Open("two", unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY, 0o600)
		return err
	}(), unix.EEXIST)
	c.is("sticky", unix.Unlink("/tmp/roots"), unix.EPERM)
	c.is("own", unix.Unlink("/tmp/mine"), nil)
	h := unix.CapUserHeader{Version: capVersion3}
	var d [2]unix.CapUserData
	c.is("capget", unix.Capget(&h, &d[0]), nil)
	c.is("capabilities", d[0].Effective|d[0].Permitted, uint32(0))
	return c.done()
}

func TestUser(t *testing.T) {
	c := payloadBox(t, "user")
	c.UID, c.GID, c.Groups = 1000, 1001, []uint32{5, 6}
	p := filepath.Join(c.Dir, "lower", "tmp", "roots")
	if err := os.WriteFile(p, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		if err := os.Chown(p, testUser, testUser); err != nil {
			t.Fatal(err)
		}
	}
	c.run(t)
}

// On bind mounts of host files owners are shown and not written.
func bindPayload() error {
	var c check
	c.is("before", look("/tmp/host/f"), "0:0 100644")
	c.is("chown", unix.Chown("/tmp/host/f", 33, 33), nil)
	c.is("after", look("/tmp/host/f"), "33:33 100644")
	c.is("xattr", getx("/tmp/host/f", XattrName), unix.ENODATA)
	c.is("recorded outside", look("/tmp/host/g"), "0:0 100644")
	return c.done()
}

func TestBind(t *testing.T) {
	c := payloadBox(t, "bind")
	host := workDir(t)
	for _, name := range []string{"f", "g"} {
		if err := os.WriteFile(filepath.Join(host, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if os.Getuid() == 0 {
			if err := os.Chown(filepath.Join(host, name), testUser, testUser); err != nil {
				t.Fatal(err)
			}
		}
	}
	record := Attr{UID: 5, GID: 5, Mode: unix.S_IFREG | 0o644}.Record()
	if err := unix.Setxattr(filepath.Join(host, "g"), XattrName, record, 0); err != nil {
		t.Skip(err)
	}
	if err := os.MkdirAll(filepath.Join(c.Dir, "lower", "tmp", "host"), 0o755); err != nil {
		t.Fatal(err)
	}
	c.Binds = map[string]string{"/tmp/host": host}
	c.run(t)
	if _, err := unix.Getxattr(filepath.Join(host, "f"), XattrName, nil); err != unix.ENODATA {
		t.Errorf("an owner was written on a host file: %v", err)
	}
}

// Symlinks of lower layers keep their owners under new names.
func showPayload() error {
	var c check
	c.is("lower symlink", look("/home/l"), "1000:1000 120777")
	c.is("rename", os.Rename("/home/l", "/home/m"), nil)
	c.is("renamed", look("/home/m"), "1000:1000 120777")
	c.is("symlink", os.Symlink("new", "/home/l"), nil)
	c.is("new on its place", look("/home/l"), "0:0 120777")
	times := []unix.Timespec{{Sec: 1}, {Sec: 1}}
	c.is("touch", unix.UtimesNanoAt(unix.AT_FDCWD, "/home/k", times, unix.AT_SYMLINK_NOFOLLOW), nil)
	c.is("touched", look("/home/k"), "5:5 120777")
	return c.done()
}

func TestLowerLinks(t *testing.T) {
	c := payloadBox(t, "show")
	c.Links = Links{"home/l": {1000, 1000}, "home/k": {5, 5}}
	for p := range c.Links {
		if err := os.Symlink("x", filepath.Join(c.Dir, "lower", p)); err != nil {
			t.Fatal(err)
		}
		if os.Getuid() == 0 {
			if err := os.Lchown(filepath.Join(c.Dir, "lower", p), testUser, testUser); err != nil {
				t.Fatal(err)
			}
		}
	}
	c.run(t)
	links, err := FinishUpper(filepath.Join(c.Dir, "upper"), filepath.Join(c.Dir, "table"))
	if want := (Links{"home/m": {1000, 1000}, "home/k": {5, 5}}); err != nil || fmt.Sprint(links) != fmt.Sprint(want) {
		t.Errorf("links are %v %v, should be %v", links, err, want)
	}
}

// A process in a chroot of its own names files there.
func chrootPayload() error {
	var c check
	c.is("mkdir", os.MkdirAll("/tmp/new/tmp", 0o755), nil)
	c.is("chown", unix.Chown("/tmp/new/tmp", 9, 9), nil)
	c.is("chroot", unix.Chroot("/tmp/new"), nil)
	c.is("inside", look("/tmp"), "9:9 40755")
	c.is("chown inside", unix.Chown("/tmp", 10, 10), nil)
	c.is("symlink", os.Symlink("/tmp", "/tmp/self"), nil)
	c.is("chown through an absolute symlink", unix.Chown("/tmp/self", 11, 11), nil)
	c.is("chown of it", unix.Lchown("/tmp/self", 12, 12), nil)
	c.is("symlink", look("/tmp/self"), "12:12 120777")
	c.is("inside", look("/tmp"), "11:11 40755")
	return c.done()
}

func TestChroot(t *testing.T) {
	c := payloadBox(t, "chroot")
	c.run(t)
	links, err := FinishUpper(filepath.Join(c.Dir, "upper"), filepath.Join(c.Dir, "table"))
	if want := (Links{"tmp/new/tmp/self": {12, 12}}); err != nil || fmt.Sprint(links) != fmt.Sprint(want) {
		t.Errorf("links are %v %v, should be %v", links, err, want)
	}
}

// Many threads at once; all of them see the ids one of them set.
func threadsPayload() error {
	var c check
	_, _, e := unix.RawSyscall(unix.SYS_SETRESUID, 500, 500, 0)
	c.is("setresuid", e, unix.Errno(0))
	results := make(chan error, 16)
	for i := range cap(results) {
		go func() {
			runtime.LockOSThread()
			for j := range 300 {
				p := fmt.Sprintf("/tmp/%d-%d", i, j)
				if unix.Getuid() != 500 {
					results <- fmt.Errorf("uid is %d", unix.Getuid())
					return
				}
				if err := unix.Mkdir(p, 0o700); err != nil {
					results <- fmt.Errorf("mkdir %s: %w", p, err)
					return
				}
				if l := look(p); l != "500:0 40700" {
					results <- fmt.Errorf("%s: %s", p, l)
					return
				}
			}
			results <- nil
		}()
	}
	for range cap(results) {
		if err := <-results; err != nil {
			c.errs = append(c.errs, err)
		}
	}
	return c.done()
}

func TestThreads(t *testing.T) {
	c := payloadBox(t, "threads")
	c.run(t)
}

// A process can name what lies outside of its mounts through /proc, where the kernel refuses it and
// the supervisor, which has more rights, must not go in its stead.
func foreignPayload() error {
	var c check
	outside := os.Getenv("OUTSIDE")
	if _, err := os.Stat("/proc/" + os.Getenv("STAGE") + "/status"); err != nil {
		return err // the host's /proc is not here
	}
	for i, e := range []error{
		unix.Mkdir(outside+"/d", 0o755),
		unix.Symlink("x", outside+"/l"),
		unix.Mkfifo(outside+"/p", 0o644),
		unix.Mknod(outside+"/c", unix.S_IFCHR|0o644, 0x103),
		unix.Chown(outside+"/f", 5, 5),
		unix.Chmod(outside+"/f", 0o4777),
		unix.Unlink(outside + "/f"),
		os.WriteFile(outside+"/n", nil, 0o644),
	} {
		if !errors.Is(e, unix.EACCES) && !errors.Is(e, unix.EPERM) && !errors.Is(e, unix.EINVAL) {
			c.errs = append(c.errs, fmt.Errorf("call %d: %v", i, e))
		}
	}
	return c.done()
}

func TestForeign(t *testing.T) {
	for _, uid := range []uint32{0, 1000} {
		c := payloadBox(t, "foreign")
		c.UID = uid
		host := workDir(t)
		f := filepath.Join(host, "f")
		if err := os.WriteFile(f, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if os.Getuid() == 0 {
			if err := os.Chown(f, testUser, testUser); err != nil {
				t.Fatal(err)
			}
		}
		before, _ := os.ReadDir(host)
		c.HostProc, c.Env = true, append(c.Env, "HOST="+host)
		c.run(t)
		after, _ := os.ReadDir(host)
		if fmt.Sprint(before) != fmt.Sprint(after) {
			t.Errorf("as %d: %v became %v", uid, before, after)
		}
		if _, err := unix.Getxattr(f, XattrName, nil); err != unix.ENODATA {
			t.Errorf("as %d: an owner was written: %v", uid, err)
		}
		if fi, err := os.Stat(f); err != nil || fi.Mode() != 0o644 {
			t.Errorf("as %d: %v %v", uid, fi.Mode(), err)
		}
	}
}

// A socket belongs to who binds it, and peers see each other's ids.
func socketsPayload() error {
	var c check
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	c.is("socket", err, nil)
	c.is("bind where one may not", unix.Bind(fd, &unix.SockaddrUnix{Name: "/etc/s"}), unix.EACCES)
	c.is("bind", unix.Bind(fd, &unix.SockaddrUnix{Name: "/tmp/s"}), nil)
	c.is("owner", look("/tmp/s"), "1000:1001 140755")
	c.is("chmod", unix.Chmod("/tmp/s", 0o777), nil)
	c.is("listen", unix.Listen(fd, 1), nil)
	other, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	c.is("socket", err, nil)
	c.is("bind twice", unix.Bind(other, &unix.SockaddrUnix{Name: "/tmp/s"}), unix.EADDRINUSE)
	c.is("connect", unix.Connect(other, &unix.SockaddrUnix{Name: "/tmp/s"}), nil)
	cred, err := unix.GetsockoptUcred(other, unix.SOL_SOCKET, unix.SO_PEERCRED)
	c.is("peer", fmt.Sprint(cred, err), "&{1 1000 1001} <nil>")
	var st unix.Stat_t
	c.is("stat", unix.Stat("/proc/1", &st), nil)
	c.is("owner of the process", fmt.Sprint(st.Uid, st.Gid), "1000 1001")
	return c.done()
}

func TestSockets(t *testing.T) {
	c := payloadBox(t, "sockets")
	c.UID, c.GID = 1000, 1001
	c.run(t)
}

func benchPayload() error {
	runtime.LockOSThread()
	os.WriteFile("/tmp/plain", nil, 0o644)
	os.WriteFile("/tmp/owned", nil, 0o644)
	os.Chown("/tmp/owned", 33, 33)
	fd, _ := unix.Open("/tmp/plain", unix.O_RDONLY, 0)
	var st unix.Stat_t
	n := 0
	cases := []struct {
		name string
		f    func()
	}{
		{"stat", func() { unix.Stat("/tmp/plain", &st) }},
		{"stat of a recorded file", func() { unix.Stat("/tmp/owned", &st) }},
		{"stat of nothing", func() { unix.Stat("/tmp/none", &st) }},
		{"fstat", func() { unix.Fstat(fd, &st) }},
		{"getuid", func() { unix.Getuid() }},
		{"open O_RDONLY", func() { f, _ := unix.Open("/tmp/plain", unix.O_RDONLY, 0); unix.Close(f) }},
		{"open O_CREAT, unlink", func() {
			f, _ := unix.Open("/tmp/new", unix.O_RDWR|unix.O_CREAT, 0o600)
			unix.Close(f)
			unix.Unlink("/tmp/new")
		}},
		{"chown 0:0", func() { unix.Chown("/tmp/plain", 0, 0) }},
		{"chown 33:n", func() { n++; unix.Chown("/tmp/owned", 33, n%2) }},
		{"getpid", func() { unix.Getpid() }},
	}
	for _, c := range cases {
		for range 100 {
			c.f()
		}
		const rounds, each = 20, 500
		best := time.Hour
		for range rounds {
			begin := time.Now()
			for range each {
				c.f()
			}
			best = min(best, time.Since(begin))
		}
		fmt.Printf("%-24s %6.2f µs\n", c.name, float64(best.Nanoseconds())/each/1000)
	}
	return nil
}

// TestCost prints what a call costs, with the supervisor and without; OWNERSHIP_COST asks for it.
func TestCost(t *testing.T) {
	if os.Getenv("OWNERSHIP_COST") == "" {
		t.Skip("OWNERSHIP_COST is not set")
	}
	c := payloadBox(t, "bench")
	t.Logf("with:\n%s", c.run(t))
	c = payloadBox(t, "bench")
	c.UID, c.GID = 1000, 1000
	t.Logf("with, as a user:\n%s", c.run(t))
	c = payloadBox(t, "bench")
	c.Off = true
	t.Logf("without:\n%s", c.run(t))
}
