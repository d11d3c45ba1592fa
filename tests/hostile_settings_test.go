package tests

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func init() { tables["settings"] = settingsAttacks() }

// settingsAttacks are files of settings and accounts, and others that commands are told to read, which are
// none: somebody else may have made them, and nobody may wait for them for ever.
func settingsAttacks() []attack {
	const home = "h" // below files/
	var list []attack
	// row puts something at a place below files/ and says what a, a pull, makes of it.
	row := func(name, at string, put func(path string) error, a attack) {
		a.name = "T5 " + name
		a.env = append(a.env, "HOME=DIR/files/"+home, "XDG_CONFIG_HOME=DIR/files/"+home+"/.config")
		a.answer = func(w *world) {
			w.reg.Answer(goodImage().Rules()...)
			w.file("Dockerfile", "FROM scratch\nLABEL a=1\n")
			path := filepath.Join(w.dir, "files", w.expand(at))
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), put(path)); err != nil {
				panic(err)
			}
		}
		a.naive = func(w *world, n *naive) error { return n.reads(filepath.Join(w.dir, "files", w.expand(at))) }
		list = append(list, a)
	}
	pipe := func(path string) error { return syscall.Mkfifo(path, 0o644) }
	zero := func(path string) error { return os.Symlink("/dev/zero", path) }
	directory := func(path string) error { return os.Mkdir(path, 0o755) }
	huge := func(path string) error { return errors.Join(os.WriteFile(path, nil, 0o644), os.Truncate(path, 1<<40)) }
	circle := func(path string) error { return os.Symlink(path, path) }
	text := func(s string) func(string) error {
		return func(path string) error { return os.WriteFile(path, []byte(s), 0o644) }
	}
	for _, f := range []struct{ name, at string }{
		{"registries.conf", home + "/.config/containers/registries.conf"},
		{"a drop-in", home + "/.config/containers/registries.conf.d/a.conf"},
		{"policy.json", home + "/.config/containers/policy.json"},
		{"a lookaside", home + "/.config/containers/registries.d/a.yaml"},
		{"auth.json", home + "/.config/containers/auth.json"},
		{"config.json", home + "/.docker/config.json"},
		{"an authority", home + "/.config/containers/certs.d/REG/ca.crt"},
	} {
		row(f.name+" is a pipe", f.at, pipe, attack{says: f.at[len(home)+1 : len(home)+5], harm: "hangs"})
		row(f.name+" is without end", f.at, zero, attack{harm: "floods"})
		row(f.name+" is huge", f.at, huge, attack{harm: "floods"})
		row(f.name+" is a directory", f.at, directory, attack{either: true})
		row(f.name+" is a symlink to itself", f.at, circle, attack{either: true})
		row(f.name+" is no text", f.at, text("\x00\xff\x1b[2J\n=\n"), attack{either: true})
		row(f.name+" is deep", f.at, text(deep(200_000)), attack{either: true})
	}
	row("the auth file of the environment is a pipe", "auth", pipe, attack{env: []string{"REGISTRY_AUTH_FILE=DIR/files/auth"}, harm: "hangs"})
	row("registries.conf of the environment is a pipe", "conf", pipe, attack{env: []string{"CONTAINERS_REGISTRIES_CONF=DIR/files/conf"}, harm: "hangs"})
	for _, f := range []struct {
		name string
		pipe bool // it is read by a reader of its own
		args []string
	}{
		{"variables", true, []string{"create", "--env-file", "given", "REG/r:x", "/x"}},
		{"labels", false, []string{"create", "--label-file", "given", "REG/r:x", "/x"}},
		{"a profile", true, []string{"run", "--rm", "-q", "--security-opt", "seccomp=given", "REG/r:x", "/x"}},
		{"a Dockerfile", true, []string{"build", "-q", "-f", "given", "."}},
		{"an archive to load", true, []string{"load", "-i", "given"}},
	} {
		a := attack{args: f.args, says: "given"}
		if f.args[0] == "run" { // it reads the profile when it has the image
			a.says, a.after = "seccomp profile", func(w *world) error {
				_, err := w.dhow(attack{}, "rmi", w.reg.Addr+"/r:x")
				return err
			}
		}
		row("a file of "+f.name+" is a directory", "given", directory, a)
		if strings.Contains(f.name, "archive") {
			a.says = "it is empty"
		}
		a.harm = "floods"
		row("a file of "+f.name+" is without end", "given", zero, a)
		row("a file of "+f.name+" is huge", "given", huge, a)
		if f.pipe {
			a.says, a.harm = "nobody has written", "hangs"
			row("a file of "+f.name+" is a pipe", "given", pipe, a)
		}
	}
	return list
}

func deep(n int) string { return strings.Repeat("[", n) }

// reads reads a file of settings as most programs do.
func (n *naive) reads(name string) error {
	done := make(chan error, 1)
	go func() {
		f, err := os.Open(name)
		if err == nil {
			var got int64
			got, err = io.Copy(io.Discard, io.LimitReader(f, naiveBytes))
			n.flooded = got == naiveBytes
			f.Close()
		}
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-time.After(1500 * time.Millisecond):
		if f, err := os.OpenFile(name, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil { // lets it go
			f.Close()
		}
		return errors.Join(errors.New("nobody has written to it"), <-done)
	}
}
