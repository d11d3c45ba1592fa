package main

import (
	"fmt"
	"os"
	"strings"
)

// builders gives a contender for every tool that builds dir, cached or from nothing. Tools that need
// more than seconds a round take fewer rounds.
func (b *bench) builders(dir string, cached bool, podmanRounds int) ([]contender, error) {
	if err := b.tryBuilds(); err != nil {
		return nil, err
	}
	var list []contender
	add := func(name string, p *peer, rounds int, args ...string) {
		list = append(list, contender{name: name, peer: p, args: args, rounds: rounds})
	}
	no := []string{}
	if !cached {
		no = []string{"--no-cache"}
	}
	with := func(args ...string) []string { return append(append([]string{}, no...), args...) }
	add("dhow", b.dhow, 0, append([]string{"build"}, with("-q", "-t", "bench", dir)...)...)
	if b.podmanBuild.path != "" {
		add("podman", b.podmanBuild, podmanRounds, b.podmanBuild.building(with("--layers", "-q", "-t", "bench", dir)...)...)
	}
	if b.buildah.path != "" {
		add("buildah", b.buildah, podmanRounds, b.buildah.building(with("--layers", "-q", "-t", "bench", dir)...)...)
	}
	if b.buildctl.path != "" {
		// Its base comes from the registry: it has no other store than its own. The image gets a name, as the others' do.
		args := append([]string{"build", "--frontend", "dockerfile.v0", "--local", "context=" + dir, "--local", "dockerfile=" + dir, "--opt", "build-arg:BASE=" + b.registry + "/base:latest", "--output", "type=image,name=bench", "--progress", "plain"}, no...)
		add("buildkit", b.buildctl, 0, args...)
	}
	return list, nil
}

// from begins a Dockerfile that BuildKit can take too.
func (b *bench) from() string { return "ARG BASE=" + b.local("base") + "\nFROM $BASE\n" }

// tidy removes what builds left in dhow's store, between rounds.
func (b *bench) tidy() error {
	if _, err := b.must(b.dhow, "image", "prune", "-f"); err != nil {
		return err
	}
	_, err := b.must(b.dhow, "builder", "prune", "-a", "-f")
	return err
}

// lineRebuild rebuilds when nothing has changed.
func lineRebuild(b *bench) (*Result, error) {
	var d strings.Builder
	d.WriteString(b.from())
	d.WriteString("ENV A=1 B=2\nLABEL x=y\nWORKDIR /app\nCOPY . /app/\nRUN true 1\nENV C=3\nRUN echo a > /a\nRUN echo b > /b\nARG X=1\nRUN echo $X > /c\nCOPY d00 /d00/\nCOPY d01 /d01/\nRUN mkdir -p /var/x\nEXPOSE 80\nUSER root\nVOLUME /data\nRUN echo d > /d\nSTOPSIGNAL SIGTERM\nENTRYPOINT [\"true\"]\nCMD [\"x\"]\n")
	dir, err := b.context("rebuild", 1000, d.String())
	if err != nil {
		return nil, err
	}
	r := &Result{}
	list, err := b.builders(dir, true, 5)
	if err != nil {
		return nil, err
	}
	if err := b.contend(r, 20, list...); err != nil {
		return nil, err
	}
	r.faster("dhow", "podman", 25)
	r.info("dhow", "buildah")
	r.faster("dhow", "buildkit", 1)
	return r, nil
}

// lineSteps builds ten steps that do next to nothing.
func lineSteps(b *bench) (*Result, error) {
	var d strings.Builder
	d.WriteString(b.from())
	for i := range 10 {
		fmt.Fprintf(&d, "RUN echo %d > /f%d\n", i, i)
	}
	dir, err := b.context("steps", 0, d.String())
	if err != nil {
		return nil, err
	}
	r := &Result{}
	list, err := b.builders(dir, false, 3)
	if err != nil {
		return nil, err
	}
	list[0].after = b.tidy
	if err := b.contend(r, 8, list...); err != nil {
		return nil, err
	}
	r.faster("dhow", "podman", 8)
	r.info("dhow", "buildah")
	r.info("dhow", "buildkit")
	return r, nil
}

