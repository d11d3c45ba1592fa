package ownership

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	libseccomp "github.com/seccomp/libseccomp-golang"
	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/idmap"
)

// The tests run real processes under the supervisor. The test binary is executed anew in roles:
//
//	test ─ unpack   in a single-id user namespace: reads a tar into a recorded tree
//	test ─ stage    in a single-id user namespace: mounts the overlay, is the supervisor
//	        └─ box  in mount and pid namespaces below: enters the overlay, loads the filter, executes
//	test ─ payload  one of the Go functions in payloads, executed inside the box
const roleEnv = "OWNERSHIP_TEST_ROLE"

func TestMain(m *testing.M) {
	var err error
	switch os.Getenv(roleEnv) {
	case "":
		os.Exit(m.Run())
	case "unpack":
		err = unpackRole()
	case "stage":
		err = stageRole()
	case "box":
		err = boxRole()
	case "list":
		err = listRole()
	case "payload":
		err = payloads[os.Args[1]]()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, os.Getenv(roleEnv)+":", err)
		os.Exit(99)
	}
	os.Exit(0)
}

// boxConfig goes to the stage as JSON.
type boxConfig struct {
	Dir    string // lower, upper, work, merged, table inside
	UID    uint32
	GID    uint32
	Groups []uint32
	Args   []string
	Env    []string
	Binds  map[string]string // container path → host path
	Links  Links
	Off    bool // no filter: nothing is emulated
	// HostProc binds the host's /proc, with the stage in it, instead of a new one. HOST in Env names
	// a directory there that the payload finds as OUTSIDE.
	HostProc bool
}

// testUser is who the tests act as when they are run by root.
const testUser = 39871

// single gives a command of the test binary in a new single-id user namespace, as a user who is not
// root outside.
func single(t testing.TB, role string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleEnv+"="+role)
	uid, gid := os.Getuid(), os.Getgid()
	if uid == 0 {
		uid, gid = testUser, testUser
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: 1}},
	}
	if os.Getuid() == 0 {
		// Root may map anybody; the process still has to become that user.
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 0, Gid: 0, NoSetGroups: true}
	}
	cmd.Stderr = os.Stderr
	return cmd
}

