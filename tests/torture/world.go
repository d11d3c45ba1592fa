package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/dhow-containers/dhow/tests/fixture"
	"github.com/dhow-containers/dhow/tests/torture/trace"
)

// world is one kind of user with a place of its own: a directory whose parts data, home, tmp and run are
// all that dhow may write to, and a registry.
type world struct {
	kind     string
	uid, gid int
	dir      string // everything
	at       string // what a point starts from and changes
	dhow     string
	userland string
	reg      *fixture.Registry
	private  *fixture.Registry // of casey with the password s3cret
}

// accounts are those that tests/scripts_test.go makes.
var accounts = map[string]string{"subids": "dhow-subids", "single": "dhow-single"}

// newWorld makes the world of a kind below base; binaries are in bin.
func newWorld(kind, base, bin string) (*world, error) {
	w := &world{kind: kind, uid: os.Getuid(), gid: os.Getgid()}
	if name := accounts[kind]; name != "" && w.uid == 0 {
		u, err := fixture.Account(name, kind == "subids")
		if err != nil {
			return nil, err
		}
		w.uid, _ = strconv.Atoi(u.Uid)
		w.gid, _ = strconv.Atoi(u.Gid)
	}
	dir, err := os.MkdirTemp(base, "dhow-torture-"+kind+"-")
	if err != nil {
		return nil, err
	}
	w.dir, w.at = dir, filepath.Join(dir, "at")
	w.dhow, w.userland = filepath.Join(dir, "dhow"), filepath.Join(dir, "userland")
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	for to, from := range map[string]string{w.dhow: "dhow", w.userland: "userland"} {
		b, err := os.ReadFile(filepath.Join(bin, from))
		if err != nil {
			return nil, fmt.Errorf("%w: `make torture` builds it", err)
		}
		if err := os.WriteFile(to, b, 0o755); err != nil {
			return nil, err
		}
	}
	if w.reg, err = fixture.StartRegistry(); err != nil {
		return nil, err
	}
	if w.private, err = fixture.StartRegistryFor("casey", "s3cret"); err != nil {
		return nil, err
	}
	if err := w.publish(); err != nil {
		return nil, err
	}
	return w, w.fresh()
}

// close ends the world.
func (w *world) close() error {
	w.reg.Close()
	w.private.Close()
	return w.remove(w.dir)
}

// fresh makes w.at anew, with nothing in it.
func (w *world) fresh() error {
	if err := w.remove(w.at); err != nil {
		return err
	}
	if err := errors.Join(os.Mkdir(w.at, 0o700), os.Chown(w.at, w.uid, w.gid)); err != nil {
		return err
	}
	return w.fill()
}

// fill makes what lies in w.at from the beginning.
func (w *world) fill() error {
	for _, d := range []string{"home", "home/.config", "home/.config/containers", "data", "tmp", "run", "ctx"} {
		p := filepath.Join(w.at, d)
		if err := errors.Join(os.Mkdir(p, 0o700), os.Chown(p, w.uid, w.gid)); err != nil {
			return err
		}
	}
	conf := fmt.Sprintf("unqualified-search-registries = [\"docker.io\"]\n[[registry]]\nprefix = \"docker.io\"\nlocation = %q\ninsecure = true\n", w.reg.Addr)
	return w.write("home/.config/containers/registries.conf", conf)
}

// write makes a file of the user below w.at.
func (w *world) write(name, content string) error {
	p := filepath.Join(w.at, name)
	return errors.Join(os.WriteFile(p, []byte(content), 0o644), os.Chown(p, w.uid, w.gid))
}

