package tests

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dhow-containers/dhow/tests/fixture"
)

// attack is one row of the tables of hostile_*_test.go: what somebody hostile answers, and what a
// command of dhow's must make of it. HOSTILE.md tells which rows there are.
//
// Whatever the row says: the command ends in time, with an exit code below 128, takes less than
// attackMemory and attackBytes, says what is wrong in one line, and leaves nothing in the store.
type attack struct {
	name string // the row of HOSTILE.md first
	// answer tells the registry w.reg, and w.other, what to answer, and prepares files in w.dir.
	answer func(w *world)
	// args is the command; REG, OTHER and DIR are replaced. nil pulls REG/r:x.
	args []string
	env  []string
	// works wants success; otherwise the command must fail. says is a regular expression for what it
	// says then.
	works bool
	says  string
	// either is for what may be taken or refused, as long as nothing is harmed.
	either bool
	stdin  string
	// after looks at what is there afterwards.
	after func(w *world) error
	// harm is what the same answers do to somebody naive: takes, leaks, escapes, floods, loops, hangs.
	harm string
	// naive is the one they are shown to; nil pulls.
	naive func(w *world, n *naive) error
	// interrupt sends SIGINT after so long.
	interrupt time.Duration
	// secretRegistry is for accounts w.reg must not see either; w.other never may.
	secretRegistry bool
}

const (
	attackTime   = time.Minute // on a busy machine
	attackMemory = 320 << 20
	attackBytes  = 256 << 20 // what a registry gets rid of at a client

	casey, secret = "casey", "pass-canary-word"
)

// world is what one row happens in.
type world struct {
	reg, other *fixture.Hostile
	// far and plain are at an address of this machine that is not the loopback, one with TLS; rows start
	// them, where there is such an address.
	far, plain *fixture.Hostile
	host       string
	dir        string // holds canary, outside/ and home/
	env        []string
	bin        string
}

func (w *world) expand(s string) string {
	places := []string{"REG", w.reg.Addr, "OTHER", w.other.Addr, "DIR", w.dir}
	if w.far != nil {
		places = append(places, "FAR", w.far.Addr, "PLAIN", w.plain.Addr)
	}
	return strings.NewReplacer(places...).Replace(s)
}

// tables are what `hostile NAME` runs.
var tables = map[string][]attack{}

