// Package tests holds the end-to-end scripts (scripts/*.txtar) and what runs them: the real binary, a
// base image made from Go modules and a registry in the process, once for each kind of user.
package tests

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dhow-containers/dhow/tests/fixture"
)

// The kinds of user: plain root, a user with subordinate ids, a user without.
const (
	kindRoot   = "root"
	kindSubids = "subids"
	kindSingle = "single"
)

// What a run as another user is told through its environment.
const (
	envKind = "DHOW_TEST_KIND" // the kind this process is to be
	envDir  = "DHOW_TEST_DIR"  // holds dhow, userland and scripts/, readable for everybody
	// envRounds is how often the scripts that try to win a race do so, a few times if it is not set.
	envRounds = "DHOW_TEST_ROUNDS"
	// envAttacks says which rows of the tables of hostile_*_test.go are tried, a regular expression.
	envAttacks = "DHOW_TEST_ATTACKS"
)

// accounts are the users that root makes for the tests; they stay for the next run.
var accounts = map[string]string{kindSubids: "dhow-subids", kindSingle: "dhow-single"}

func TestScripts(t *testing.T) {
	hangUp()
	if kind := os.Getenv(envKind); kind != "" {
		runScripts(t, kind, os.Getenv(envDir))
		return
	}
	dir := prepare(t)
	if os.Geteuid() != 0 {
		kind := ownKind()
		for _, other := range []string{kindRoot, kindSubids, kindSingle} {
			if other != kind {
				t.Logf("NOT TRIED: the scripts as %q; run the tests as root to try every kind of user", other)
				fmt.Fprintf(os.Stderr, "tests: not tried as %q (only root can make users of every kind)\n", other)
			}
		}
		runScripts(t, kind, dir)
		return
	}
	for _, kind := range []string{kindSubids, kindSingle} {
		t.Run(kind, func(t *testing.T) { runAs(t, kind, dir) })
	}
	t.Run(kindRoot, func(t *testing.T) { runScripts(t, kindRoot, dir) })
}

// hangUp ends this process at SIGHUP even where it was started with the signal ignored (nohup): what it
// starts would inherit that, and the scripts hang up on programs.
func hangUp() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	go func() {
		<-c
		os.Exit(128 + int(syscall.SIGHUP))
	}()
}