// workDir gives a directory the test user owns, on a file system that can carry xattrs.
func workDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/var/tmp", "ownership-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, sub := range []string{"", "lower", "upper", "work", "merged"} {
		p := filepath.Join(dir, sub)
		if err := os.MkdirAll(p, 0o755); err != nil {
			t.Fatal(err)
		}
		if os.Getuid() == 0 {
			if err := os.Chown(p, testUser, testUser); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// needUserns skips where no user namespace can be made.
func needUserns(t testing.TB) {
	t.Helper()
	cmd := single(t, "payload")
	cmd.Args = []string{"x", "nothing"}
	if out, err := cmd.Output(); err != nil {
		t.Skipf("no single-id user namespace here: %v %s", err, out)
	}
}

// run executes a payload in a box and gives its standard output.
func (c boxConfig) run(t testing.TB) string {
	t.Helper()
	out, err := c.try(t)
	if err != nil {
		t.Fatalf("box: %v\n%s", err, out)
	}
	return out
}

func (c boxConfig) try(t testing.TB) (string, error) {
	t.Helper()
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	cmd := single(t, "stage")
	cmd.Stdin = bytes.NewReader(b)
	var out bytes.Buffer
	cmd.Stdout = &out
	if testing.Verbose() && os.Getenv("OWNERSHIP_LOUD") != "" {
		cmd.Stdout = io.MultiWriter(&out, os.Stderr)
	}
	err = cmd.Run()
	return out.String(), err
}

func stageRole() error {
	var c boxConfig
	if err := json.NewDecoder(os.Stdin).Decode(&c); err != nil {
		return err
	}
	at := func(name string) string { return filepath.Join(c.Dir, name) }
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return err
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s,userxattr", at("lower"), at("upper"), at("work"))
	if err := unix.Mount("overlay", at("merged"), "overlay", 0, options); err != nil {
		return fmt.Errorf("mounting overlay: %w", err)
	}
	cfg := SupervisorConfig{
		Mapping: idmap.Mapping{Kind: idmap.Single},
		Rootfs:  at("merged"),
		Lowers:  []LayerRef{{Dir: at("lower"), Links: c.Links}},
		Upper:   at("upper"), Table: at("table"),
		UID: c.UID, GID: c.GID, Groups: c.Groups,
	}
	for inside := range c.Binds {
		cfg.Binds = append(cfg.Binds, inside)
	}
	s, err := NewSupervisor(cfg)
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { served <- s.Serve(ctx) }()
	for _, v := range c.Env {
		if host, ok := strings.CutPrefix(v, "HOST="); ok {
			c.Env = append(c.Env, fmt.Sprintf("STAGE=%d", os.Getpid()), fmt.Sprintf("OUTSIDE=/proc/%d/root%s", os.Getpid(), host))
		}
	}
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	cmd := exec.Command("/proc/self/exe", c.Args...)
	cmd.Env = append(os.Environ(), roleEnv+"=box", "OWNERSHIP_TEST_SOCKET="+s.Socket(), "OWNERSHIP_TEST_CONFIG="+string(b))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
		Pdeathsig:  syscall.SIGKILL,
	}
	runtime.LockOSThread()
	failure := cmd.Run()
	if c.Off {
		cancel()
	}
	if err := <-served; err != nil && !c.Off {
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	return failure
}

func boxRole() error {
	runtime.LockOSThread()
	var c boxConfig
	if err := json.Unmarshal([]byte(os.Getenv("OWNERSHIP_TEST_CONFIG")), &c); err != nil {
		return err
	}
	conn, err := net.Dial("unix", os.Getenv("OWNERSHIP_TEST_SOCKET"))
	if err != nil {
		return err
	}
	program, err := testFilter(c.UID)
	if err != nil {
		return err
	}
	root := filepath.Join(c.Dir, "merged")
	mounts := func() error {
		for _, d := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
			p := filepath.Join(root, "dev", d)
			if f, err := os.OpenFile(p, os.O_CREATE|os.O_RDONLY, 0o666); err == nil {
				f.Close()
			}
			if err := unix.Mount("/dev/"+d, p, "", unix.MS_BIND, ""); err != nil {
				return fmt.Errorf("binding %s: %w", d, err)
			}
		}
		for _, link := range [][2]string{{"/proc/self/fd", "fd"}, {"/proc/self/fd/0", "stdin"}, {"/proc/self/fd/1", "stdout"}, {"/proc/self/fd/2", "stderr"}} {
			os.Symlink(link[0], filepath.Join(root, "dev", link[1]))
		}
		source, flags := "proc", uintptr(0)
		if c.HostProc {
			source, flags = "/proc", unix.MS_BIND|unix.MS_REC
		}
		if err := unix.Mount(source, filepath.Join(root, "proc"), "proc", flags, ""); err != nil {
			return fmt.Errorf("mounting proc: %w", err)
		}
		for inside, outside := range c.Binds {
			if f, err := os.OpenFile(filepath.Join(root, inside), os.O_CREATE|os.O_RDONLY, 0o644); err == nil {
				f.Close()
			}
			if err := unix.Mount(outside, filepath.Join(root, inside), "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
				return fmt.Errorf("binding %s: %w", inside, err)
			}
		}
		if err := unix.Chdir(root); err != nil {
			return err
		}
		if err := unix.PivotRoot(".", "."); err != nil {
			return fmt.Errorf("pivot_root: %w", err)
		}
		if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
			return err
		}
		return unix.Chdir("/")
	}
	if err := mounts(); err != nil {
		return err
	}
	// Docker's default capabilities.
	const bounding = 0xa80425fb
	for i := range 41 {
		if bounding>>i&1 == 0 {
			unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(i), 0, 0, 0)
		}
	}
	if !c.Off {
		fd, _, e := unix.Syscall(unix.SYS_SECCOMP, 1, 1<<3|1<<5, uintptr(unsafe.Pointer(program))) // NEW_LISTENER | WAIT_KILLABLE_RECV
		if e != 0 {
			return fmt.Errorf("seccomp: %w", e)
		}
		state := specs.ContainerProcessState{Version: specs.Version, Fds: []string{specs.SeccompFdName}}
		// The pid as the stage sees it comes from the socket's credentials in real life; here the
		// box is pid 1 and its parent looks it up.
		state.Pid = outerPid()
		b, err := json.Marshal(state)
		if err != nil {
			return err
		}
		if _, _, err := conn.(*net.UnixConn).WriteMsgUnix(b, unix.UnixRights(int(fd)), nil); err != nil {
			return err
		}
		unix.Close(int(fd))
	}
	conn.Close()
	return unix.Exec(c.Args[0], c.Args, c.Env)
}

