package cgroup

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Base is a control group below which this process may make others and move itself into them.
type Base struct {
	// Path is absolute in the hierarchy, "/" for its root.
	Path string
	// Controllers can be enabled for groups below it: "cpu", "memory"….
	Controllers []string
}

// Missing tells why no group can be made.
type Missing struct{ Reason, Cure string }

func (m *Missing) Error() string { return m.Reason }

// Hint is one line that tells what to do.
func (m *Missing) Hint() string { return m.Cure }

// The cures of a host that gives no groups, and of one that gives some controllers.
const (
	cureV1         = `boot the host with control groups of version 2 alone (systemd: the kernel option systemd.unified_cgroup_hierarchy=1)`
	cureDelegate   = `start dhow in a group of your own: systemd-run --user --scope -p Delegate=yes dhow …; without systemd let root make a group, enable controllers for it, and give it to you (chown)`
	cureController = `delegate it: sudo systemctl edit user@.service, with "[Service]" and "Delegate=cpu cpuset io memory pids"; without systemd let root write it to cgroup.subtree_control above`
)

// tree is a mounted hierarchy of version 2; tests have one of plain files.
type tree struct {
	root string // Root
	own  string // this process's group in it
	// alone reports whether all these processes are this program's.
	alone func(pids []int) bool
	// may reports whether this process may write a file or make something in a directory.
	may func(path string) bool
}

// here is this host's hierarchy, or why there is none to use.
func here() (tree, error) {
	t := tree{root: Root, alone: ours, may: func(path string) bool { return unix.Access(path, unix.W_OK) == nil }}
	var st unix.Statfs_t
	if err := unix.Statfs(Root, &st); err != nil {
		return t, &Missing{Reason: fmt.Sprintf("looking at %s: %v", Root, err), Cure: "mount control groups: mount -t cgroup2 cgroup2 " + Root}
	}
	if st.Type != unix.CGROUP2_SUPER_MAGIC {
		return t, &Missing{Reason: "this host has control groups of version 1", Cure: cureV1}
	}
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return t, &Missing{Reason: err.Error()}
	}
	t.own = ownPath(string(text))
	if t.own == "" || strings.HasPrefix(t.own, "/..") {
		return t, &Missing{Reason: "this process's control group is not below " + Root, Cure: cureDelegate}
	}
	return t, nil
}

// ownPath gives the group in the unified hierarchy from /proc/self/cgroup (cgroups(7)); "" when there
// is none.
func ownPath(text string) string {
	for line := range strings.SplitSeq(text, "\n") {
		if p, ok := strings.CutPrefix(line, "0::"); ok {
			return p
		}
	}
	return ""
}

// Find looks for the base of this process: the root of the hierarchy where that is the kernel's own
// and may be written, else the nearest group above this process that may be written and has no
// processes itself (cgroups(7), "no internal processes"), else this process's own group if nobody
// else is in it; the process and its like are then moved one level down. The error is a *Missing.
func Find() (Base, error) {
	t, err := here()
	if err != nil {
		return Base{}, err
	}
	return t.find(true)
}

// Look is Find for those who only ask: it moves nobody.
func Look() (Base, error) {
	t, err := here()
	if err != nil {
		return Base{}, err
	}
	return t.find(false)
}

// Under is the base that was named (--cgroup-parent); it is made when it is missing and removed by
// nobody.
func Under(parent string) (Base, error) {
	t, err := here()
	if err != nil {
		return Base{}, err
	}
	p := path.Clean("/" + parent)
	if err := os.MkdirAll(t.at(p), 0o755); err != nil {
		return Base{}, &Missing{Reason: fmt.Sprintf("making the control group %s: %v", p, unwrapped(err)), Cure: cureDelegate}
	}
	if why := t.unfit(p); why != "" {
		return Base{}, &Missing{Reason: why, Cure: cureDelegate}
	}
	if common := shared(p, t.own); !t.writable(common, "cgroup.procs") {
		return Base{}, &Missing{Reason: fmt.Sprintf("processes may not be moved from the control group %s to %s", t.own, p), Cure: cureDelegate}
	}
	return Base{p, t.controllers(p)}, nil
}

// Without tells in one line that base b lacks a controller.
func (b Base) Without(controller string) *Missing {
	return &Missing{Reason: fmt.Sprintf("the control group %s has no %q controller", b.Path, controller), Cure: cureController}
}

