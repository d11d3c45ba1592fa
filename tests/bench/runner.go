package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// runnerRole is the argument that makes this program a runner: it starts the commands it is told on
// standard input in its own mount namespace, one after the other, and says how long each took.
const runnerRole = "runner"

const (
	// patience is how long one command may take.
	patience = 10 * time.Minute
	// plenty is how long a line goes on with rounds after the second: a slow machine takes fewer.
	plenty = 75 * time.Second
)

// enough is plenty, or the seconds of DHOW_BENCH_SECONDS.
func enough() time.Duration {
	if n, err := strconv.Atoi(os.Getenv("DHOW_BENCH_SECONDS")); err == nil && n > 0 {
		return time.Duration(n) * time.Second
	}
	return plenty
}

type order struct {
	Args, Env []string
	Dir       string
	Stdout    bool // wanted
}

// Sample is what one command took.
type Sample struct {
	WallMS, CPUMS float64
	PeakKB        int64 // of the largest process
	Stdout        string
	Error         string
}

// carryOut runs one command. The time is that from before the fork until it was waited for.
func carryOut(o order) Sample {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, o.Args[0], o.Args[1:]...)
	cmd.Dir, cmd.Env = o.Dir, append(os.Environ(), o.Env...)
	errs, err := os.CreateTemp("", "bench-stderr-*")
	if err != nil {
		return Sample{Error: err.Error()}
	}
	defer os.Remove(errs.Name())
	defer errs.Close()
	cmd.Stderr = errs
	var out *os.File
	if o.Stdout {
		if out, err = os.CreateTemp("", "bench-stdout-*"); err != nil {
			return Sample{Error: err.Error()}
		}
		defer os.Remove(out.Name())
		defer out.Close()
		cmd.Stdout = out // files, not pipes: a monitor that keeps one open must not be waited for
	}
	begin := time.Now()
	err = cmd.Run()
	s := Sample{WallMS: float64(time.Since(begin).Nanoseconds()) / 1e6}
	if err != nil {
		text, _ := os.ReadFile(errs.Name())
		text = bytes.TrimSpace(text)
		s.Error = fmt.Sprintf("%s: %v: %s", strings.Join(o.Args, " "), err, text[max(0, len(text)-600):])
		return s
	}
	if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		s.CPUMS = float64(u.Utime.Nano()+u.Stime.Nano()) / 1e6
		s.PeakKB = u.Maxrss
	}
	if out != nil {
		text, _ := os.ReadFile(out.Name())
		s.Stdout = string(text)
	}
	return s
}

func playRunner(r io.Reader, w io.Writer) int {
	if os.Getenv("DHOW_BENCH_CGROUP2") != "" {
		// Debian's crun refuses hybrid control groups: here it sees only the second version's.
		if err := syscall.Mount("none", "/sys/fs/cgroup", "cgroup2", 0, ""); err != nil {
			fmt.Fprintln(os.Stderr, "bench: mounting cgroup2:", err)
			return 1
		}
	}
	in, out := json.NewDecoder(r), json.NewEncoder(w)
	for {
		var o order
		if err := in.Decode(&o); err != nil {
			return 0
		}
		if err := out.Encode(carryOut(o)); err != nil {
			return 1
		}
	}
}

// runner is such a process, as its starter sees it.
type runner struct {
	mu  sync.Mutex
	cmd *exec.Cmd
	in  io.WriteCloser
	enc *json.Encoder
	dec *json.Decoder
}

func startRunner(env ...string) (*runner, error) {
	cmd := exec.Command("/proc/self/exe", runnerRole)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if len(env) > 0 {
		cmd.SysProcAttr.Unshareflags = syscall.CLONE_NEWNS
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &runner{cmd: cmd, in: in, enc: json.NewEncoder(in), dec: json.NewDecoder(bufio.NewReader(out))}, nil
}

func (r *runner) run(o order) (Sample, error) {
	var s Sample
	if r == nil {
		return s, errors.New("the measuring was stopped")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.enc.Encode(o); err != nil {
		return s, err
	}
	if err := r.dec.Decode(&s); err != nil {
		return s, fmt.Errorf("the runner ended: %w", err)
	}
	if s.Error != "" {
		return s, errors.New(s.Error)
	}
	return s, nil
}

func (r *runner) close() {
	if r != nil {
		r.in.Close()
		_ = r.cmd.Wait()
	}
}

// again starts this program once more, in a mount namespace of its own.
func again(env string) error {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), env)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGTERM}
	err := cmd.Run()
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		os.Exit(max(1, ended.ExitCode()))
	}
	return err
}