// prepare gives a directory, readable for everybody, with the binary under test, the userland, the
// scripts and this test binary. The binaries come from bin/, where make puts them.
func prepare(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/var/tmp", "dhow-tests-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Log("removing the test directory: ", err)
		}
	})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for dst, src := range map[string]string{"dhow": "../bin/dhow", "userland": "../bin/userland", "tests.test": self} {
		b, err := os.ReadFile(src)
		if err != nil {
			t.Fatalf("%v: run the tests through `make test`, which builds bin/dhow and bin/userland", err)
		}
		if err := os.WriteFile(filepath.Join(dir, dst), b, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(filepath.Join(dir, "scripts"), os.DirFS("scripts")); err != nil {
		t.Fatal(err)
	}
	if f := os.Getenv("DHOW_TEST_SCRIPTS"); f != "" {
		leaveOnly(t, filepath.Join(dir, "scripts"), regexp.MustCompile(f))
	}
	if err := exec.Command("chmod", "-R", "a+rX", dir).Run(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// leaveOnly removes the scripts whose names do not match.
func leaveOnly(t *testing.T, dir string, wanted *regexp.Regexp) {
	t.Helper()
	scripts, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	left := len(scripts)
	for _, s := range scripts {
		if wanted.MatchString(strings.TrimSuffix(filepath.Base(s), ".txtar")) {
			continue
		}
		if err := os.Remove(s); err != nil {
			t.Fatal(err)
		}
		left--
	}
	if left == 0 {
		t.Fatalf("no script's name matches %q", wanted)
	}
}

// ownKind tells which kind the calling user is: with subordinate ids and the helpers, or without.
func ownKind() string {
	if len(subordinateIDs()) == 0 {
		return kindSingle
	}
	return kindSubids
}

// subordinateIDs gives the ranges of this user's subordinate ids.
func subordinateIDs() [][2]string {
	u, err := user.Current()
	if err != nil {
		return nil
	}
	return fixture.Subordinate(u)
}

// runAs runs this test binary again as the account of kind.
func runAs(t *testing.T, kind, dir string) {
	u := account(t, kind)
	uid, gid := atoi(t, u.Uid), atoi(t, u.Gid)
	home, err := os.MkdirTemp(dir, kind+"-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(home, uid, gid); err != nil {
		t.Fatal(err)
	}
	args := []string{"-test.run=^TestScripts$", "-test.timeout=20m"}
	if testing.Verbose() {
		args = append(args, "-test.v")
	}
	cmd := exec.Command(filepath.Join(dir, "tests.test"), args...)
	cmd.Dir = home
	cmd.Env = []string{
		"HOME=" + home, "USER=" + u.Username, "LOGNAME=" + u.Username, "TMPDIR=" + home, "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
		"LANG=C.UTF-8", envKind + "=" + kind, envDir + "=" + dir, envRounds + "=" + os.Getenv(envRounds), envAttacks + "=" + os.Getenv(envAttacks),
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("as %s: %v\n%s", u.Username, err, out)
	} else if testing.Verbose() {
		t.Logf("as %s:\n%s", u.Username, out)
	}
}

func atoi(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// account gives the account of kind, made when it is missing.
func account(t *testing.T, kind string) *user.User {
	t.Helper()
	u, err := fixture.Account(accounts[kind], kind == kindSubids)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// runScripts runs every script in this process as the present user.
func runScripts(t *testing.T, kind, dir string) {
	reg, base := startRegistry(t, filepath.Join(dir, "userland"))
	private, err := fixture.StartRegistryFor("casey", "s3cret")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { private.Close() })
	hostURL := serveHost(t)
	token, secure := startSpecial(t, hostURL)
	proxy, err := fixture.StartProxy(reg.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { proxy.Close() })
	work, err := os.MkdirTemp("", "w-")
	if err != nil {
		t.Fatal(err)
	}
	dhow := filepath.Join(dir, "dhow")
	t.Cleanup(func() { removeTree(t, dhow, work) })
	subuid := ""
	if kind == kindSubids {
		subuid = subordinateIDs()[0][0]
	}
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join(dir, "scripts"),
		WorkdirRoot:         work,
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", dir+":/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
			home := filepath.Join(e.WorkDir, ".home")
			e.Setenv("HOME", home)
			e.Setenv("TMPDIR", os.TempDir())
			e.Setenv("TERM", "dumb")
			e.Setenv("KIND", kind)
			e.Setenv("SUBUID", subuid) // the first subordinate user id
			e.Setenv("REGISTRY", reg.Addr)
			e.Setenv("PRIVATE", private.Addr) // for casey with the password s3cret
			e.Setenv("TOKEN", token.Addr)     // the same, with tokens
			e.Setenv("SECURE", secure.Addr)   // TLS with the authority in $CA
			e.Setenv("CA", string(secure.CA))
			e.Setenv("BASE", base)
			e.Setenv("PROXY", proxy.Addr) // a web proxy, which alone knows registry.test
			e.Setenv("HOSTURL", hostURL)
			e.Setenv("DHOW", dhow)
			e.Setenv("ROUNDS", cmp.Or(os.Getenv(envRounds), "8"))
			e.Setenv("POSTURE_PATHS", strings.Join(posturePaths(), " "))
			e.Setenv("XDG_DATA_HOME", filepath.Join(home, ".local/share"))
			e.Defer(func() { endContainers(t, dhow, e) })
			return registriesConf(home, reg.Addr)
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "hosturl":
				return hostURL != "", nil
			case "limits": // a control group can be made
				out, _ := exec.Command(dhow, "create", "-m", "64m", "--cpus", "1", "no-image").CombinedOutput()
				return !strings.Contains(string(out), "can not be set here"), nil
			case "tun":
				f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
				if err == nil {
					f.Close()
				}
				return err == nil, nil
			}
			if k, ok := strings.CutPrefix(cond, "kind:"); ok {
				return k == kind, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: commands,
	})
}

// startSpecial starts the registries that are reached in their own ways: one with tokens, and one with
// TLS at the address of hostURL.
func startSpecial(t *testing.T, hostURL string) (token, secure *fixture.Registry) {
	token, err := fixture.StartRegistryWith(fixture.RegistryOptions{Username: "casey", Password: "s3cret", Token: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { token.Close() })
	host, _, _ := net.SplitHostPort(strings.Trim(strings.TrimPrefix(hostURL, "http:"), "/"))
	if secure, err = fixture.StartRegistryWith(fixture.RegistryOptions{TLS: true, Host: host}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { secure.Close() })
	return token, secure
}

// endContainers removes the containers of a script, which a failed one may have left running.
func endContainers(t *testing.T, dhow string, e *testscript.Env) {
	list := exec.Command(dhow, "ps", "-aq")
	list.Env = e.Vars
	ids, err := list.Output()
	if err != nil || len(strings.Fields(string(ids))) == 0 {
		return
	}
	end := exec.Command(dhow, append([]string{"rm", "-f"}, strings.Fields(string(ids))...)...)
	end.Env = e.Vars
	if out, err := end.CombinedOutput(); err != nil {
		t.Logf("removing containers: %v: %s", err, out)
	}
}

// removeTree removes a work directory; files of subordinate ids go through dhow's own namespace.
func removeTree(t *testing.T, dhow, dir string) {
	if os.RemoveAll(dir) == nil {
		return
	}
	if out, err := exec.Command(dhow, "unshare", "rm", "-rf", dir).CombinedOutput(); err != nil {
		t.Logf("removing %s: %v: %s", dir, err, out)
	}
}

// registriesConf makes the test registry known as one that speaks plain HTTP, under its address and
// as docker.io, so that short names work without a network.
func registriesConf(home, addr string) error {
	dir := filepath.Join(home, ".config", "containers")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	conf := fmt.Sprintf("unqualified-search-registries = [\"docker.io\"]\n[[registry]]\nprefix = \"docker.io\"\nlocation = %q\ninsecure = true\n", addr)
	return os.WriteFile(filepath.Join(dir, "registries.conf"), []byte(conf), 0o644)
}

// serveHost serves "hello from the host" at an address of this machine that is not the loopback, for
// containers to reach; "" when the machine has none.
func serveHost(t *testing.T) string {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok || n.IP.IsLoopback() || n.IP.IsLinkLocalUnicast() || n.IP.To4() == nil {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort(n.IP.String(), "0"))
		if err != nil {
			continue
		}
		srv := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintln(w, "hello from the host")
		})}
		go func() { _ = srv.Serve(l) }()
		t.Cleanup(func() { srv.Close() })
		return "http://" + l.Addr().String() + "/"
	}
	t.Log("NOT TRIED: containers reaching the host: this machine has no address but the loopback's")
	return ""
}