// lineStages builds four stages that count, on all processors: each for some two seconds, and, to show what
// a build costs beside them, for a fifth of that.
func lineStages(b *bench) (*Result, error) {
	loops := 2000000
	if b.quick {
		loops = 50000
	}
	counting := func(name string, loops int) (string, error) {
		var d strings.Builder
		d.WriteString("ARG BASE=" + b.local("base") + "\n")
		for i := range 4 {
			fmt.Fprintf(&d, "FROM $BASE AS s%d\nRUN i=0; while [ $i -lt %d ]; do i=$((i+1)); done; echo %d > /out%d\n", i, loops, i, i)
		}
		d.WriteString("FROM $BASE\n")
		for i := range 4 {
			fmt.Fprintf(&d, "COPY --from=s%d /out%d /\n", i, i)
		}
		return b.context(name, 0, d.String())
	}
	dir, err := counting("stages", loops)
	if err != nil {
		return nil, err
	}
	shortDir, err := counting("short-stages", loops/5)
	if err != nil {
		return nil, err
	}
	r := &Result{}
	list, err := b.builders(dir, false, 1)
	if err != nil {
		return nil, err
	}
	list[0].cpu, list[0].after = true, b.tidy
	const short = "dhow, short stages"
	list = append(list, contender{name: short, peer: b.dhow, args: []string{"build", "--no-cache", "-q", "-t", "bench", shortDir}, cpu: true, after: b.tidy})
	if err := b.contend(r, 3, list...); err != nil {
		return nil, err
	}
	cores := min(4, cores())
	for _, name := range []string{"dhow", short} {
		wall, _ := r.find(name)
		cpu, _ := r.find(name + " CPU")
		var ratios Series
		for i := range wall.Samples {
			ratios.Samples = append(ratios.Samples, wall.Samples[i]/(cpu.Samples[i]/float64(cores)))
		}
		r.Verdicts = append(r.Verdicts, Verdict{Promise: fmt.Sprintf("%s against its CPU time / %d", name, cores), Measured: []float64{ratios.Min(), ratios.Median()}, Unit: "×", Bound: 1.05, Info: name == short})
	}
	r.info("dhow", "podman")
	r.info("dhow", "buildkit")
	return r, nil
}

// lineFiles has one step write many small files.
func lineFiles(b *bench) (*Result, error) {
	dir, err := b.context("files", 0, b.from()+"RUN mkdir /d; i=0; while [ $i -lt 5000 ]; do echo $i > /d/$i; i=$((i+1)); done\n")
	if err != nil {
		return nil, err
	}
	r := &Result{}
	list, err := b.builders(dir, false, 0)
	if err != nil {
		return nil, err
	}
	list[0].after = b.tidy
	if err := b.contend(r, 3, list...); err != nil {
		return nil, err
	}
	for _, name := range []string{"podman", "buildah", "buildkit"} {
		r.faster("dhow", name, 1)
	}
	return r, nil
}

const (
	bigFiles = 22700
	bigBytes = 517 << 20
)

// tree makes the large tree as a build context of its own.
func (b *bench) tree() (string, error) {
	if err := b.tryBuilds(); err != nil {
		return "", err
	}
	files, bytes := bigFiles, int64(bigBytes)
	name := "big"
	if b.quick {
		files, bytes, name = 2000, 40<<20, "big-quick"
	}
	dir, err := b.big(name, files, bytes)
	if err != nil {
		return "", err
	}
	return dir, nil
}

// copying makes the Dockerfile beside the tree.
func (b *bench) copying(dir string) ([]string, error) {
	file := dir + ".Dockerfile"
	return []string{"-f", file}, os.WriteFile(file, []byte("FROM scratch\nCOPY . /tree/\n"), 0o644)
}

// lineContext rebuilds with a large context that has not changed.
func lineContext(b *bench) (*Result, error) {
	dir, err := b.tree()
	if err != nil {
		return nil, err
	}
	with, err := b.copying(dir)
	if err != nil {
		return nil, err
	}
	r := &Result{}
	list := []contender{
		{name: "find -printf", args: []string{"find", dir, "-printf", `%p %s %T@ %m %U %G %i\n`}, before: b.settle},
		{name: "dhow", peer: b.dhow, args: append(append([]string{"build"}, with...), "-q", "-t", "big", dir), before: b.settle},
	}
	if b.podmanBuild.path != "" {
		list = append(list, contender{name: "podman", peer: b.podmanBuild, args: b.podmanBuild.building(append(with, "--layers", "-q", "-t", "big", dir)...), rounds: 1})
	}
	if err := b.contend(r, 15, list...); err != nil {
		return nil, err
	}
	r.atMost("dhow", "find -printf", 2)
	r.info("dhow", "podman")
	return r, nil
}

