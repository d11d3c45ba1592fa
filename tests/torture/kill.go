package main

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/tests/torture/trace"
)

// how is a way to break a command off.
type how struct {
	name   string
	signal unix.Signal
	then   func(*trace.Tree)
}

var ways = []how{
	{"KILL", unix.SIGKILL, (*trace.Tree).Kill},
	{"KILL of the command alone", unix.SIGKILL, func(t *trace.Tree) { t.Signal(unix.SIGKILL, false) }},
	{"TERM", unix.SIGTERM, func(t *trace.Tree) { t.Signal(unix.SIGTERM, false) }},
	{"INT to the group", unix.SIGINT, func(t *trace.Tree) { t.Signal(unix.SIGINT, true) }},
	{"HUP to the group", unix.SIGHUP, func(t *trace.Tree) { t.Signal(unix.SIGHUP, true) }},
}

// sweep breaks every verb off at points calls, spread over all verbs.
type sweep struct {
	w      *world
	rng    *rand.Rand
	points int
	verbs  []string // nil is all
	at     int      // one point of it
	way    string   // how its name begins
	report *report
}

// course is how a verb goes when nothing happens to it.
type course struct {
	calls       []string
	least, most names // what lies there after one run, or two
}

func (s *sweep) run() error {
	list := slices.DeleteFunc(verbs(s.w), func(v verb) bool { return s.verbs != nil && !slices.Contains(s.verbs, v.name) })
	if len(list) == 0 {
		return fmt.Errorf("there is no verb %q", s.verbs)
	}
	share := max(1, (s.points+len(list)-1)/len(list)) // not fewer than asked for
	for _, v := range list {
		err := s.prepare(v)
		var c course
		if err == nil {
			c, err = s.follow(v)
		}
		if err != nil {
			s.report.fail(s.w, v.name, err.Error(), fmt.Sprintf("ONLY=kill KIND=%s VERB=%q", s.w.kind, v.name))
			continue
		}
		for i, at := range s.choose(c.calls, share) {
			way := ways[0]
			if n := s.rng.IntN(10); i%2 == 1 { // half of them by the tree's death
				way = ways[1+n%(len(ways)-1)]
			}
			if s.way != "" {
				way = ways[slices.IndexFunc(ways, func(h how) bool { return strings.HasPrefix(h.name, s.way) })]
			}
			s.point(v, c, at, way)
		}
	}
	return nil
}

// prepare keeps the state the verb starts from.
func (s *sweep) prepare(v verb) error {
	if s.report.prepared[s.w.kind+v.from] {
		return nil
	}
	if err := s.w.fresh(); err != nil {
		return err
	}
	if err := states[v.from](s.w); err != nil {
		return fmt.Errorf("making the state %q: %w", v.from, err)
	}
	s.report.prepared[s.w.kind+v.from] = true
	return s.w.keepAs(v.from)
}

// follow runs the verb to its end, twice: to see its calls, and what it leaves.
func (s *sweep) follow(v verb) (course, error) {
	if err := s.w.restore(v.from); err != nil {
		return course{}, err
	}
	r, said, err := s.w.traced(v.say, 0, true, nil, v.args...)
	if err != nil {
		return course{}, err
	}
	res, err := r.Wait()
	a := said()
	a.code = code(res.Status)
	if err != nil || a.code != 0 {
		return course{}, fmt.Errorf("undisturbed: %v, %w", a, err)
	}
	calls := slices.Clone(res.Names)
	if err := s.after(v, a); err != nil {
		return course{}, fmt.Errorf("undisturbed: %w", err)
	}
	if !r.All(5 * time.Second) {
		return course{}, errors.New("undisturbed: processes remain")
	}
	once, err := s.w.lie()
	if err != nil {
		return course{}, err
	}
	a = s.w.run(v.say, v.again...)
	if a.code != 0 && (v.done == "" || !strings.Contains(a.stderr, v.done)) {
		return course{}, fmt.Errorf("undisturbed, a second time: %v", a)
	}
	if err := s.after(v, a); err != nil {
		return course{}, fmt.Errorf("undisturbed, a second time: %w", err)
	}
	twice, err := s.w.lie()
	c := course{calls, names{}, names{}}
	for p := range merged(once, twice) {
		c.least[p], c.most[p] = min(once[p], twice[p]), max(once[p], twice[p])
	}
	return c, err
}

func merged(a, b names) names {
	m := maps.Clone(a)
	maps.Copy(m, b)
	return m
}

