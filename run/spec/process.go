package spec

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// DefaultPath is PATH where neither image nor person set it (moby: oci.DefaultPathEnv).
const DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// ErrNoCommand means that neither the image nor the person said what to run.
var ErrNoCommand = errors.New("no command specified")

// Args merges entrypoint and command as docker does (moby: daemon/commit.go, merge): the image's
// command belongs to the image's entrypoint and goes with it. ErrNoCommand when nothing is left.
func Args(img Image, w Wishes) ([]string, error) {
	entrypoint, cmd := img.Entrypoint, w.Args
	if w.EntrypointSet {
		entrypoint = w.Entrypoint
		if len(entrypoint) == 1 && entrypoint[0] == "" {
			entrypoint = nil
		}
	} else if len(cmd) == 0 {
		cmd = img.Cmd
	}
	all := slices.Concat(entrypoint, cmd)
	if len(all) == 0 || len(all) == 1 && all[0] == "" {
		return nil, ErrNoCommand
	}
	for _, a := range all {
		if strings.IndexByte(a, 0) >= 0 {
			return nil, fmt.Errorf("argument %q contains a zero byte", a)
		}
	}
	return all, nil
}

// Env is the image's and the person's variables, the person's stronger, with a PATH: what docker
// shows of a container.
func Env(img Image, w Wishes) []string {
	env := []string{"PATH=" + DefaultPath}
	for _, list := range [][]string{img.Env, w.Env} {
		for _, kv := range list {
			env = setenv(env, kv)
		}
	}
	return env
}

// environment is docker's (moby: container.CreateDaemonEnvironment): defaults, then the image's and
// the person's, the person's stronger. Entries without "=" take a variable away; what no process
// could receive is dropped. HOME comes last, as runc adds it.
func environment(img Image, w Wishes, hostname, home string) []string {
	env := []string{"PATH=" + DefaultPath, "HOSTNAME=" + hostname}
	if w.Terminal {
		env = append(env, "TERM=xterm")
	}
	for _, list := range [][]string{img.Env, w.Env} {
		for _, kv := range list {
			env = setenv(env, kv)
		}
	}
	i := slices.IndexFunc(env, func(kv string) bool { return strings.HasPrefix(kv, "HOME=") })
	if i >= 0 && env[i] != "HOME=" {
		return env
	}
	if i >= 0 {
		env = slices.Delete(env, i, i+1)
	}
	return append(env, "HOME="+home)
}

// setenv sets kv in env, in the place of an older value of the name.
func setenv(env []string, kv string) []string {
	name, _, set := strings.Cut(kv, "=")
	if name == "" || strings.IndexByte(kv, 0) >= 0 {
		return env
	}
	i := slices.IndexFunc(env, func(have string) bool {
		return len(have) > len(name) && have[len(name)] == '=' && have[:len(name)] == name
	})
	switch {
	case !set && i >= 0:
		return slices.Delete(env, i, i+1)
	case !set:
		return env
	case i >= 0:
		env[i] = kv
		return env
	}
	return append(env, kv)
}

// workingDir is where the payload starts. Paths through a process's own descriptors are refused:
// they have led out of containers (CVE-2024-21626). What such a path is reached through by symlink
// is caught again after the change of directory, by libcontainer.
func workingDir(img Image, w Wishes) (string, error) {
	dir := w.WorkingDir
	if dir == "" {
		dir = path.Join("/", img.WorkingDir)
	}
	if !path.IsAbs(dir) {
		return "", fmt.Errorf("the working directory %q is invalid, it needs to be an absolute path", dir)
	}
	if strings.IndexByte(dir, 0) >= 0 || len(dir) > 4095 {
		return "", fmt.Errorf("the working directory %q is invalid", dir)
	}
	dir = path.Clean(dir)
	if parts := strings.Split(dir, "/"); len(parts) > 3 && parts[1] == "proc" {
		if slices.ContainsFunc(parts[3:], func(s string) bool { return s == "fd" || s == "cwd" || s == "root" || s == "task" }) {
			return "", fmt.Errorf("the working directory %q is invalid: it could lie outside of the container", dir)
		}
	}
	return dir, nil
}

func hostname(w Wishes, h Host) (string, error) {
	name := w.Hostname
	if name == "" && (w.HostNetwork || w.HostUTS) {
		name = h.Hostname
	}
	if name == "" && len(h.ID) >= 12 {
		name = h.ID[:12]
	}
	for what, s := range map[string]string{"hostname": name, "domainname": w.Domainname} {
		// 64 is the kernel's bound (uname(2)); the rest would break the files that name it.
		if len(s) > 64 || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			return "", fmt.Errorf("invalid %s format: %q", what, s)
		}
	}
	return name, nil
}