// lineCopy copies the large tree into an image.
func lineCopy(b *bench) (*Result, error) {
	if err := b.unload(); err != nil {
		return nil, err
	}
	dir, err := b.tree()
	if err != nil {
		return nil, err
	}
	with, err := b.copying(dir)
	if err != nil {
		return nil, err
	}
	r := &Result{}
	target := b.at("copied")
	clean := func() error {
		if err := os.RemoveAll(target); err != nil {
			return err
		}
		return b.settle()
	}
	list := []contender{
		{name: "cp -a", args: []string{"cp", "-a", dir, target}, before: clean, after: clean},
		{name: "dhow", peer: b.dhow, args: append(append([]string{"build", "--no-cache"}, with...), "-q", "-t", "bigcopy", dir), before: func() error {
			_, _ = b.must(b.dhow, "rmi", "-f", "bigcopy")
			if err := b.tidy(); err != nil {
				return err
			}
			return b.settle()
		}},
	}
	if b.podmanBuild.path != "" {
		list = append(list, contender{name: "podman", peer: b.podmanBuild, args: b.podmanBuild.building(append(with, "--no-cache", "-q", "-t", "bigcopy", dir)...), rounds: 1, after: func() error {
			_, _ = b.must(b.podman, "rmi", "-f", "bigcopy")
			return b.settle()
		}})
	}
	if err := b.contend(r, 4, list...); err != nil {
		return nil, err
	}
	// Bytes that reach the device, each alone and up to the end of a sync.
	for i, c := range list[:2] {
		if err := c.before(); err != nil {
			return nil, err
		}
		was, ok := b.written()
		if !ok {
			break
		}
		if _, err := b.do(c.peer, "", nil, false, c.args...); err != nil {
			return nil, err
		}
		if err := b.settle(); err != nil {
			return nil, err
		}
		now, _ := b.written()
		name := []string{"cp -a", "dhow"}[i] + " written"
		r.Series = append(r.Series, Series{Name: name, Samples: []float64{float64(now-was) / (1 << 20)}, Unit: "MB"})
	}
	// One changed file.
	n := 0
	changed := contender{name: "dhow, one changed file", peer: b.dhow, args: append(append([]string{"build"}, with...), "-q", "-t", "bigcopy", dir), before: func() error {
		if err := b.settle(); err != nil { // what the round before left is none of this one's
			return err
		}
		n++
		return os.WriteFile(dir+"/changed", fmt.Appendf(nil, "change %d %d\n", n, os.Getpid()), 0o644)
	}}
	if err := b.contend(r, 4, changed); err != nil {
		return nil, err
	}
	if err := os.Remove(dir + "/changed"); err != nil {
		return nil, err
	}
	if err := clean(); err != nil {
		return nil, err
	}
	r.atMost("dhow", "cp -a", 1.6)
	if _, ok := r.find("dhow written"); ok {
		size, err := onDisk(dir)
		if err != nil {
			return nil, err
		}
		s, _ := r.find("dhow written")
		r.Verdicts = append(r.Verdicts, Verdict{Promise: "dhow's bytes on the device against the files' size on disk", Measured: []float64{s.Min() * (1 << 20) / float64(size)}, Unit: "×", Bound: 1.05})
	}
	r.within("dhow, one changed file", 1000, "ms")
	r.info("dhow", "podman")
	return r, nil
}

// lineMemory has one step write 2 GB.
func lineMemory(b *bench) (*Result, error) {
	size := int64(2 << 30)
	if b.quick {
		size = 64 << 20
	}
	dir, err := b.context("memory", 0, b.from()+fmt.Sprintf("RUN head -c %d /dev/zero > /big\n", size))
	if err != nil {
		return nil, err
	}
	r := &Result{}
	c := contender{name: "dhow", peer: b.dhow, args: []string{"build", "--no-cache", "-q", "-t", "bench-memory", dir}, peak: true, rounds: 1}
	if err := b.contend(r, 1, c); err != nil {
		return nil, err
	}
	if _, err := b.must(b.dhow, "rmi", "-f", "bench-memory"); err != nil {
		return nil, err
	}
	if err := b.tidy(); err != nil {
		return nil, err
	}
	r.within("dhow memory", 150, "MB")
	for i := range r.Verdicts {
		r.Verdicts[i].Measured = r.Verdicts[i].Measured[:1]
	}
	return r, nil
}
