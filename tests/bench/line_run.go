package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// hundred puts an image of a hundred layers beside the base.
func (b *bench) hundred() error {
	return b.marked("hundred", func() error { return b.manyLayers(b.dhow, "hundred", 100, 1) })
}

// manyLayers loads images with that many tiny layers each.
func (b *bench) manyLayers(p *peer, name string, layers, images int) error {
	for i := range images {
		file := b.at("many.tar")
		if err := tinyArchive(file, fmt.Sprintf("localhost/%s-%d:latest", name, i), fmt.Sprintf("%s-%d", name, i), layers); err != nil {
			return err
		}
		if _, err := b.must(p, "load", "-q", "-i", file); err != nil {
			return err
		}
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	return nil
}

func lineRun(b *bench) (*Result, error) {
	if err := b.hundred(); err != nil {
		return nil, err
	}
	r := &Result{}
	list := []contender{
		{name: "dhow", peer: b.dhow, args: []string{"run", "--rm", "--network", "none", b.local("base"), "true"}},
		{name: "dhow default network", peer: b.dhow, args: []string{"run", "--rm", b.local("base"), "true"}},
		{name: "dhow -d", peer: b.dhow, args: []string{"run", "--rm", "-d", "--network", "none", b.local("base"), "true"}},
		{name: "podman", peer: b.podman, args: []string{"run", "--rm", "--network", "none", b.local("base"), "true"}, rounds: 10},
		{name: "podman default network", peer: b.podman, args: []string{"run", "--rm", b.local("base"), "true"}, rounds: 10},
	}
	if b.crun.path != "" || b.runc.path != "" {
		dir, err := b.bundle("true", "true")
		if err != nil {
			return nil, err
		}
		list = append(list, contender{name: "crun", peer: b.crun, dir: dir, args: []string{"run", "bench-crun"}},
			contender{name: "runc", peer: b.runc, dir: dir, args: []string{"run", "bench-runc"}, rounds: 10})
	}
	if err := b.contend(r, 30, list...); err != nil {
		return nil, err
	}
	r.atMost("dhow", "crun", 1.2)
	r.faster("dhow", "podman", 5)
	r.moreBy("dhow default network", "dhow", 20)
	r.moreBy("dhow -d", "dhow", 10)
	r.info("dhow", "runc")
	r.info("dhow default network", "podman default network")
	return r, nil
}

var (
	called = regexp.MustCompile(`^\d+ +(\w+)\(`)
	forks  = regexp.MustCompile(`^\d+ +(?:clone3?|v?fork)\(|^\d+ +<\.\.\. (?:clone3?|v?fork) resumed`)
)

// calls counts the system calls of a command and its children in strace's log.
func calls(log string) (all, syncs, locks, processes int) {
	processes = 1
	for l := range strings.Lines(log) {
		if forks.MatchString(l) && !strings.Contains(l, "CLONE_THREAD") && !strings.Contains(l, "resumed") {
			processes++
		}
		m := called.FindStringSubmatch(l)
		if m == nil {
			continue
		}
		all++
		switch m[1] {
		case "fsync", "fdatasync", "syncfs", "sync", "sync_file_range", "msync":
			syncs++
		case "flock":
			locks++
		case "fcntl":
			if strings.Contains(l, "LK") {
				locks++
			}
		}
	}
	return all, syncs, locks, processes
}

func lineCount(b *bench) (*Result, error) {
	if b.strace.path == "" {
		return nil, fmt.Errorf("strace is not here")
	}
	r := &Result{}
	args := []string{"run", "--rm", "--network", "none", b.local("base"), "true"}
	for _, p := range []*peer{b.dhow, b.podman} {
		if p.path == "" {
			continue
		}
		log := b.at("strace-" + p.name)
		traced := *p
		traced.path, traced.flags = b.strace.path, append([]string{"-f", "-qq", "-o", log, p.path}, p.flags...)
		if err := b.contend(&Result{}, 1, contender{peer: &traced, args: args}); err != nil {
			return nil, err
		}
		raw, err := os.ReadFile(log)
		if err != nil {
			return nil, err
		}
		all, syncs, locks, processes := calls(string(raw))
		one := func(name string, n int) {
			r.Series = append(r.Series, Series{Name: p.name + " " + name, Samples: []float64{float64(n)}, Unit: name})
		}
		one("syncs", syncs)
		one("system calls", all)
		one("locks", locks)
		one("processes", processes)
	}
	r.Date = today()
	r.within("dhow syncs", 0, "syncs")
	for i := range r.Verdicts {
		r.Verdicts[i].Measured = r.Verdicts[i].Measured[:1]
	}
	r.info("dhow system calls", "podman system calls")
	return r, nil
}

// lineFlat runs in stores that become fuller.
func lineFlat(b *bench) (*Result, error) {
	r := &Result{}
	sizes := []int{1, 100, 1000, 10000}
	if b.quick {
		sizes = sizes[:2]
	}
	var list []contender
	var names []string
	for _, n := range sizes {
		p := *b.dhow
		p.flags = []string{"--root", b.at(fmt.Sprintf("flat-%d", n))}
		if err := b.marked(fmt.Sprintf("flat-%d", n), func() error { return b.fillStore(&p, n) }); err != nil {
			return nil, err
		}
		name := fmt.Sprintf("dhow, %d", n)
		names = append(names, name)
		list = append(list, contender{name: name, peer: &p, args: []string{"run", "--rm", "--network", "none", b.local("base"), "true"}})
	}
	if err := b.contend(r, 20, list...); err != nil {
		return nil, err
	}
	for _, name := range names[1:] {
		// "Flat" is within the noise of a machine, and no more than that.
		r.atMost(name, names[0], 1.1)
	}
	return r, nil
}

// fillStore makes n layers and n containers.
func (b *bench) fillStore(p *peer, n int) error {
	if _, err := b.must(p, "import", b.at("base.tar"), b.local("base")); err != nil {
		return err
	}
	if n > 1 {
		if err := b.manyLayers(p, "flat", 100, n/100); err != nil {
			return err
		}
	}
	id, err := b.must(p, "create", "--name", "c0", "--network", "none", b.local("base"), "true")
	if err != nil {
		return err
	}
	// The others are copies of its record: to make ten thousand by command takes a quarter of an hour.
	dirs, err := filepath.Glob(filepath.Join(p.flags[1], "store-*", "containers", id))
	if err != nil || len(dirs) != 1 {
		return fmt.Errorf("the record of container %s: %v %w", id, dirs, err)
	}
	raw, err := os.ReadFile(filepath.Join(dirs[0], "config.json"))
	if err != nil {
		return err
	}
	if !json.Valid(raw) {
		return fmt.Errorf("the record of container %s is no JSON", id)
	}
	wishes, err := os.ReadFile(filepath.Join(dirs[0], "wishes.json"))
	if err != nil {
		return err
	}
	for i := 1; i < n; i++ {
		other := fmt.Sprintf("%s%08x", id[:56], i)
		dir := filepath.Join(filepath.Dir(dirs[0]), other)
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
		name := fmt.Sprintf("c%d", i)
		text := strings.ReplaceAll(strings.ReplaceAll(string(raw), id, other), `"c0"`, `"`+name+`"`)
		for file, body := range map[string]string{"config.json": text, "wishes.json": string(wishes), "lock": ""} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(body), 0o600); err != nil {
				return err
			}
		}
		if err := os.Symlink(other, filepath.Join(filepath.Dir(dir), "names", name)); err != nil {
			return err
		}
	}
	return nil
}

