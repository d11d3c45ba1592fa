package record

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/dhow-containers/dhow/run/members"
)

// KillLeft ends what is left of a container whose monitor was killed while it ran. With a pid namespace of
// its own nothing is: its processes end with the first. Without one (--pid host) the others go on; they are
// known by their root directory, which lies on the container's own layer. Those that run as other users
// than the caller and root can only be reached by root.
func KillLeft(c Container, s State) {
	if s.Pid == 0 || c.Asked.PidMode == "" {
		return
	}
	members.End(func(pid int) bool { return standsOn(pid, c.ID) })
}

// standsOn tells whether the root directory of a process is that of the container (proc_pid_mountinfo(5)).
func standsOn(pid int, id string) bool {
	f, err := os.Open(filepath.Join("/proc", strconv.Itoa(pid), "mountinfo"))
	if err != nil {
		return false
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		fields := strings.Fields(s.Text())
		if len(fields) > 9 && fields[4] == "/" {
			return rootOf(fields) == id
		}
	}
	return false
}

// rootOf gives the container whose layer an overlay is written to, "" for any other mount.
func rootOf(mount []string) string {
	at := 0
	for at < len(mount) && mount[at] != "-" {
		at++
	}
	if at+3 >= len(mount) || mount[at+1] != "overlay" {
		return ""
	}
	for _, o := range strings.Split(mount[at+3], ",") {
		upper, ok := strings.CutPrefix(o, "upperdir=")
		if !ok {
			continue
		}
		if dir, ok := strings.CutSuffix(upper, "/upper"); ok && filepath.Base(filepath.Dir(dir)) == "containers" {
			return filepath.Base(dir)
		}
	}
	return ""
}