// asOwner runs a program on files that may have subordinate ids: as root as it is, as a user in dhow's
// own namespace.
func (w *world) asOwner(args ...string) error {
	if os.Getuid() != 0 && w.kind == "subids" {
		args = append([]string{w.dhow, "--root", filepath.Join(w.dir, "side"), "unshare"}, args...)
	}
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

func (w *world) remove(dir string) error {
	if os.RemoveAll(dir) == nil {
		return nil
	}
	if err := w.asOwner("rm", "-rf", dir); err == nil {
		return nil
	}
	return errors.Join(w.asOwner("chmod", "-R", "u+rwX", dir), w.asOwner("rm", "-rf", dir))
}

// keepAs puts w.at aside under a name, restore brings it back.
func (w *world) keepAs(name string) error {
	to := filepath.Join(w.dir, "kept-"+name)
	return errors.Join(w.remove(to), w.asOwner("cp", "-a", "--reflink=auto", w.at, to))
}

func (w *world) restore(name string) error {
	if err := w.remove(w.at); err != nil {
		return err
	}
	return w.asOwner("cp", "-a", "--reflink=auto", filepath.Join(w.dir, "kept-"+name), w.at)
}

func (w *world) env() []string {
	return []string{"PATH=" + w.dir + ":/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME=" + filepath.Join(w.at, "home"),
		"XDG_DATA_HOME=" + filepath.Join(w.at, "data"), "XDG_RUNTIME_DIR=" + filepath.Join(w.at, "run"), "TMPDIR=" + filepath.Join(w.at, "tmp"),
		"TERM=dumb", "LANG=C.UTF-8"}
}

// answer is what a command said.
type answer struct {
	code        int // 128 + signal when one ended it
	out, stderr string
}

func (a answer) String() string {
	return fmt.Sprintf("exit %d, stderr %q, stdout %q", a.code, a.stderr, head(a.out))
}

func head(s string) string {
	if len(s) > 300 {
		return s[:300] + "…"
	}
	return s
}

// patience is how long a command may take.
const patience = 60 * time.Second

// run runs dhow without tracing it; stdin may be empty.
func (w *world) run(stdin string, args ...string) answer {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, w.dhow, args...)
	cmd.Env, cmd.Dir = w.env(), filepath.Join(w.at, "ctx")
	var out, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if w.uid != os.Getuid() {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(w.uid), Gid: uint32(w.gid)}
	}
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	a := answer{out: out.String(), stderr: stderr.String()}
	if cmd.ProcessState != nil {
		a.code = code(cmd.ProcessState.Sys().(syscall.WaitStatus))
	}
	if a.code == 0 && err != nil {
		a.code, a.stderr = -1, a.stderr+err.Error()
	}
	if ctx.Err() != nil {
		a.stderr += fmt.Sprintf("\n(killed after %v)", patience)
	}
	return a
}

func code(ws syscall.WaitStatus) int {
	if ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return ws.ExitStatus()
}

// must is run where a failure is not what is tested.
func (w *world) must(args ...string) (string, error) {
	a := w.run("", args...)
	if a.code != 0 {
		return "", fmt.Errorf("dhow %s: %v", strings.Join(args, " "), a)
	}
	return a.out, nil
}

// traced starts dhow under trace; its output is in the files out and err of w.dir.
func (w *world) traced(stdin string, at int, record bool, then func(*trace.Tree), args ...string) (*trace.Running, func() answer, error) {
	var files [3]*os.File
	for i, name := range []string{"in", "out", "err"} {
		f, err := os.OpenFile(filepath.Join(w.dir, name), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
		if err != nil {
			return nil, nil, err
		}
		files[i] = f
		// libcontainer gives the container's user what is not its own.
		if err := f.Chown(w.uid, w.gid); err != nil {
			return nil, nil, err
		}
	}
	if _, err := files[0].WriteString(stdin); err != nil {
		return nil, nil, err
	}
	if _, err := files[0].Seek(0, 0); err != nil {
		return nil, nil, err
	}
	r := trace.Start(trace.Command{Path: w.dhow, Args: append([]string{"dhow"}, args...), Env: w.env(), Dir: filepath.Join(w.at, "ctx"),
		Stdin: files[0], Stdout: files[1], Stderr: files[2], UID: w.uid, GID: w.gid, At: at, Then: then, Record: record})
	return r, func() answer {
		for _, f := range files {
			f.Close()
		}
		out, _ := os.ReadFile(filepath.Join(w.dir, "out"))
		stderr, _ := os.ReadFile(filepath.Join(w.dir, "err"))
		return answer{out: string(out), stderr: string(stderr)}
	}, nil
}
