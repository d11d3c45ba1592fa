package tests

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// watcherEnv are the variables that a monitor may know.
var watcherEnv = map[string]bool{
	"GOMAXPROCS": true, "GOGC": true, "GODEBUG": true, "PATH": true, "HOME": true, "TMPDIR": true,
	"XDG_RUNTIME_DIR": true, "XDG_DATA_HOME": true, "TZ": true, "LANG": true,
}

// watcherFiles are what a monitor may have open besides files of its container's directory.
var watcherFiles = regexp.MustCompile(`^(/dev/null|/dev/net/tun|anon_inode:.*|pipe:.*|socket:.*|/sys/fs/cgroup(/.*)?|/|/proc(/[0-9]+/mountinfo)?|(net|mnt|pid|ipc):.*|/dev/ptmx|/dev/pts/ptmx)$`)

// watcherCmd is `watcher NAME`: the monitor of the container NAME is a process that tells nobody anything,
// holds nothing that is not its own, and can be reached by its user alone.
func watcherCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: watcher NAME")
	}
	found, err := filepath.Glob(filepath.Join(ts.Getenv("XDG_DATA_HOME"), "dhow/store-*/containers/names", args[0]))
	ts.Check(err)
	if len(found) != 1 {
		ts.Fatalf("%d containers are called %s", len(found), args[0])
	}
	id, err := os.Readlink(found[0])
	ts.Check(err)
	dir := filepath.Join(filepath.Dir(filepath.Dir(found[0])), filepath.Base(id))
	var state struct{ Data struct{ Monitor int } }
	b, err := os.ReadFile(filepath.Join(dir, "state.json"))
	ts.Check(err)
	ts.Check(json.Unmarshal(b, &state))
	for _, wrong := range watcherFaults(filepath.Join("/proc", strconv.Itoa(state.Data.Monitor)), dir) {
		ts.Fatalf("the monitor of %s: %s", args[0], wrong)
	}
	for d := dir; filepath.Base(d) != "share"; d = filepath.Dir(d) {
		st, err := os.Stat(d)
		ts.Check(err)
		if st.Mode().Perm() != 0o700 {
			ts.Fatalf("%s has mode %v", d, st.Mode())
		}
	}
	door, err := os.Stat(filepath.Join(dir, "control"))
	ts.Check(err)
	if door.Mode() != os.ModeSocket|0o600 {
		ts.Fatalf("the door has mode %v", door.Mode())
	}
}

// watcherFaults are what is wrong with the process at proc, a directory of /proc.
func watcherFaults(proc, dir string) (wrong []string) {
	say := func(format string, a ...any) { wrong = append(wrong, fmt.Sprintf(format, a...)) }
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(proc, name))
		if err != nil {
			say("%v", err)
		}
		return string(b)
	}
	if got := read("cmdline"); strings.Trim(got, "\x00") != "dhow-monitor" {
		say("its arguments are %q", got)
	}
	for kv := range strings.SplitSeq(strings.Trim(read("environ"), "\x00"), "\x00") {
		if name, _, _ := strings.Cut(kv, "="); !watcherEnv[name] {
			say("its environment has %q", kv)
		}
	}
	if cwd, err := os.Readlink(filepath.Join(proc, "cwd")); cwd != "/" {
		say("its directory is %s, %v", cwd, err)
	}
	stat := read("stat")
	cols := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(cols) < 5 || cols[3] != filepath.Base(proc) || cols[4] != "0" {
		say("session and terminal are %v", cols)
	}
	abstract := map[string]string{}
	for line := range strings.Lines(read("net/unix")) {
		if c := strings.Fields(line); len(c) > 7 && strings.HasPrefix(c[7], "@") {
			abstract["socket:["+c[6]+"]"] = c[7]
		}
	}
	files, err := os.ReadDir(filepath.Join(proc, "fd"))
	if err != nil || len(files) < 4 {
		say("its files: %d, %v", len(files), err)
	}
	for _, f := range files {
		target, err := os.Readlink(filepath.Join(proc, "fd", f.Name()))
		if err != nil {
			continue // closed meanwhile
		}
		if name := abstract[target]; name != "" {
			say("it listens at %s", name)
		}
		if n, _ := strconv.Atoi(f.Name()); n < 3 && target != "/dev/null" {
			say("its stream %d is %s", n, target)
		}
		if target == filepath.Join(proc, "smaps") {
			continue // it is looking for what it can drop
		}
		if !watcherFiles.MatchString(target) && target != dir && !strings.HasPrefix(target, dir+"/") {
			say("it has %s open", target)
		}
	}
	return wrong
}
