package tests

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// facts are what the userland's `posture` says of the process it was, the values of one name in order.
type facts map[string][]string

func readFacts(text string) facts {
	f := facts{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		f[name] = append(f[name], value)
	}
	return f
}

// one is the only value of name.
func (f facts) one(name string) string {
	if v := f[name]; len(v) == 1 {
		return v[0]
	}
	return fmt.Sprintf("%d values of %s", len(f[name]), name)
}

// of is the value of name that begins with the word key.
func (f facts) of(name, key string) string {
	for _, v := range f[name] {
		if rest, ok := strings.CutPrefix(v, key+" "); ok {
			return rest
		}
	}
	return "not told"
}

// hiddenPaths are those that moby masks (oci/defaults.go), readOnlyPaths those it does not let anybody
// write, and examples of what lies in them and in the kernel's other filesystems.
var (
	hiddenPaths = []string{
		"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
		"/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap",
		"/sys/firmware", "/sys/devices/system/cpu/cpu0/thermal_throttle",
	}
	readOnlyPaths = []string{
		"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", "/proc/irq/default_smp_affinity",
		"/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/vm/drop_caches",
		"/sys", "/sys/fs/cgroup", "/sys/kernel/mm", "/sys/kernel/uevent_helper", "/sys/fs/cgroup/cgroup.procs",
		"/sys/kernel/mm/transparent_hugepage/enabled", "/sys/module",
	}
)

// posturePaths are all of them, for the prober.
func posturePaths() []string { return slices.Concat(hiddenPaths, readOnlyPaths) }

// postureMounts are the mounts of a container, with the options each must have; hidden and read-only
// paths come in addition.
var postureMounts = map[string]string{
	"/": "", "/proc": "nosuid nodev noexec", "/dev": "nosuid", "/dev/pts": "nosuid noexec",
	"/sys": "ro nosuid nodev noexec", "/sys/fs/cgroup": "ro nosuid nodev noexec",
	"/dev/mqueue": "nosuid nodev noexec", "/dev/shm": "nosuid nodev noexec",
	"/dev/null": "", "/dev/zero": "", "/dev/full": "", "/dev/random": "", "/dev/urandom": "", "/dev/tty": "",
	"/etc/resolv.conf": "", "/etc/hostname": "", "/etc/hosts": "",
}

// dockersCapabilities are docker's default set: chown dac_override fowner fsetid kill setgid setuid setpcap
// net_bind_service net_raw sys_chroot mknod audit_write setfcap.
const dockersCapabilities = "00000000a80425fb"

const noCapabilities = "0000000000000000"

// claim is one thing that must hold of a process in a container. what is "" when it does.
type claim struct{ name, what string }

