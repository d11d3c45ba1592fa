package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// crowd lets many commands loose on one store.
type crowd struct {
	w      *world
	seed   uint64
	people int
	span   time.Duration
	same   bool // also the same pull and the same build at once
	report *report
}

// allowed are the failures that others may cause: what somebody else removed in between is not there, and
// what somebody uses stays.
var allowed = []string{"No such image", "No such container", "image is being used", "is in use", "is using", "is running", "already in use"}

func (c *crowd) run() error {
	w := c.w
	if err := w.fresh(); err != nil {
		return err
	}
	if err := w.all([]string{"files"}, "pull -q base", "tag base mine:0"); err != nil {
		return err
	}
	if err := w.write("ctx/Dockerfile", dockerfile); err != nil {
		return err
	}
	if c.same {
		if err := c.singleFlight(); err != nil {
			return err
		}
	}
	until := time.Now().Add(c.span)
	var all sync.WaitGroup
	var done atomic.Int64
	var mu sync.Mutex
	slowest := map[string]time.Duration{}
	for i := range c.people {
		rng := rand.New(rand.NewPCG(c.seed, uint64(i)))
		all.Go(func() {
			for time.Now().Before(until) {
				args := c.deed(i, rng)
				start := time.Now()
				a := w.run("", args...)
				done.Add(1)
				mu.Lock()
				slowest[args[0]] = max(slowest[args[0]], time.Since(start))
				mu.Unlock()
				if a.code == 0 || excused(a.stderr) {
					continue
				}
				mu.Lock()
				c.report.fail(w, "crowd: dhow "+strings.Join(args, " "), a.String(), fmt.Sprintf("ONLY=crowd KIND=%s", w.kind))
				mu.Unlock()
			}
		})
	}
	all.Wait()
	c.report.points["crowd: commands"] += int(done.Load())
	var slow []string
	for _, verb := range slices.Sorted(maps.Keys(slowest)) {
		slow = append(slow, fmt.Sprintf("%s %v", verb, slowest[verb].Round(time.Millisecond)))
	}
	fmt.Fprintf(c.report.out, "as %s: %d commands of %d at once in %v, the slowest: %s\n", w.kind, done.Load(), c.people, c.span, strings.Join(slow, ", "))
	return c.after()
}

// deed is what person i does next. Odd ones keep an image of their own.
func (c *crowd) deed(i int, rng *rand.Rand) []string {
	own := fmt.Sprintf("own:%d", i)
	switch rng.IntN(10) {
	case 0, 1:
		return f("pull -q small")
	case 2:
		return []string{"build", "-q", "-t", own, "--label", fmt.Sprintf("n=%d", rng.IntN(3)), "."}
	case 3, 4:
		return f("run --rm --network none base true")
	case 5:
		return f("images -a")
	case 6:
		return f("rmi small")
	case 7:
		return f("image prune -f")
	case 8:
		return []string{"tag", "base", own}
	default:
		return f("ps -a")
	}
}

func excused(stderr string) bool {
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	last := lines[len(lines)-1]
	for _, a := range allowed {
		if strings.Contains(last, a) {
			return true
		}
	}
	return false
}

// after looks at what is left: what nobody removed is whole, and nothing is in anybody's way.
func (c *crowd) after() error {
	w := c.w
	fail := func(what string, err error) {
		if err != nil {
			c.report.fail(w, "after the crowd, "+what, err.Error(), "ONLY=crowd KIND="+w.kind)
		}
	}
	fail("check", w.sound())
	fail("mine:0", w.runs("run", "--rm", "--network", "none", "mine:0", "true"))
	fail("pull", w.runs("pull", "-q", "small"))
	fail("small", w.holds("small", smallTree()))
	fail("build", w.runs("build", "-q", "-t", "built", "."))
	fail("built", w.isBuilt(answer{}))
	if lines := w.remains(); len(lines) > 0 {
		fail("remains", fmt.Errorf("%s", strings.Join(lines, "\n\t")))
	}
	fail("prune", w.runs("system", "prune", "-af", "--volumes"))
	for _, dir := range []string{"tmp", "leases", "containers", "cache/tmp", "cache/layers", "storage/overlay"} {
		names, _ := filepath.Glob(filepath.Join(w.at, "data/dhow/store-*", dir, "*"))
		for _, n := range names {
			if b := filepath.Base(n); b == "l" || b == "names" || b == "staging" || b == "tempdirs" || strings.HasPrefix(b, ".") {
				continue
			}
			if st, err := os.Lstat(n); err == nil && st.IsDir() {
				fail("litter", fmt.Errorf("%s", n))
			}
		}
	}
	return nil
}

// singleFlight pulls one image and builds one step from many commands at once: each layer is asked for
// once, each step is made once.
func (c *crowd) singleFlight() error {
	const many = 8
	w := c.w
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var all sync.WaitGroup
	var mu sync.Mutex
	for range many {
		for _, args := range [][]string{f("pull -q small"), f("build -q -t same .")} {
			all.Go(func() {
				if a := w.run("", args...); a.code != 0 && ctx.Err() == nil {
					mu.Lock()
					defer mu.Unlock()
					c.report.fail(w, "the same at once: dhow "+strings.Join(args, " "), a.String(), "ONLY=crowd KIND="+w.kind)
				}
			})
		}
	}
	all.Wait()
	asked := strings.Join(w.reg.Asked("library/small"), "\n")
	for _, l := range smallLayers(200_000) {
		blob := fmt.Sprintf("GET /v2/library/small/blobs/sha256:%x", sha256.Sum256(l.tar()))
		if n := strings.Count(asked, blob); n != 1 {
			c.report.fail(w, "the same at once", fmt.Sprintf("asked %d times: %s", n, blob), "ONLY=crowd KIND="+w.kind)
		}
	}
	images, err := w.must("images", "-q", "--filter", "dangling=true")
	if err != nil {
		return err
	}
	if strings.TrimSpace(images) != "" { // every build gave another image
		c.report.fail(w, "the same at once", "the step was made more than once: dangling "+images, "ONLY=crowd KIND="+w.kind)
	}
	c.report.points["crowd: the same at once"] += 2 * many
	return nil
}
