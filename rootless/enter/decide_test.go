package enter

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What the constructor makes of a command line and an environment, seen by whether the process came
// to a mount namespace of its own.
func TestNeeded(t *testing.T) {
	bin := binary(t)
	cases := []struct {
		argv string // argv[0] too; "dhow" stands for the binary's path
		env  string
		want bool
	}{
		{"dhow", "", false},
		{"dhow version", "", false},
		{"dhow --version", "", false},
		{"dhow help run", "", false},
		{"dhow completion bash", "", false},
		{"dhow --help", "", false},
		{"dhow -h", "", false},
		{"dhow --root /data version", "", false},
		{"dhow --root=/data version", "", false},
		{"dhow images", "", true},
		{"dhow --root version images", "", true}, // a directory called version
		{"dhow --root=/data images", "", true},
		{"dhow --config /c build .", "", true},
		{"dhow run --help", "", true}, // costs a millisecond, harms nobody
		{"dhow image ls", "", true},
		{"dhow image mount x", "", false},
		{"dhow --root image image umount x", "", false},
		{"dhow run image mount", "", true},
		{"dhow -", "", true},
		{"dhow -test.run=X images", "", false},
		{"storage-untar / x", "", false},
		{"dhow-monitor images", "", false},
		{"./dhow-1.2 images", "", true},
		{"/opt/storage-tools/dhow images", "", true},
		{"dhow images", "_LIBCONTAINER_INITPIPE=3", false},
		{"dhow images", "DHOW_ENTER=0", false},
		{"dhow version", "DHOW_ENTER=1", true},
		{"storage-untar / x", "DHOW_ENTER=1", false},
	}
	for _, c := range cases {
		words := strings.Fields(c.argv)
		cmd := exec.Command(bin)
		cmd.Args = words
		if words[0] == "dhow" {
			cmd.Args[0] = bin
		}
		// ENTER_PROBE makes the test binary print its view; libcontainer's variable is only looked at.
		cmd.Env = []string{"ENTER_PROBE=1", c.env}
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("%s %s: %v", c.env, c.argv, err)
			continue
		}
		var v view
		if err := json.Unmarshal(out, &v); err != nil {
			t.Errorf("%s %s: %v in %q", c.env, c.argv, err, out)
			continue
		}
		if v.Entered != c.want || (v.Err != "") {
			t.Errorf("%s %s: entered %v, want %v (%s)", c.env, c.argv, v.Entered, c.want, v.Err)
		}
	}
}

// Ensure starts a command again that the constructor took for one that needs nothing.
func TestEnsure(t *testing.T) {
	bin := binary(t)
	cmd := exec.Command(bin, "version")
	cmd.Env = []string{"ENTER_PROBE=ensure"}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var v view
	if err := json.Unmarshal(out, &v); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
	if !v.Entered {
		t.Errorf("not entered: %+v", v)
	}
}

// It does not start it for ever when the constructor must not act.
func TestEnsureOnce(t *testing.T) {
	bin := binary(t)
	cmd := exec.Command(bin, "images")
	cmd.Env = []string{"ENTER_PROBE=ensure", "_LIBCONTAINER_INITPIPE=3"}
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "entering a user namespace") {
		t.Errorf("%v: %s", err, out)
	}
}

// A program of the host sees the caller's own ids again.
func TestAsCaller(t *testing.T) {
	bin := binary(t)
	for _, name := range []string{"casey", "casey0"} {
		t.Run(name, func(t *testing.T) {
			u := account(t, name)
			words := append(u.become(t, filepath.Dir(bin)), bin)
			cmd := exec.Command(words[0], words[1:]...)
			cmd.Env = []string{"ENTER_PROBE=caller", "DHOW_ENTER=1"}
			cmd.Dir = "/"
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if want := "uid=" + itoa(u.uid) + "(" + name + ") gid=" + itoa(u.gid); !strings.HasPrefix(string(out), want) {
				t.Errorf("id says %q, want %q", out, want)
			}
		})
	}
}