// hostileCmd is `hostile TABLE`: it runs the rows of a table, several at a time, each worker with a
// store of its own.
func hostileCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 || tables[args[0]] == nil {
		ts.Fatalf("usage: hostile TABLE")
	}
	only := regexp.MustCompile(os.Getenv(envAttacks))
	rows := make(chan attack)
	go func() {
		for _, a := range tables[args[0]] {
			if only.MatchString(a.name) {
				rows <- a
			}
		}
		close(rows)
	}()
	var all sync.WaitGroup
	var mu sync.Mutex
	var failed []string
	for i := range runtime.NumCPU() + 1 {
		w, err := newWorld(ts, i)
		ts.Check(err)
		all.Go(func() {
			defer w.close()
			for a := range rows {
				err := w.run(a)
				if err == nil {
					err = w.control(a)
				}
				for more := 2; more > 0 && errors.Is(err, errHarmless); more-- { // a busy machine holds the naive up
					err = w.control(a)
				}
				if err != nil {
					mu.Lock()
					failed = append(failed, fmt.Sprintf("%s: %v", a.name, err))
					mu.Unlock()
				}
			}
			if err := w.honest(); err != nil {
				mu.Lock()
				failed = append(failed, fmt.Sprintf("afterwards: %v", err))
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if len(failed) > 0 {
		ts.Fatalf("%s", strings.Join(failed, "\n"))
	}
}

func newWorld(ts *testscript.TestScript, i int) (*world, error) {
	host, _, _ := strings.Cut(strings.TrimPrefix(ts.Getenv("HOSTURL"), "http://"), ":")
	w := &world{host: host, dir: ts.MkAbs(fmt.Sprintf("world%d", i)), bin: ts.Getenv("DHOW")}
	home := filepath.Join(w.dir, "home")
	if err := os.MkdirAll(home, 0o755); err != nil {
		return nil, err
	}
	for _, name := range []string{"PATH", "TMPDIR", "TERM", "DHOW", "HOSTURL"} {
		w.env = append(w.env, name+"="+ts.Getenv(name))
	}
	w.env = append(w.env, "HOME="+home, "XDG_DATA_HOME="+home+"/.local/share")
	var err error
	if w.reg, err = fixture.StartHostile(fixture.HostileOptions{}); err != nil {
		return nil, err
	}
	// Another host, not just another port: HOSTILE.md tells why.
	w.other, err = fixture.StartHostile(fixture.HostileOptions{Host: "127.0.0.2"})
	return w, err
}

func (w *world) close() {
	w.reg.Close()
	w.other.Close()
	w.closeFar()
}

// startFar starts far with a certificate that is wrong as fixture.Certificate says, and its authority in
// files/ca.crt; or without TLS.
func (w *world) startFar(wrong string, withTLS bool) {
	pair, ca, err := fixture.Certificate(net.ParseIP(w.host), wrong)
	if err != nil {
		panic(err)
	}
	o := fixture.HostileOptions{Host: w.host}
	if w.plain, err = fixture.StartHostile(o); err != nil {
		panic(err)
	}
	if withTLS {
		o.TLS = &pair
	}
	if w.far, err = fixture.StartHostile(o); err != nil {
		panic(err)
	}
	w.file("ca.crt", string(ca))
}

func (w *world) closeFar() {
	for _, h := range []*fixture.Hostile{w.far, w.plain} {
		if h != nil {
			h.Close()
		}
	}
	w.far, w.plain = nil, nil
}

// prepare puts the world in order for a row.
func (w *world) prepare(a attack) error {
	for _, name := range []string{"canary", "outside", "naive", "files"} {
		if err := os.RemoveAll(filepath.Join(w.dir, name)); err != nil {
			return err
		}
	}
	for _, name := range []string{"outside", "naive", "files"} {
		if err := os.Mkdir(filepath.Join(w.dir, name), 0o755); err != nil {
			return err
		}
	}
	canary := filepath.Join(w.dir, "canary")
	if err := errors.Join(os.WriteFile(canary, []byte("alive"), 0o600), os.Chtimes(canary, time.Unix(77, 0), time.Unix(77, 0))); err != nil {
		return err
	}
	w.reg.Answer()
	w.other.Answer()
	w.closeFar()
	if a.answer != nil {
		a.answer(w)
	}
	return nil
}

// dead tells what has become of what lies outside, nil when it is unharmed.
func (w *world) dead() error {
	var st syscall.Stat_t
	if err := syscall.Lstat(filepath.Join(w.dir, "canary"), &st); err != nil {
		return err
	}
	b, _ := os.ReadFile(filepath.Join(w.dir, "canary"))
	if string(b) != "alive" || st.Mode != syscall.S_IFREG|0o600 || st.Nlink != 1 || st.Mtim.Sec != 77 {
		return fmt.Errorf("the canary is %q, mode %o, %d links", b, st.Mode, st.Nlink)
	}
	entries, err := os.ReadDir(filepath.Join(w.dir, "outside"))
	if err != nil || len(entries) > 0 {
		return fmt.Errorf("outside there is %v %w", entries, err)
	}
	return nil
}

// dhow runs a command and gives what it said, how it ended and the most memory it took.
func (w *world) dhow(a attack, args ...string) (out string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), attackTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, w.bin, args...)
	cmd.Dir = filepath.Join(w.dir, "files")
	cmd.Env = w.env
	for _, e := range a.env {
		name, value, _ := strings.Cut(e, "=")
		cmd.Env = append(cmd.Env, name+"="+w.expand(value))
	}
	var b bytes.Buffer
	cmd.Stdout, cmd.Stderr = &b, &b
	cmd.Stdin = strings.NewReader(a.stdin)
	cmd.WaitDelay = time.Second
	cmd.Cancel = func() error { return cmd.Process.Kill() }
	begun := time.Now()
	if a.interrupt > 0 {
		time.AfterFunc(a.interrupt, func() { _ = cmd.Process.Signal(os.Interrupt) })
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	peak, ended := make(chan int64), make(chan struct{})
	go func() { peak <- memoryOf(cmd.Process.Pid, ended) }()
	err = cmd.Wait()
	close(ended)
	most := <-peak
	out = b.String()
	if ctx.Err() != nil {
		return out, fmt.Errorf("it does not end: %w: %.500s", ctx.Err(), out)
	}
	if a.interrupt > 0 && time.Since(begun) > a.interrupt+15*time.Second {
		return out, fmt.Errorf("it ended %s after the interrupt", time.Since(begun)-a.interrupt)
	}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && a.interrupt > 0 && status.Signal() == syscall.SIGINT {
		return out, err // it came before the command listened
	}
	if code := cmd.ProcessState.ExitCode(); code < 0 || code > 127 && a.interrupt == 0 {
		return out, fmt.Errorf("it ended with %s: %.2000s", cmd.ProcessState, out)
	}
	if most > attackMemory>>10 {
		return out, fmt.Errorf("it took %d MB", most>>10)
	}
	return out, err
}

// memoryOf gives the most memory a process has taken, in KB, when it ends. What the kernel says of it then
// holds what this process takes, which made it.
func memoryOf(pid int, ended <-chan struct{}) (most int64) {
	for {
		if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)); err == nil {
			if _, after, ok := strings.Cut(string(b), "VmHWM:"); ok {
				var kb int64
				if _, err := fmt.Sscan(after, &kb); err == nil {
					most = max(most, kb)
				}
			}
		}
		select {
		case <-ended:
			return most
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// run is the row.
func (w *world) run(a attack) error {
	if err := w.prepare(a); err != nil {
		return err
	}
	err := w.attacked(a)
	if left := w.empty(a); err == nil {
		err = left
	}
	return err
}

func (w *world) attacked(a attack) error {
	args := a.args
	if args == nil {
		args = []string{"pull", "-q", "REG/r:x"}
	}
	expanded := make([]string, len(args))
	for i, s := range args {
		expanded[i] = w.expand(s)
	}
	out, err := w.dhow(a, expanded...)
	var exit *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &exit):
		return err
	case a.works && err != nil:
		return fmt.Errorf("%w: %.500s", err, out)
	case err != nil && strings.Contains(out, "--help"):
		return fmt.Errorf("the command itself is wrong: %.500s", out) // and was refused for that alone
	case a.either && err == nil:
		a.works = true
	case !a.works && err == nil:
		return fmt.Errorf("it was taken: %.500s", out)
	case !regexp.MustCompile(a.says).MatchString(out):
		return fmt.Errorf("it says %.500q", out)
	}
	if strings.Contains(out, "goroutine ") || strings.Contains(out, secret) {
		return fmt.Errorf("it says %.1000q", out)
	}
	if args[0] == "build" { // it shows the lines that are wrong first
		lines := strings.SplitAfter(out, "\n")
		out = lines[max(0, len(lines)-2)]
	}
	if !a.works && (a.interrupt == 0 || out != "") {
		if strings.Count(out, "\n") != 1 || len(out) > 4500 || strings.ContainsFunc(out, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || r == 0x7f || r == 0x9b }) {
			return fmt.Errorf("that is no clean line: %.1000q", out)
		}
	}
	if err := w.dead(); err != nil {
		return err
	}
	if n := w.reg.Sent() + w.other.Sent(); n > attackBytes {
		return fmt.Errorf("it read %d bytes", n)
	}
	if showed(w.other, casey, secret, true) || a.secretRegistry && showed(w.reg, casey, secret, true) {
		return fmt.Errorf("it showed the password: %+v", w.other.Seen())
	}
	if w.plain != nil && showed(w.plain, casey, secret, true) {
		return fmt.Errorf("it showed the password without TLS: %+v", w.plain.Seen())
	}
	if a.after != nil {
		return a.after(w)
	}
	return nil
}