// outerPid is read before the box's own /proc was mounted.
var outerPid = func() func() int {
	link, _ := os.Readlink("/proc/self")
	pid, _ := strconv.Atoi(link)
	return func() int { return pid }
}()

// testFilter compiles SupervisorSyscallsFor over a filter that allows everything.
func testFilter(uid uint32) (*unix.SockFprog, error) {
	f, err := libseccomp.NewFilter(libseccomp.ActAllow)
	if err != nil {
		return nil, err
	}
	if err := f.SetBadArchAction(libseccomp.ActAllow); err != nil {
		return nil, err
	}
	for _, rule := range SupervisorSyscallsFor(uid).Syscalls {
		var conditions []libseccomp.ScmpCondition
		for _, a := range rule.Args {
			op, values := libseccomp.CompareEqual, []uint64{a.Value}
			if a.Op == specs.OpMaskedEqual {
				op, values = libseccomp.CompareMaskedEqual, []uint64{a.Value, a.ValueTwo}
			}
			c, err := libseccomp.MakeCondition(a.Index, op, values...)
			if err != nil {
				return nil, err
			}
			conditions = append(conditions, c)
		}
		for _, name := range rule.Names {
			nr, err := libseccomp.GetSyscallFromName(name)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			if err := f.AddRuleConditional(nr, libseccomp.ActNotify, conditions); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	go func() { f.ExportBPF(w); w.Close() }()
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	program := make([]unix.SockFilter, len(b)/8)
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&program[0])), len(b)), b)
	return &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}, nil
}

// unpackRole reads a tar from stdin into the directory named by its first argument and writes the
// Links to stdout.
func unpackRole() error {
	root, err := openDir(os.Args[1])
	if err != nil {
		return err
	}
	tree := Tree{Userns: true, Links: Links{}}
	type late struct {
		rel string
		a   Attr
	}
	var dirs []late
	r := tar.NewReader(os.Stdin)
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		rel := strings.TrimSuffix(strings.TrimPrefix(h.Name, "./"), "/")
		if rel == "" {
			rel = "."
		}
		a := Attr{UID: uint32(h.Uid), GID: uint32(h.Gid), Mode: uint32(h.Mode) & permMask}
		full := filepath.Join(os.Args[1], rel)
		switch h.Typeflag {
		case tar.TypeDir:
			if err := os.MkdirAll(full, 0o755); err != nil {
				return err
			}
			a.Mode |= unix.S_IFDIR
			dirs = append(dirs, late{rel, a})
			continue
		case tar.TypeSymlink:
			err = os.Symlink(h.Linkname, full)
		case tar.TypeLink:
			if err := os.Link(filepath.Join(os.Args[1], h.Linkname), full); err != nil {
				return err
			}
			continue
		case tar.TypeReg:
			var f *os.File
			if f, err = os.Create(full); err == nil {
				_, err = io.Copy(f, r)
				f.Close()
			}
		case tar.TypeChar, tar.TypeBlock:
			a.Mode |= map[byte]uint32{tar.TypeChar: unix.S_IFCHR, tar.TypeBlock: unix.S_IFBLK}[h.Typeflag]
			a.Rdev = unix.Mkdev(uint32(h.Devmajor), uint32(h.Devminor))
			if err := tree.Mknod(root, rel, rel, a); err != nil {
				return err
			}
			continue
		default:
			continue
		}
		if err != nil {
			return err
		}
		if err := tree.Set(root, rel, rel, a); err != nil {
			return err
		}
		for k, v := range h.PAXRecords {
			if name, ok := strings.CutPrefix(k, "SCHILY.xattr."); ok {
				if err := unix.Setxattr(full, name, []byte(v), 0); err != nil {
					return fmt.Errorf("%s: %s: %w", full, name, err)
				}
			}
		}
	}
	for _, d := range dirs {
		if err := tree.Set(root, d.rel, d.rel, d.a); err != nil {
			return err
		}
	}
	_, err = os.Stdout.Write(tree.Links.Marshal())
	return err
}