// after checks what the verb brought about, and ends what it is to leave.
func (s *sweep) after(v verb, a answer) error {
	if err := v.check(s.w, a); err != nil {
		return err
	}
	if err := s.w.tidy(v); err != nil {
		return err
	}
	return s.w.sound()
}

func (w *world) tidy(v verb) error {
	for _, args := range v.tidy {
		if args[0] == "rm -f" { // all there are
			out, err := w.must("ps", "-aq")
			if err != nil {
				return err
			}
			if strings.TrimSpace(out) == "" {
				continue
			}
			args = append(f("rm -f"), strings.Fields(out)...)
		}
		if _, err := w.must(args...); err != nil {
			return err
		}
	}
	return nil
}

// sound asks system check.
func (w *world) sound() error {
	if a := w.run("", "system", "check"); a.code != 0 {
		return fmt.Errorf("system check: %v", a)
	}
	return nil
}

// choose gives n of the calls, the rare kinds first: a renaming counts for more than one of many
// writes.
func (s *sweep) choose(calls []string, n int) []int {
	if s.at > 0 {
		return []int{s.at}
	}
	kinds := map[string][]int{}
	var order []string
	for i, c := range calls {
		if kinds[c] == nil {
			order = append(order, c)
		}
		kinds[c] = append(kinds[c], i+1)
	}
	for _, list := range kinds {
		s.rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	}
	var chosen []int
	for len(chosen) < min(n, len(calls)) {
		s.rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, k := range order {
			if len(kinds[k]) > 0 && len(chosen) < n {
				chosen, kinds[k] = append(chosen, kinds[k][0]), kinds[k][1:]
			}
		}
	}
	return chosen
}

// point breaks the verb off once, and looks at what comes after.
func (s *sweep) point(v verb, c course, at int, way how) {
	w := s.w
	where := fmt.Sprintf("%s: %s before call %d of %d", v.name, way.name, at, len(c.calls))
	fail := func(hit string, format string, args ...any) {
		s.report.fail(w, where+", "+hit, fmt.Sprintf(format, args...),
			fmt.Sprintf("ONLY=kill KIND=%s VERB=%q AT=%d WAY=%q", w.kind, v.name, at, way.name))
	}
	if err := w.restore(v.from); err != nil {
		fail("", "%v", err)
		return
	}
	r, said, err := w.traced(v.say, at, false, way.then, v.args...)
	if err != nil {
		fail("", "%v", err)
		return
	}
	res, err := r.Wait()
	if err != nil {
		fail("", "%v", err)
		return
	}
	a := said()
	a.code = code(res.Status)
	s.report.points[v.name]++
	if res.Hit == "" {
		s.report.missed++ // it took fewer calls this time
	}
	if way.signal != unix.SIGKILL {
		if complaint := way.judge(v, a); complaint != "" && res.Hit != "" {
			fail(res.Hit, "%s: %v", complaint, a)
		}
	}
	// What was detached by then is no child of the command any more.
	detached := len(v.tidy) > 0 && (a.code == 0 || strings.HasPrefix(way.name, "KILL of"))
	if !detached && !r.All(5*time.Second) {
		fail(res.Hit, "processes remain: %q", w.remains())
		_ = w.tidy(verb{tidy: [][]string{{"rm -f"}}})
	}
	if err := w.sound(); err != nil {
		fail(res.Hit, "before the retry: %v", err)
	}
	again := w.run(v.say, v.again...)
	if again.code != 0 && (v.done == "" || !strings.Contains(again.stderr, v.done)) {
		fail(res.Hit, "the retry: %v (the first said %v)", again, a)
		return
	}
	if err := s.after(v, again); err != nil {
		fail(res.Hit, "after the retry: %v", err)
		return
	}
	if !r.All(5 * time.Second) {
		fail(res.Hit, "processes remain after all: %q", w.remains())
	}
	if lines := w.remains(); len(lines) > 0 {
		fail(res.Hit, "%s", strings.Join(lines, "\n\t"))
	}
	lies, err := w.lie()
	if err != nil {
		fail(res.Hit, "%v", err)
	} else if lines := lies.beyond(c.least, c.most); len(lines) > 0 {
		fail(res.Hit, "%s", strings.Join(lines, "\n\t"))
	}
}

// judge tells what is wrong with the answer to a signal.
func (h how) judge(v verb, a answer) string {
	if a.code == 0 {
		return "" // it was done
	}
	if a.code != 128+int(h.signal) && !(v.payload && a.code == 2) {
		return fmt.Sprintf("the exit status is not %d", 128+int(h.signal))
	}
	if n := strings.Count(a.stderr, "\n"); n > 1 {
		return fmt.Sprintf("%d lines on standard error", n)
	}
	return ""
}
