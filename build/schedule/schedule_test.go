package schedule

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dhow-containers/dhow/build/plan"
)

// fake is a worker whose keys are made of names; a step is known when its name is in known and it
// does not stand on one that was made just now.
type fake struct {
	known  map[string]bool
	lost   map[string]bool // known at first, gone when asked for
	fails  map[string]error
	reads  map[string]bool // steps whose key depends on contents
	noted  bool            // contents are remembered: no result is needed for them
	equal  bool            // whatever is made has the contents it had before
	pause  time.Duration
	active atomic.Int32
	most   atomic.Int32

	mu                sync.Mutex
	made, found, keys []string
	cancelled         []string
}

func (f *fake) ReadsContents(n *plan.Node) bool { return f.reads[n.Name] }

func (f *fake) Contents(_ context.Context, n *plan.Node, i int, id string, result func() (string, error)) (string, error) {
	if !f.noted {
		if r, err := result(); err != nil || r != n.Inputs[i].Name {
			return "", fmt.Errorf("contents of %q, %w", r, err)
		}
	}
	if f.equal {
		return "same", nil
	}
	return "contents of " + id, nil
}

func (f *fake) Key(_ context.Context, n *plan.Node, parent string, inputs []string) (string, error) {
	if err := f.fails["key "+n.Name]; err != nil {
		return "", err
	}
	key := fmt.Sprintf("%s(%s;%s)", n.Name, parent, strings.Join(inputs, ","))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keys = append(f.keys, key)
	return key, nil
}

func (f *fake) Known(n *plan.Node, key, below string) (string, bool, error) {
	changed := f.reads[n.Name] && strings.Contains(key, "contents of new")
	return "old " + n.Name, f.known[n.Name] && !changed, nil
}

func (f *fake) Find(_ context.Context, n *plan.Node, key string, parent string) (string, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	below := n.Parent != nil && slices.Contains(f.made, n.Parent.Name)
	changed := f.reads[n.Name] && strings.Contains(key, "contents of new")
	if !f.known[n.Name] || f.lost[n.Name] || below || changed {
		return "", false, nil
	}
	f.found = append(f.found, n.Name)
	return n.Name, true, nil
}

func (f *fake) Identity(n *plan.Node, result string) string { return "new " + result }