func (t tree) find(move bool) (Base, error) {
	if t.kernelRoot() && t.unfit("/") == "" {
		return Base{"/", t.controllers("/")}, nil
	}
	for p := path.Dir(t.own); ; p = path.Dir(p) {
		if t.unfit(p) == "" {
			return Base{p, t.controllers(p)}, nil
		}
		if p == "/" {
			break
		}
	}
	if t.writable(t.own, ".", "cgroup.procs", "cgroup.subtree_control") && t.domain(t.own) {
		pids, err := t.pids(t.own)
		if err == nil && t.alone(pids) && (!move || t.down(pids) == nil) {
			return Base{t.own, t.controllers(t.own)}, nil
		}
		return Base{}, &Missing{
			Reason: fmt.Sprintf("the control group %s is yours but has other processes in it, so it can have no groups with limits below", t.own),
			Cure:   "start dhow in a group below it that has this process alone",
		}
	}
	return Base{}, &Missing{Reason: fmt.Sprintf("no control group above %s may be written: none is delegated to you", t.own), Cure: cureDelegate}
}

// down moves the processes of the own group one level down.
func (t tree) down(pids []int) error {
	dir := t.at(path.Join(t.own, "dhow"))
	if err := os.Mkdir(dir, 0o755); err != nil && !os.IsExist(err) {
		return err
	}
	for _, pid := range pids {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0); err != nil && !gone(err) {
			return err
		}
	}
	return nil
}

// unfit says why group p can not be a base, "" when it can.
func (t tree) unfit(p string) string {
	if !t.writable(p, ".", "cgroup.procs", "cgroup.subtree_control") {
		return fmt.Sprintf("the control group %s may not be written", p)
	}
	if p == "/" && t.kernelRoot() {
		return ""
	}
	if !t.domain(p) {
		return fmt.Sprintf("the control group %s is of a type that has no limits below", p)
	}
	if pids, err := t.pids(p); err != nil || len(pids) > 0 {
		return fmt.Sprintf("the control group %s has processes in it, so it can have no groups with limits below", p)
	}
	return ""
}

// controllers are those that can be enabled below group p: libcontainer enables them all the way down
// from where it may write.
func (t tree) controllers(p string) []string {
	for p != "/" && t.writable(path.Dir(p), "cgroup.subtree_control") {
		if up := path.Dir(p); up == "/" && t.kernelRoot() || t.empty(up) {
			p = up
			continue
		}
		break
	}
	text, _ := os.ReadFile(filepath.Join(t.at(p), "cgroup.controllers"))
	return strings.Fields(string(text))
}

func (t tree) empty(p string) bool {
	pids, err := t.pids(p)
	return err == nil && len(pids) == 0
}

func (t tree) at(p string) string { return filepath.Join(t.root, p) }

// kernelRoot tells the root of the machine's hierarchy from that of a cgroup namespace: the former has
// no type and may have processes beside groups.
func (t tree) kernelRoot() bool {
	_, err := os.Lstat(filepath.Join(t.root, "cgroup.type"))
	return os.IsNotExist(err)
}

func (t tree) domain(p string) bool {
	text, err := os.ReadFile(filepath.Join(t.at(p), "cgroup.type"))
	return err == nil && strings.TrimSpace(string(text)) == "domain"
}

func (t tree) writable(p string, files ...string) bool {
	return !slices.ContainsFunc(files, func(f string) bool { return !t.may(filepath.Join(t.at(p), f)) })
}

func (t tree) pids(p string) ([]int, error) {
	text, err := os.ReadFile(filepath.Join(t.at(p), "cgroup.procs"))
	if err != nil {
		return nil, err
	}
	var pids []int
	for f := range strings.FieldsSeq(string(text)) {
		pid, err := strconv.Atoi(f)
		if err != nil {
			return nil, err
		}
		pids = append(pids, pid)
	}
	return pids, nil
}

// ours reports whether all processes are this program; 0 is one of another pid namespace.
func ours(pids []int) bool {
	self, err := os.Stat("/proc/self/exe")
	if err != nil {
		return false
	}
	return !slices.ContainsFunc(pids, func(pid int) bool {
		exe, err := os.Stat(fmt.Sprintf("/proc/%d/exe", pid))
		return err != nil || !os.SameFile(self, exe)
	})
}

// shared is the deepest group that a and b lie below.
func shared(a, b string) string {
	for !below(b, a) {
		a = path.Dir(a)
	}
	return a
}

func below(p, dir string) bool { return dir == "/" || p == dir || strings.HasPrefix(p, dir+"/") }
