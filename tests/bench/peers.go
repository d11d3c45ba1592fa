package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// peer is a tool that is measured.
type peer struct {
	name, path string
	flags, env []string
	build      []string // flags of "build", found by trying
	cgroup2    bool     // it wants to see the second version's control groups only
	version    string
}

// wanted are Debian's packages of the peers and of what the lines need.
var wanted = []string{"podman", "buildah", "crun", "runc", "skopeo", "curl", "strace", "busybox-static", "docker-registry"}

// install gets what is missing, as root on Debian; elsewhere the lines do without.
func install() {
	if os.Getuid() != 0 {
		return
	}
	var missing []string
	for _, p := range wanted {
		if exec.Command("dpkg-query", "-s", p).Run() != nil {
			missing = append(missing, p)
		}
	}
	if len(missing) == 0 {
		return
	}
	apt, err := exec.LookPath("apt-get")
	if err != nil {
		return
	}
	fmt.Fprintln(os.Stderr, "bench: installing", strings.Join(missing, " "))
	_ = exec.Command(apt, "update", "-qq").Run()
	cmd := exec.Command(apt, append([]string{"install", "-y", "-qq", "--no-install-recommends"}, missing...)...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v: %s\n", err, out)
	}
}

// look finds the binary of a peer: the one that the environment names ("none" leaves the peer out), or
// Debian's.
func look(name string) *peer {
	p := &peer{name: name, path: os.Getenv("DHOW_BENCH_" + strings.ToUpper(name))}
	if p.path == "none" {
		p.path = ""
		return p
	}
	if p.path == "" {
		p.path, _ = exec.LookPath(name)
		if p.path == "" {
			if _, err := os.Stat("/usr/sbin/" + name); err == nil {
				p.path = "/usr/sbin/" + name
			}
		}
	}
	if p.path == "" {
		return p
	}
	if out, err := exec.Command(p.path, "--version").Output(); err == nil {
		first, _, _ := strings.Cut(string(out), "\n")
		p.version = strings.TrimSpace(strings.TrimPrefix(strings.Replace(first, " version", "", 1), name))
	}
	return p
}

// containersConf lets podman and buildah work where limits can not be raised and no group be made.
const containersConf = `[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
cgroups = "disabled"
pids_limit = 0
[engine]
events_logger = "file"
`

// peers finds every tool and gives each its own store.
func (b *bench) peers() error {
	bin := os.Getenv("DHOW_BENCH_DHOW")
	if bin == "" {
		bin = filepath.Join(b.source, "bin/dhow")
	}
	b.dhow = &peer{name: "dhow", path: bin, flags: []string{"--root", b.at("dhow")}}
	if out, err := exec.Command(bin, "--version").Output(); err != nil {
		return fmt.Errorf("%w: `make bench` builds bin/dhow", err)
	} else {
		b.dhow.version = strings.TrimSpace(strings.TrimPrefix(string(out), "dhow version "))
	}
	conf := b.at("containers.conf")
	if err := os.WriteFile(conf, []byte(containersConf), 0o644); err != nil {
		return err
	}
	for _, p := range []struct {
		to   **peer
		name string
	}{{&b.podman, "podman"}, {&b.buildah, "buildah"}, {&b.crun, "crun"}, {&b.runc, "runc"}, {&b.skopeo, "skopeo"}, {&b.buildctl, "buildctl"}, {&b.curl, "curl"}, {&b.strace, "strace"}} {
		*p.to = look(p.name)
	}
	for _, p := range []*peer{b.podman, b.buildah} {
		p.env = []string{"CONTAINERS_CONF=" + conf}
		p.flags = []string{"--root", b.at(p.name), "--runroot", b.at(p.name + "-run"), "--storage-driver", "overlay"}
	}
	b.podman.cgroup2, b.buildah.cgroup2 = true, true
	b.crun.cgroup2 = true
	b.crun.flags = []string{"--cgroup-manager=disabled", "--root", b.at("crun-state")}
	b.runc.flags = []string{"--root", b.at("runc-state")}
	if os.Getuid() != 0 {
		// Their bundles are made for root.
		b.crun.path, b.runc.path = "", ""
	}
	return b.buildkit()
}

// buildkit starts a daemon, if the environment names one.
func (b *bench) buildkit() error {
	daemon := os.Getenv("DHOW_BENCH_BUILDKITD")
	if daemon == "" || b.buildctl.path == "" {
		b.buildctl.path = ""
		return nil
	}
	b.buildctl.name = "buildkit"
	socket := "unix://" + b.at("buildkit.sock")
	conf := b.at("buildkitd.toml")
	text := fmt.Sprintf("root = %q\n[grpc]\n  address = [%q]\n[worker.containerd]\n  enabled = false\n[registry.%q]\n  http = true\n", b.at("buildkit"), socket, b.registry)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		return err
	}
	b.buildctl.flags = []string{"--addr", socket}
	b.daemon = exec.Command(daemon, "--config", conf)
	log, err := os.Create(b.at("buildkitd.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	b.daemon.Stdout, b.daemon.Stderr = log, log
	if err := b.daemon.Start(); err != nil {
		return err
	}
	for range 100 {
		if _, err = b.must(b.buildctl, "debug", "workers"); err == nil {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("the BuildKit daemon did not start: %w", err)
}

// tryBuilds finds the flags with which podman and buildah can run a step here: the host may refuse what
// their usual runtime needs.
func (b *bench) tryBuilds() error {
	if b.podmanBuild != nil {
		return nil
	}
	dir, err := b.context("try", 0, "FROM "+b.local("base")+"\nRUN true\n")
	if err != nil {
		return err
	}
	builder := *b.podman
	b.podmanBuild = &builder
	for _, p := range []*peer{b.podmanBuild, b.buildah} {
		if p.path == "" {
			continue
		}
		ways := []struct {
			flags   []string
			cgroup2 bool
		}{{nil, true}, {nil, false}, {[]string{"--isolation", "chroot"}, true}, {[]string{"--runtime", "runc"}, false}}
		var last error
		for _, w := range ways {
			p.build, p.cgroup2 = w.flags, w.cgroup2
			if _, last = b.must(p, p.building("--no-cache", "-t", "try", dir)...); last == nil {
				break
			}
		}
		if last != nil {
			fmt.Fprintf(os.Stderr, "bench: %s can not build here: %v\n", p.name, last)
			p.path = ""
		}
	}
	return nil
}

// building is the command line of a build.
func (p *peer) building(args ...string) []string {
	verb := "build"
	if p.name == "buildah" {
		verb = "bud"
	}
	return append(append([]string{verb}, p.build...), args...)
}
