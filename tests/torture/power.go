package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/dhow-containers/dhow/tests/torture/trace"
)

// outage takes the power away: right after commands have reported that they are done, and in the middle
// of them.
type outage struct {
	w      *world
	rng    *rand.Rand
	states int // moments for each verb and filesystem, besides the end
	fs     []filesystem
	verbs  []string
	report *report
}

// durable are the verbs whose success is to survive.
var durable = []string{"pull", "load", "build", "commit", "tag", "volume create"}

func (o *outage) run() error {
	d, err := newDepot(o.w.dir)
	if err != nil {
		return err
	}
	for _, fs := range o.fs {
		for _, v := range verbs(o.w) {
			if slices.Contains(o.verbs, v.name) {
				err = errors.Join(err, o.verb(d, fs, v))
			}
		}
	}
	return errors.Join(err, d.close())
}

func (o *outage) verb(d *depot, fs filesystem, v verb) error {
	if err := o.w.onDisk(d, fs, v.from); err != nil {
		return err
	}
	calls := o.moment(d, fs, v, 0)
	for i := 0; i < o.states && calls > 0; i++ {
		o.moment(d, fs, v, 1+o.rng.IntN(calls))
	}
	return nil
}

// moment cuts the power before call at, or at the end with 0, and gives the number of calls.
func (o *outage) moment(d *depot, fs filesystem, v verb, at int) int {
	w := o.w
	o.report.points["power: "+v.name]++
	fail := func(when string, err error) {
		o.report.fail(w, fmt.Sprintf("%s on %s, power cut %s", v.name, fs.name, when), err.Error(), "ONLY=power KIND="+w.kind)
	}
	eject, err := w.insert(d, "base", "disk", true)
	if err != nil {
		fail("", err)
		return 0
	}
	var cut error
	snapshot := func() { cut = d.clone("disk", "cut") }
	r, said, err := w.traced(v.say, at, at == 0, func(t *trace.Tree) { snapshot(); t.Kill() }, v.args...)
	if err != nil {
		fail("", errors.Join(err, eject()))
		return 0
	}
	res, err := r.Wait()
	if res.Hit == "" {
		snapshot()
	}
	r.All(5 * time.Second)
	a := said()
	a.code = code(res.Status)
	when := fmt.Sprintf("before call %d, %s", at, res.Hit)
	if res.Hit == "" {
		when = "after its end"
		if a.code != 0 {
			err = errors.Join(err, fmt.Errorf("undisturbed: %v", a))
		}
	}
	if err := errors.Join(err, cut, eject()); err != nil {
		fail(when, err)
		return 0
	}
	if err := o.after(d, v, a, res.Hit == ""); err != nil {
		fail(when, err)
	}
	return res.Calls
}

// after starts again with what was on the disk.
func (o *outage) after(d *depot, v verb, a answer, done bool) (err error) {
	w := o.w
	eject, err := w.insert(d, "cut", "again", false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, eject()) }()
	back, err := otherBoot(w.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, back()) }()
	if err := w.sound(); err != nil {
		return fmt.Errorf("after the cut: %w", err)
	}
	if done {
		if err := v.check(w, a); err != nil {
			return fmt.Errorf("what was reported done is lost: %w", err)
		}
	}
	again := w.run(v.say, v.again...)
	if again.code != 0 && (v.done == "" || !strings.Contains(again.stderr, v.done)) {
		return fmt.Errorf("the next command: %v", again)
	}
	if err := v.check(w, again); err != nil {
		return fmt.Errorf("after the next command: %w", err)
	}
	return w.sound()
}