// claims are all that must hold of a process of the base image's root that dhow started in the way "run",
// "exec" or, by a shell of either or of a RUN step, "child". host is the same prober's word on the test's own process.
func claims(kind, way string, f, host facts) []claim {
	var all []claim
	add := func(name string, holds bool, have ...any) {
		c := claim{name: name}
		if !holds {
			c.what = strings.TrimSpace(fmt.Sprintln(have...))
		}
		all = append(all, c)
	}
	is := func(name, fact, want string) {
		add(name, f.one(fact) == want, f.one(fact), "and not", want)
	}
	groups := "0"
	if kind == kindSingle {
		groups = keptGroups(host)
	}
	for _, p := range []string{"", "init."} {
		is(p+"caps.inheritable", p+"CapInh", noCapabilities)
		is(p+"caps.permitted", p+"CapPrm", dockersCapabilities)
		is(p+"caps.effective", p+"CapEff", dockersCapabilities)
		is(p+"caps.bounding", p+"CapBnd", dockersCapabilities)
		is(p+"caps.ambient", p+"CapAmb", noCapabilities)
		is(p+"seccomp.mode", p+"Seccomp", "2")
		is(p+"seccomp.filters", p+"Seccomp_filters", "1")
		is(p+"no_new_privs", p+"NoNewPrivs", "0")
		is(p+"uid", p+"Uid", "0 0 0 0")
		is(p+"gid", p+"Gid", "0 0 0 0")
		is(p+"groups", p+"Groups", groups)
		is(p+"umask", p+"Umask", "0022")
		is(p+"signals.blocked", p+"SigBlk", "0000000000000000")
		is(p+"signals.ignored", p+"SigIgn", "0000000000000000")
		is(p+"tracer", p+"TracerPid", "0")
		var numbers []string
		for _, v := range f[p+"fd"] {
			n, _, _ := strings.Cut(v, " ")
			numbers = append(numbers, n)
		}
		add(p+"files", slices.Equal(numbers, []string{"0", "1", "2"}), f[p+"fd"])
	}
	if way == "run" {
		is("pid", "Pid", "1")
	}
	leader := f.one("Pid")
	if way == "child" {
		leader = "1"
	} else {
		is("parent", "PPid", "0")
	}
	add("session", strings.HasPrefix(f.one("sid"), leader+" "), "session, process and group", f.one("sid"))
	add("terminal", f.one("tty") == "false", "it has a terminal")

	for _, ns := range []string{"cgroup", "ipc", "mnt", "net", "pid", "uts"} {
		add("namespace."+ns, f.one("ns."+ns) != host.one("ns."+ns), "it is the host's")
	}
	is("namespace.time", "ns.time", host.one("ns.time")) // as in docker
	add("namespace.user", (f.one("ns.user") == host.one("ns.user")) == (kind == kindRoot), f.one("ns.user"))
	uid := strconv.Itoa(os.Getuid())
	switch kind {
	case kindRoot:
		is("ids", "uid_map", "0 0 4294967295")
	case kindSubids:
		want, next := "0 "+uid+" 1", 1
		for _, r := range subordinateIDs() {
			n, _ := strconv.Atoi(r[1])
			want, next = fmt.Sprintf("%s %d %s %d", want, next, r[0], n), next+n
		}
		is("ids", "uid_map", want)
	default:
		is("ids", "uid_map", "0 "+uid+" 1")
	}
	for _, c := range f["cgroup"] {
		add("cgroup", strings.HasSuffix(c, ":/"), c)
	}
	count, err := strconv.Atoi(f.one("processes"))
	add("processes", err == nil && count <= 3, f.one("processes"), "are to be seen")
	is("sockets.abstract", "abstract", "0")
	links, err := strconv.Atoi(f.one("interfaces"))
	add("interfaces", err == nil && links <= 2, f.one("interfaces"))

	for name := range host {
		if strings.HasPrefix(name, "limit.") {
			is(name, name, host.one(name))
		}
	}
	is("oom_score_adj", "oom_score_adj", host.one("oom_score_adj"))
	is("directory", "cwd", "/ <nil>")
	is("dumpable", "dumpable", "1")
	is("securebits", "securebits", "0")
	is("personality", "personality", host.one("personality"))
	is("nice", "nice", host.one("nice"))
	is("keyring", "keyring", "refused: operation not permitted")
	all = append(all, environmentClaims(way, f)...)
	all = append(all, mountClaims(kind, f)...)
	for _, p := range hiddenPaths {
		r, w := f.of("read", p), f.of("write", p)
		add("hidden "+p, r == "absent" || r == "nothing" || strings.HasPrefix(r, "refused"), r)
		add("hidden for writing "+p, w == "absent" || w == "null" || strings.HasPrefix(w, "refused"), w)
	}
	for _, p := range readOnlyPaths {
		w, ro := f.of("write", p), f.of("readonly", p)
		add("read-only "+p, w == "absent" || strings.HasPrefix(w, "refused"), w)
		add("read-only mount "+p, w == "absent" || ro == "true", "mounted for writing")
	}
	return all
}

// keptGroups are the groups of the caller's as a single-id map shows them: the kernel lets nobody drop them
// there (user_namespaces(7), setgroups), and those of the container are shown by the supervisor.
func keptGroups(host facts) string {
	own, _, _ := strings.Cut(host.one("Gid"), " ")
	var shown []string
	for _, g := range strings.Fields(host.one("Groups")) {
		if g == own {
			shown = append(shown, "0")
		} else {
			shown = append(shown, "65534")
		}
	}
	return strings.Join(shown, " ")
}

