package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestTorture is a little of everything, for every change: `make torture` is the whole.
func TestTorture(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	if os.Getuid() == 0 && os.Getenv(aloneVar) == "" {
		cmd := exec.Command("unshare", "-m", "--propagation", "private", os.Args[0], "-test.run=^TestTorture$", "-test.v", "-test.timeout=15m")
		cmd.Env = append(os.Environ(), aloneVar+"=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%v\n%s", err, out)
		} else {
			t.Logf("%s", out)
		}
		return
	}
	bin, err := filepath.Abs("../../bin")
	if err != nil {
		t.Fatal(err)
	}
	const seed = 1
	for _, kind := range kindsHere() {
		t.Run("kill/"+kind, func(t *testing.T) {
			if why := untraceable(kind); why != "" {
				t.Skip("NOT TRIED: " + why)
			}
			inWorld(t, kind, bin, func(w *world, r *report) error {
				list := []string{"load"}
				if kind == "root" {
					list = []string{"pull", "build", "rmi"}
				}
				k := sweep{w: w, rng: rand.New(rand.NewPCG(seed, 1)), points: len(list), verbs: list, report: r}
				return k.run()
			})
		})
	}
	t.Run("crowd", func(t *testing.T) {
		inWorld(t, kindsHere()[0], bin, func(w *world, r *report) error {
			c := crowd{w: w, seed: seed, people: 6, same: true, span: 5 * time.Second, report: r}
			return c.run()
		})
	})
	for name, part := range map[string]func(w *world, r *report) error{
		"power": func(w *world, r *report) error {
			o := outage{w: w, rng: rand.New(rand.NewPCG(seed, 2)), fs: filesystems[:1], verbs: []string{"pull"}, report: r}
			return o.run()
		},
		"full": func(w *world, r *report) error {
			f := want{w: w, every: 12 << 20, inodes: 80, verbs: []string{"pull"}, report: r}
			return f.run()
		},
	} {
		t.Run(name, func(t *testing.T) {
			if why := lacking(); why != "" {
				t.Skip("NOT TRIED: " + why)
			}
			inWorld(t, "root", bin, part)
		})
	}
}

// lacking tells what keeps disks from being made here.
func lacking() string {
	if os.Getuid() != 0 {
		return "only root has loop devices"
	}
	for _, p := range []string{"mkfs.xfs", "mkfs.ext4", "losetup"} {
		if _, err := exec.LookPath(p); err != nil {
			return p + " is missing: make torture installs it"
		}
	}
	if exec.Command("losetup", "--find").Run() != nil {
		return "there are no loop devices"
	}
	return ""
}

func inWorld(t *testing.T, kind, bin string, do func(w *world, r *report) error) {
	t.Helper()
	w, err := newWorld(kind, "/var/tmp", bin)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.close(); err != nil {
			t.Error(err)
		}
	}()
	var out bytes.Buffer
	r := newReport(&out, 1)
	if err := do(w, r); err != nil {
		t.Error(err)
	}
	if len(r.failures) > 0 {
		t.Error(out.String())
	}
	t.Log(r.summary())
}
