package run

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/cgroup"
	"github.com/dhow-containers/dhow/run/limit"
	"github.com/dhow-containers/dhow/run/record"
)

// readResources reads and checks what the container may use of the machine, and whether this host can
// bound it.
func (o Options) readResources(w *wishes) error {
	if err := w.Limits.Read(o.Limits); err != nil {
		return err
	}
	if err := w.Limits.Check(limitHost(), false); err != nil {
		return err
	}
	w.cgroupParent = o.CgroupParent
	switch o.CgroupNS {
	case "", "private":
	case "host":
		w.HostCgroup = true
	default:
		return errors.New("--cgroupns: invalid CGROUP mode")
	}
	if o.OOMScoreAdj != "" {
		n, err := strconv.Atoi(o.OOMScoreAdj)
		if err != nil {
			return fmt.Errorf("invalid argument %q for \"--oom-score-adj\" flag: parsing %q: invalid syntax", o.OOMScoreAdj, o.OOMScoreAdj)
		}
		if n < -1000 || n > 1000 {
			return fmt.Errorf("Invalid value %d, range for oom score adj is [-1000, 1000]", n)
		}
		w.OOMScoreAdj = &n
	}
	return w.limitable()
}

// limitHost is this machine. Not every processor need be this process's: docker counts the host's too.
func limitHost() limit.Host {
	read := func(path string) string {
		text, _ := os.ReadFile(path)
		return strings.TrimSpace(string(text))
	}
	h := limit.Host{CPUs: runtime.NumCPU(), CPUSet: read("/sys/devices/system/cpu/online"), MemorySet: read("/sys/devices/system/node/online")}
	if n := limit.Count(h.CPUSet); n > 0 {
		h.CPUs = n
	}
	return h
}

// unlimited tells that a limit can not be set here.
type unlimited struct {
	text string
	why  *cgroup.Missing
}

func (u *unlimited) Error() string { return u.text + ": " + u.why.Reason }
func (u *unlimited) Hint() string  { return u.why.Cure }
func (u *unlimited) Unwrap() error { return u.why }

// limitable refuses wishes that this host can not fulfil. Where nothing is asked, nothing is looked at.
func (w wishes) limitable() error {
	if w.OOMScoreAdj != nil {
		if err := scorable(*w.OOMScoreAdj); err != nil {
			return err
		}
	}
	return limitable(w.Limits, w.cgroupParent)
}

func limitable(l limit.Limits, parent string) error {
	needs := l.Needs()
	if len(needs) == 0 && parent == "" {
		return nil
	}
	base, err := cgroupBase(parent)
	var missing *cgroup.Missing
	if errors.As(err, &missing) {
		if parent != "" {
			return &unlimited{"--cgroup-parent can not be had here", missing}
		}
		return &unlimited{needs[0].Flag + " can not be set here", missing}
	}
	if err != nil {
		return err
	}
	for _, n := range needs {
		if !slices.Contains(base.Controllers, n.Controller) {
			return &unlimited{n.Flag + " can not be set here", base.Without(n.Controller)}
		}
	}
	_, err = l.Resources() // looks at the devices
	return err
}

func cgroupBase(parent string) (cgroup.Base, error) {
	if parent != "" {
		return cgroup.Under(parent)
	}
	return cgroup.Find()
}

// scorable tries whether a process of ours may be less likely to be killed than this one: only root may
// do that (proc(5), oom_score_adj).
func scorable(adj int) error {
	const path = "/proc/self/oom_score_adj"
	before, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("--oom-score-adj: %w", err)
	}
	if now, err := strconv.Atoi(strings.TrimSpace(string(before))); err == nil && adj >= now {
		return nil
	}
	err = os.WriteFile(path, []byte(strconv.Itoa(adj)), 0)
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		return fmt.Errorf("--oom-score-adj %d: making a process less likely to be killed than this one, which has %s, takes root with CAP_SYS_RESOURCE", adj, strings.TrimSpace(string(before)))
	}
	if err != nil {
		return fmt.Errorf("--oom-score-adj: %w", err)
	}
	return os.WriteFile(path, before, 0)
}

// noteCgroup records the container's control group, for those who pause it or ask what it uses.
func (c *container) noteCgroup(pid int) {
	if p := cgroup.Of(pid); strings.HasSuffix(p, "/"+cgroup.Name(c.entry.ID)) {
		c.started.Cgroup = p
	}
}

// OOMKilled tells whether the kernel has killed a process of a container because its memory was used up:
// now, while it runs, or in its last run.
func OOMKilled(s record.State) bool {
	return s.OOMKilled || s.Cgroup != "" && cgroup.OOMKills(s.Cgroup) > 0
}

// freeCgroup removes the control group that a killed monitor has left, perhaps frozen.
func (c *container) freeCgroup() error {
	s, err := c.entry.State()
	if err != nil || s.Cgroup == "" {
		return err
	}
	return cgroup.Remove(s.Cgroup)
}
