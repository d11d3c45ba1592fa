// Torture breaks dhow off, takes its power, its disk and its locks away, and looks at what is left:
// `make torture`. It runs the real binary as each kind of user (as root; a user tries its own kind),
// with a registry in the process, in directories of its own.
//
//	ONLY=kill,power,full,crowd   which parts
//	POINTS=1000                  how often commands are killed
//	SEED=1                       where; a failure names its own
//	KIND=root,subids,single      as whom
//	PEOPLE=100 SPAN=3m           how many commands at once, and for how long
//	VERB= AT= WAY=               one point of the kill sweep
package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/dhow-containers/dhow/tests/fixture"
)

func main() {
	if err := torture(); err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		os.Exit(1)
	}
}

// settings are what the environment says.
type settings struct {
	seed       uint64
	points, at int
	kinds      []string
	only       []string
	verb, way  string
	people     int
	span       time.Duration
	bin, dir   string
	keep       bool
}

func read() (settings, error) {
	s := settings{verb: env("VERB", ""), way: env("WAY", ""), dir: env("DIR", "/var/tmp"), keep: env("KEEP", "") != "",
		only: strings.Split(env("ONLY", "kill,power,full,crowd"), ","), kinds: strings.Split(env("KIND", strings.Join(kindsHere(), ",")), ",")}
	var err error
	if s.seed, err = strconv.ParseUint(env("SEED", strconv.Itoa(int(time.Now().Unix()))), 10, 64); err != nil {
		return s, fmt.Errorf("SEED: %w", err)
	}
	if s.points, err = strconv.Atoi(env("POINTS", "1000")); err != nil {
		return s, fmt.Errorf("POINTS: %w", err)
	}
	if s.people, err = strconv.Atoi(env("PEOPLE", "100")); err != nil {
		return s, fmt.Errorf("PEOPLE: %w", err)
	}
	if s.span, err = time.ParseDuration(env("SPAN", "3m")); err != nil {
		return s, fmt.Errorf("SPAN: %w", err)
	}
	if s.at, err = strconv.Atoi(env("AT", "0")); err != nil {
		return s, fmt.Errorf("AT: %w", err)
	}
	s.bin, err = filepath.Abs(env("BIN", "bin"))
	return s, err
}

func torture() error {
	s, err := read()
	if err != nil {
		return err
	}
	if err := alone(); err != nil {
		return err
	}
	r := newReport(os.Stdout, s.seed)
	for _, part := range s.only {
		for _, kind := range s.kinds {
			if err := s.part(part, kind, r); err != nil {
				return fmt.Errorf("%s as %s: %w", part, kind, err)
			}
		}
	}
	fmt.Print(r.summary())
	if len(r.failures) > 0 {
		return fmt.Errorf("%d failures", len(r.failures))
	}
	return nil
}

// part runs one part as one kind of user.
func (s settings) part(part, kind string, r *report) (err error) {
	w, err := newWorld(kind, s.dir, s.bin)
	if err != nil {
		return err
	}
	defer func() {
		if s.keep {
			fmt.Println("kept:", w.dir)
			return
		}
		err = errors.Join(err, w.close())
	}()
	rng := rand.New(rand.NewPCG(s.seed, uint64(len(kind))))
	switch part {
	case "kill":
		if why := untraceable(kind); why != "" {
			fmt.Println("NOT TRIED: kill: " + why)
			return nil
		}
		k := sweep{w: w, rng: rng, points: s.points / len(s.kinds), at: s.at, way: s.way, report: r}
		if s.verb != "" {
			k.verbs = []string{s.verb}
		}
		return k.run()
	case "power":
		if os.Getuid() != 0 {
			fmt.Println("NOT TRIED: power: only root has loop devices")
			return nil
		}
		o := outage{w: w, rng: rng, fs: filesystems, states: 3, verbs: durable, report: r}
		if kind != "root" { // what differs is how owners are kept
			o.fs, o.states = filesystems[:1], 1
		}
		if s.verb != "" {
			o.verbs = []string{s.verb}
		}
		return o.run()
	}
	switch part {
	case "crowd":
		c := crowd{w: w, seed: s.seed, people: s.people, same: true, span: s.span / time.Duration(len(s.kinds)), report: r}
		return c.run()
	case "full":
		if os.Getuid() != 0 {
			fmt.Println("NOT TRIED: full: only root has loop devices")
			return nil
		}
		f := want{w: w, every: 100 << 10, inodes: 4, verbs: []string{"pull", "build"}, report: r}
		if s.verb != "" {
			f.verbs = []string{s.verb}
		}
		return f.run()
	}
	return fmt.Errorf("there is no part %q", part)
}

// untraceable tells why calls of that kind of user can not be counted here.
func untraceable(kind string) string {
	if kind == "subids" && os.Getuid() != 0 {
		return "only root traces newuidmap, which is set-user-ID (ptrace(2))"
	}
	return ""
}

// aloneVar tells a process that it has mounts of its own.
const aloneVar = "DHOW_TORTURE_ALONE"

// alone gives this process mounts of its own, which go with it.
func alone() error {
	if os.Getuid() != 0 || os.Getenv(aloneVar) != "" {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		return err
	}
	return syscall.Exec(unshare, append([]string{"unshare", "-m", "--propagation", "private", self}, os.Args[1:]...), append(os.Environ(), aloneVar+"=1"))
}

func env(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

// kindsHere are the kinds of user that can be tried.
func kindsHere() []string {
	if os.Getuid() == 0 {
		return []string{"root", "subids", "single"}
	}
	if u, err := user.Current(); err == nil && len(fixture.Subordinate(u)) > 0 {
		return []string{"subids"}
	}
	return []string{"single"}
}
