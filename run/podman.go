package run

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// readMore reads flags that docker has not got and podman has.
func (o Options) readMore(w *wishes) error {
	if o.HostEnv {
		var env []string
		for _, kv := range os.Environ() {
			if name, _, _ := strings.Cut(kv, "="); name != "PATH" && name != "HOME" && name != "HOSTNAME" && name != "TERM" {
				env = append(env, kv)
			}
		}
		w.Env = append(env, w.Env...)
	}
	for _, name := range o.UnsetEnv {
		if name == "" || strings.Contains(name, "=") {
			return fmt.Errorf("invalid --unsetenv: %q is not a name", name)
		}
		w.Env = append(w.Env, name) // without a value it takes the variable away
	}
	if o.Umask != "" {
		n, err := strconv.ParseUint(o.Umask, 8, 32)
		if err != nil || n > 0o777 {
			return fmt.Errorf("invalid umask string %s: want octal digits", o.Umask)
		}
		mask := uint32(n)
		w.Umask = &mask
	}
	if o.TimeoutSeconds < 0 {
		return fmt.Errorf("invalid --timeout: %d", o.TimeoutSeconds)
	}
	w.TimeoutSeconds = o.TimeoutSeconds
	w.NoHosts = o.NoHosts
	if w.NoHosts && len(o.AddHosts) > 0 {
		return fmt.Errorf("--no-hosts and --add-host cannot be set together")
	}
	return nil
}

// limitTime kills the payload when its time is over.
func (c *container) limitTime() {
	if c.w.TimeoutSeconds > 0 {
		box := c.box
		time.AfterFunc(time.Duration(c.w.TimeoutSeconds)*time.Second, func() { _ = box.Signal(unix.SIGKILL) })
	}
}