// contender is one command of a line.
type contender struct {
	name          string
	peer          *peer // whose binary and namespace; nil for others
	args          []string
	env           []string
	dir           string
	before, after func() error // not timed
	cpu           bool         // the CPU time of the same rounds is a series of its own
	peak          bool         // and the largest process
	rounds        int          // at most; 0 for those of the line
}

// contend runs the contenders in turns, once unmeasured and then rounds times.
func (b *bench) contend(r *Result, rounds int, list ...contender) error {
	r.Date = time.Now().UTC().Format("2006-01-02 15:04")
	list = b.present(list)
	if b.quick {
		rounds = min(rounds, 3)
	}
	series := make([]Series, len(list))
	cpu, peak := make([]Series, len(list)), make([]Series, len(list))
	dead := make([]bool, len(list))
	begin := time.Now()
	for round := -1; round < rounds && (round < 2 || time.Since(begin) < enough()); round++ {
		for i, c := range list {
			if dead[i] || c.rounds > 0 && round >= c.rounds || (round < 0 && c.rounds > 0) {
				continue
			}
			s, err := b.once(c)
			if err != nil {
				if c.peer != nil && c.peer.name == "dhow" || c.peer == nil {
					return err
				}
				dead[i] = true
				series[i].Samples = nil
				text := err.Error() // what matters stands at its end
				r.Notes = append(r.Notes, fmt.Sprintf("%s could not: %s", c.name, text[max(0, len(text)-300):]))
				continue
			}
			if round >= 0 {
				series[i].Samples = append(series[i].Samples, s.WallMS)
				cpu[i].Samples = append(cpu[i].Samples, s.CPUMS)
				peak[i].Samples = append(peak[i].Samples, float64(s.PeakKB)/1024)
			}
		}
	}
	for i, c := range list {
		if len(series[i].Samples) == 0 {
			continue
		}
		series[i].Name = c.name
		r.Series = append(r.Series, series[i])
		if c.cpu {
			cpu[i].Name, cpu[i].Unit = c.name+" CPU", "ms CPU"
			r.Series = append(r.Series, cpu[i])
		}
		if c.peak {
			peak[i].Name, peak[i].Unit = c.name+" memory", "MB"
			r.Series = append(r.Series, peak[i])
		}
	}
	return nil
}

// present leaves out the contenders whose peer is not here.
func (b *bench) present(list []contender) (out []contender) {
	for _, c := range list {
		if c.peer == nil || c.peer.path != "" {
			out = append(out, c)
		}
	}
	return out
}

func (b *bench) once(c contender) (Sample, error) {
	if c.before != nil {
		if err := c.before(); err != nil {
			return Sample{}, err
		}
	}
	s, err := b.do(c.peer, c.dir, c.env, false, c.args...)
	if err == nil && c.after != nil {
		err = c.after()
	}
	return s, err
}

// do runs a command as a peer does: with its flags, environment and view of the control groups.
func (b *bench) do(p *peer, dir string, env []string, stdout bool, args ...string) (Sample, error) {
	r := b.plain
	if p != nil {
		args = append(append([]string{p.path}, p.flags...), args...)
		env = append(append([]string{}, p.env...), env...)
		if p.cgroup2 && b.cgroup2 != nil {
			r = b.cgroup2
		}
	}
	return r.run(order{Args: args, Env: env, Dir: dir, Stdout: stdout})
}

// must is do for preparations, which gives what the command printed.
func (b *bench) must(p *peer, args ...string) (string, error) {
	s, err := b.do(p, "", nil, true, args...)
	return strings.TrimSpace(s.Stdout), err
}