func lineExec(b *bench) (_ *Result, err error) {
	r := &Result{}
	var list []contender
	for _, p := range []*peer{b.dhow, b.podman} {
		if p.path == "" {
			continue
		}
		remove := []string{"rm", "-f", "bench-exec"}
		if p == b.podman {
			remove = []string{"rm", "-f", "-t", "0", "bench-exec"}
		}
		_, _ = b.must(p, remove...) // of a run that was killed
		if _, err := b.must(p, "run", "-d", "--name", "bench-exec", "--network", "none", b.local("base"), "sleep", "100000"); err != nil {
			if p == b.dhow {
				return nil, err
			}
			continue
		}
		defer func() { _, _ = b.must(p, remove...) }()
		list = append(list, contender{name: p.name, peer: p, args: []string{"exec", "bench-exec", "true"}})
	}
	if b.crun.path != "" {
		dir, err := b.bundle("sleep", "sleep", "100000")
		if err != nil {
			return nil, err
		}
		_, _ = b.do(b.crun, "", nil, false, "delete", "-f", "bench-exec")
		if _, err := b.do(b.crun, dir, nil, false, "run", "-d", "bench-exec"); err != nil {
			r.Notes = append(r.Notes, "crun could not: "+err.Error())
		} else {
			defer func() { _, _ = b.do(b.crun, "", nil, false, "delete", "-f", "bench-exec") }()
			list = append(list, contender{name: "crun", peer: b.crun, args: []string{"exec", "bench-exec", "true"}})
		}
	}
	if err := b.contend(r, 30, list...); err != nil {
		return nil, err
	}
	r.atMost("dhow", "crun", 2)
	r.info("dhow", "podman")
	return r, nil
}