// empty removes the images a row was meant to bring and looks whether there is anything else.
func (w *world) empty(a attack) error {
	records, err := filepath.Glob(filepath.Join(w.dir, "home/.local/share/dhow/store-*/storage/overlay-images/images.json"))
	if err != nil {
		return err
	}
	for _, f := range records {
		b, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		if text := strings.TrimSpace(string(b)); text == "" || text == "[]" || text == "null" {
			continue
		}
		if out, err := w.dhow(attack{}, "image", "prune", "-af"); err != nil {
			return fmt.Errorf("image prune: %w: %s", err, out)
		}
		if !a.works && !a.either {
			return fmt.Errorf("there are images: %s", b)
		}
	}
	if a.interrupt > 0 { // what had arrived may be kept
		if out, err := w.dhow(attack{}, "image", "prune", "-f"); err != nil {
			return fmt.Errorf("image prune: %w: %s", err, out)
		}
	}
	for _, pattern := range []string{"tmp/*", "partial/*", "containers/*"} {
		found, err := filepath.Glob(filepath.Join(w.dir, "home/.local/share/dhow/store-*", pattern))
		if err != nil {
			return err
		}
		for _, f := range found {
			if !kept[filepath.Base(f)] {
				return fmt.Errorf("left behind: %s", f)
			}
		}
	}
	return nil
}