// environmentClaims: a process knows what docker tells it, and nothing of the host's.
func environmentClaims(way string, f facts) []claim {
	known := map[string]string{"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME": "", "HOME": "/root"}
	if way == "child" { // by its shell
		maps.Copy(known, map[string]string{"PWD": "/", "SHLVL": "", "_": "", "OLDPWD": "", "UID": "0", "EUID": "0", "GID": "0"})
	}
	c := claim{name: "environment"}
	for _, quoted := range f["env"] {
		kv, err := strconv.Unquote(quoted)
		name, value, _ := strings.Cut(kv, "=")
		if want, ok := known[name]; err != nil || !ok || want != "" && value != want {
			c.what += " " + quoted
		}
	}
	return []claim{c}
}

// mountClaims: the mounts are those that are wanted, restricted as they ought to be, and none hears of
// the host's mounts or tells of its own.
func mountClaims(kind string, f facts) []claim {
	var all []claim
	for _, m := range f["mount"] {
		cols := strings.Fields(m)
		target, options, propagation := cols[0], strings.Split(cols[2], ","), cols[3]
		wanted, known := postureMounts[target]
		c := claim{name: "mount " + target}
		if !known && !slices.Contains(hiddenPaths, target) && !slices.Contains(readOnlyPaths, target) && !strings.HasSuffix(target, "/thermal_throttle") {
			c.what = m + ": not expected"
		}
		if target == "/" && kind == kindRoot || target == "/dev" && kind == kindRoot {
			wanted += " nodev" // nothing else keeps root from the devices it makes
		}
		for _, o := range strings.Fields(wanted) {
			if !slices.Contains(options, o) {
				c.what = m + ": not " + o
			}
		}
		if propagation != "propagation=" {
			c.what = m + ": not private"
		}
		all = append(all, c)
	}
	nodes := claim{name: "devices"}
	for _, n := range strings.Fields(f.one("devices")) {
		switch n {
		case "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/pts/ptmx":
		default:
			nodes.what += " " + n
		}
	}
	return append(all, nodes)
}

// postureCmd is `posture WAY FILE [BROKEN…]`: what `posture` wrote to FILE in a container of the base image
// satisfies every claim, but for those named, which must be broken; "NAME*" is all whose names begin so,
// one of which must be, and "..." allows others to be broken, too. WAY is run or exec, or child for
// what their shell, or a build's, has started.
func postureCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: posture run|exec|child FILE [BROKEN…]")
	}
	kind := ts.Getenv("KIND")
	f, host := readFacts(ts.ReadFile(args[1])), readFacts(hostFacts(ts))
	if len(f["Pid"]) != 1 || len(host["Pid"]) != 1 {
		ts.Fatalf("%s holds no word of posture", args[1])
	}
	want, others := map[string]bool{}, false // and whether it was met
	for _, b := range args[2:] {
		if b == "..." {
			others = true
			continue
		}
		want[b] = false
	}
	broken, held := 0, 0
	for _, c := range claims(kind, args[0], f, host) {
		named := ""
		for b := range want {
			if prefix, ok := strings.CutSuffix(b, "*"); b == c.name || ok && strings.HasPrefix(c.name, prefix) {
				named = b
			}
		}
		switch {
		case c.what != "" && named != "":
			want[named] = true
			broken++
		case c.what != "" && others:
			broken++
		case c.what != "":
			ts.Logf("%s, %s: %s: %s", kind, args[0], c.name, c.what)
			want["!"+c.name] = false
		default:
			held++
		}
	}
	for _, b := range slices.Sorted(maps.Keys(want)) {
		switch {
		case strings.HasPrefix(b, "!"):
			ts.Fatalf("%s does not hold", b[1:])
		case !want[b]:
			ts.Fatalf("%s holds, but ought to be broken here: the claim proves nothing", b)
		}
	}
	ts.Logf("%d claims hold, %d are broken as expected", held, broken)
}

// hostFacts asks the prober about a process that is in no container.
func hostFacts(ts *testscript.TestScript) string {
	cmd := exec.Command(ts.Getenv("DHOW")[:len(ts.Getenv("DHOW"))-len("dhow")]+"userland", append([]string{"posture"}, posturePaths()...)...)
	cmd.Dir = "/"
	out, err := cmd.CombinedOutput()
	if err != nil {
		ts.Fatalf("asking the host: %v: %s", err, out)
	}
	return string(out)
}