// lineList lists a hundred images and a hundred containers.
func lineList(b *bench) (*Result, error) {
	r := &Result{}
	var list []contender
	for _, p := range []*peer{b.dhow, b.podman} {
		if p.path == "" {
			continue
		}
		q := *p
		q.flags = append(append([]string{}, p.flags...), "--root", b.at(p.name+"-list"))
		if p == b.dhow {
			q.flags = []string{"--root", b.at("dhow-list")}
		}
		err := b.marked(p.name+"-list", func() error {
			if _, err := b.must(&q, "import", b.at("base.tar"), b.local("base")); err != nil {
				return err
			}
			for i := range 99 {
				if err := tinyArchive(b.at("tiny.tar"), fmt.Sprintf("localhost/list-%d:latest", i), fmt.Sprintf("list-%d", i), 1); err != nil {
					return err
				}
				if _, err := b.must(&q, "load", "-q", "-i", b.at("tiny.tar")); err != nil {
					return err
				}
			}
			for i := range 100 {
				if _, err := b.must(&q, "create", "--name", fmt.Sprintf("c%d", i), "--network", "none", b.local("base"), "true"); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			if p == b.dhow {
				return nil, err
			}
			r.Notes = append(r.Notes, err.Error())
			continue
		}
		list = append(list, contender{name: p.name + " images", peer: &q, args: []string{"images"}},
			contender{name: p.name + " ps -a", peer: &q, args: []string{"ps", "-a"}})
	}
	list = append(list, contender{name: "dhow version", peer: b.dhow, args: []string{"version"}})
	if err := b.contend(r, 20, list...); err != nil {
		return nil, err
	}
	r.within("dhow images", 12, "ms")
	r.within("dhow ps -a", 12, "ms")
	r.info("dhow images", "podman images")
	r.info("dhow ps -a", "podman ps -a")
	return r, nil
}

func lineParallel(b *bench) (*Result, error) {
	r := &Result{}
	n := 50
	if b.quick {
		n = 10
	}
	var list []contender
	for _, p := range []*peer{b.dhow, b.podman} {
		if p.path == "" {
			continue
		}
		q := *p
		q.path, q.flags = "/bin/sh", nil
		one := strings.Join(append(append([]string{p.path}, p.flags...), "run", "--rm", "--network", "none", b.local("base"), "true"), " ")
		list = append(list, contender{name: p.name, peer: &q, args: []string{"-c", fmt.Sprintf("seq %d | xargs -P %d -I{} %s", n, n, one)}})
	}
	if err := b.contend(r, 3, list...); err != nil {
		return nil, err
	}
	r.faster("dhow", "podman", 5)
	return r, nil
}