func (f *fake) Make(ctx context.Context, n *plan.Node, key string, fresh bool, parent string, inputs []string) (string, error) {
	now := f.active.Add(1)
	defer f.active.Add(-1)
	for {
		most := f.most.Load()
		if now <= most || f.most.CompareAndSwap(most, now) {
			break
		}
	}
	if n.Parent != nil && parent != n.Parent.Name {
		return "", fmt.Errorf("%s got the parent %q", n.Name, parent)
	}
	for i, in := range n.Inputs {
		if inputs[i] != in.Name {
			return "", fmt.Errorf("%s got the inputs %q", n.Name, inputs)
		}
	}
	select {
	case <-time.After(f.pause):
	case <-ctx.Done():
		f.mu.Lock()
		defer f.mu.Unlock()
		f.cancelled = append(f.cancelled, n.Name)
		return "", context.Canceled
	}
	if err := f.fails[n.Name]; err != nil {
		return "", err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.made = append(f.made, n.Name)
	return n.Name, nil
}

// graph reads "name parent input…" lines; "-" is no parent.
func graph(lines ...string) []*plan.Node {
	var nodes []*plan.Node
	byName := map[string]*plan.Node{}
	for i, l := range lines {
		f := strings.Fields(l)
		n := &plan.Node{ID: i, Name: f[0], Op: &plan.RunOp{}}
		if strings.HasPrefix(f[0], "base") {
			n.Op = &plan.BaseOp{}
		}
		if len(f) > 1 {
			n.Parent = byName[f[1]]
		}
		for _, in := range f[min(2, len(f)):] {
			n.Inputs = append(n.Inputs, byName[in])
		}
		byName[f[0]] = n
		nodes = append(nodes, n)
	}
	return nodes
}

// twoStages is the usual: a stage that builds, a final one that copies from it.
var twoStages = []string{"base1", "make base1", "base2", "prepare base2", "copy prepare make", "last copy"}

func TestWhatIsMade(t *testing.T) {
	for _, c := range []struct {
		name        string
		known, lost string
		noCache     string
		reads       bool // copy is known by the contents of what it reads
		noted       bool
		equal       bool
		made, found string
	}{
		{name: "nothing known", known: "base1 base2",
			made: "copy last make prepare", found: "base1 base2"},
		{name: "all known: the other stage is not looked at", known: "base1 base2 make prepare copy last",
			found: "base2 copy last prepare"},
		{name: "last one new", known: "base1 base2 make prepare copy",
			made: "last", found: "base2 copy prepare"},
		{name: "copy known without its source", known: "base1 base2 prepare copy last",
			found: "base2 copy last prepare"},
		{name: "a parent that is made again takes along what stands on it", known: "base1 base2 make copy last",
			made: "copy last prepare", found: "base1 base2 make"},
		{name: "lost between the looks", known: "base1 base2 prepare copy last make", lost: "copy",
			made: "copy last", found: "base1 base2 make prepare"},
		{name: "no cache: images are what they are", known: "base1 base2 make prepare copy last", noCache: "make prepare copy last base1 base2",
			made: "copy last make prepare", found: "base1 base2"},
		{name: "no cache for one", known: "base1 base2 make prepare copy last", noCache: "last",
			made: "last", found: "base2 copy prepare"},
		{name: "by contents: nothing known", known: "base1 base2", reads: true,
			made: "copy last make prepare", found: "base1 base2"},
		{name: "by contents: all known, contents to be read", known: "base1 base2 make prepare copy last", reads: true,
			found: "base1 base2 copy last make prepare"},
		{name: "by contents: all known, contents remembered", known: "base1 base2 make prepare copy last", reads: true, noted: true,
			found: "base2 copy last prepare"},
		{name: "by contents: made again, and other than before", known: "base1 base2 prepare copy last", reads: true,
			made: "copy last make", found: "base1 base2 prepare"},
		{name: "by contents: made again, and the same as before", known: "base1 base2 prepare copy last", reads: true, equal: true,
			made: "make", found: "base1 base2 copy last prepare"},
	} {
		t.Run(c.name, func(t *testing.T) {
			nodes := graph(twoStages...)
			f := &fake{known: set(c.known), lost: set(c.lost), noted: c.noted, equal: c.equal}
			if c.reads {
				f.reads = set("copy")
			}
			for _, n := range nodes {
				n.NoCache = set(c.noCache)[n.Name]
			}
			goal := nodes[len(nodes)-1]
			results, err := Run(context.Background(), nodes, goal, 2, f)
			if err != nil {
				t.Fatal(err)
			}
			if results[goal] != "last" {
				t.Errorf("result %q", results[goal])
			}
			if got := sorted(f.made); got != c.made {
				t.Errorf("made %q, want %q", got, c.made)
			}
			if got := sorted(f.found); got != c.found {
				t.Errorf("found %q, want %q", got, c.found)
			}
		})
	}
}

func TestStagesReadByContentsAreMadeSideBySide(t *testing.T) {
	nodes := graph("a -", "b -", "c -", "copyA - a", "copyB copyA b", "copyC copyB c")
	f := &fake{pause: 30 * time.Millisecond, reads: set("copyA copyB copyC")}
	if _, err := Run(context.Background(), nodes, nodes[5], 3, f); err != nil {
		t.Fatal(err)
	}
	if got := f.most.Load(); got != 3 {
		t.Errorf("%d at a time, want 3", got)
	}
}

func set(s string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(s) {
		m[w] = true
	}
	return m
}

func sorted(l []string) string {
	l = slices.Clone(l)
	slices.Sort(l)
	return strings.Join(l, " ")
}

func TestIndependentStepsRunSideBySide(t *testing.T) {
	nodes := graph("a -", "b -", "c -", "d -", "end - a b c d")
	f := &fake{pause: 30 * time.Millisecond}
	if _, err := Run(context.Background(), nodes, nodes[4], 3, f); err != nil {
		t.Fatal(err)
	}
	if got := f.most.Load(); got != 3 {
		t.Errorf("%d at a time, want 3", got)
	}
}

func TestFirstFailureCancelsTheRest(t *testing.T) {
	nodes := graph("bad -", "slow -", "end - bad slow")
	boom := errors.New("boom")
	f := &fake{fails: map[string]error{"bad": boom}, pause: 10 * time.Millisecond}
	start := time.Now()
	slow := &slowWorker{fake: f}
	_, err := Run(context.Background(), nodes, nodes[2], 4, slow)
	if !errors.Is(err, boom) {
		t.Fatalf("error %v", err)
	}
	if time.Since(start) > 5*time.Second || len(f.cancelled) != 1 || len(f.made) != 0 {
		t.Errorf("cancelled %v, made %v", f.cancelled, f.made)
	}
}

// slowWorker makes "slow" wait until it is cancelled.
type slowWorker struct{ *fake }

func (s *slowWorker) Make(ctx context.Context, n *plan.Node, key string, fresh bool, parent string, inputs []string) (string, error) {
	if n.Name != "slow" {
		return s.fake.Make(ctx, n, key, fresh, parent, inputs)
	}
	select {
	case <-ctx.Done():
		s.mu.Lock()
		defer s.mu.Unlock()
		s.cancelled = append(s.cancelled, n.Name)
		return "", context.Canceled
	case <-time.After(30 * time.Second):
		return "slow", nil
	}
}

func TestCancelledAndFailedKeys(t *testing.T) {
	nodes := graph("a -", "b a")
	boom := errors.New("boom")
	f := &fake{fails: map[string]error{"key a": boom}}
	if _, err := Run(context.Background(), nodes, nodes[1], 1, f); !errors.Is(err, boom) || len(f.made) != 0 {
		t.Errorf("error %v, made %v", err, f.made)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Run(ctx, nodes, nodes[1], 1, &fake{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	// A target of metadata alone has nothing to do.
	if r, err := Run[string](context.Background(), nil, nil, 1, &fake{}); err != nil || len(r) != 0 {
		t.Errorf("%v %v", r, err)
	}
}