// errHarmless is what a row is that does somebody naive no harm.
var errHarmless = errors.New("the control")

// control shows the row to somebody naive, to whom it must do the harm it is there for.
func (w *world) control(a attack) error {
	if a.harm == "" {
		return nil
	}
	if err := w.prepare(a); err != nil {
		return err
	}
	top, err := os.OpenRoot(w.dir)
	if err != nil {
		return err
	}
	defer top.Close()
	n := &naive{world: top, user: casey, password: secret}
	act := a.naive
	if act == nil {
		act = func(w *world, n *naive) error { return n.pull(w.reg.Addr, "x") }
	}
	begun := time.Now()
	err = act(w, n)
	done := harms{
		took: err == nil, leaked: showed(w.other, casey, secret, true) || w.plain != nil && showed(w.plain, casey, secret, true), escaped: n.left || w.dead() != nil,
		flooded: n.flooded || w.reg.Sent()+w.other.Sent() > naiveBytes/12, looped: n.asked > naiveAsks, hung: time.Since(begun) > time.Second,
	}
	if a.secretRegistry {
		done.leaked = showed(w.reg, casey, secret, true)
	}
	if !strings.Contains(done.String(), a.harm) {
		return fmt.Errorf("%w: it should have been one that %s, and is one that %q (%v)", errHarmless, a.harm, done, err)
	}
	return nil
}

// honest looks whether the store is as it should be and takes an honest image.
func (w *world) honest() error {
	if err := w.prepare(attack{answer: func(w *world) { w.reg.Answer(goodImage().Rules()...) }}); err != nil {
		return err
	}
	for _, args := range [][]string{{"pull", "-q", w.reg.Addr + "/r:x"}, {"system", "check"}, {"rmi", "-f", w.reg.Addr + "/r:x"}} {
		if out, err := w.dhow(attack{}, args...); err != nil {
			return fmt.Errorf("%s: %w: %s", args[0], err, out)
		}
	}
	return nil
}

// file makes a file in the directory the command runs in.
func (w *world) file(name, text string) {
	name = filepath.Join(w.dir, "files", name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o644)); err != nil {
		panic(err)
	}
}
