package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// report is what was found.
type report struct {
	out      io.Writer
	seed     uint64
	points   map[string]int // by verb or state
	missed   int
	failures []string
	prepared map[string]bool
}

func newReport(out io.Writer, seed uint64) *report {
	return &report{out: out, seed: seed, points: map[string]int{}, prepared: map[string]bool{}}
}

// fail tells of a failure; again is how to see it once more.
func (r *report) fail(w *world, where, what, again string) {
	text := fmt.Sprintf("as %s: %s\n\t%s\n\tmake torture SEED=%d %s", w.kind, where, strings.TrimSpace(what), r.seed, again)
	r.failures = append(r.failures, text)
	fmt.Fprintln(r.out, text)
}

func (r *report) summary() string {
	var b strings.Builder
	all := 0
	for _, name := range slices.Sorted(maps.Keys(r.points)) {
		fmt.Fprintf(&b, "%6d  %s\n", r.points[name], name)
		all += r.points[name]
	}
	fmt.Fprintf(&b, "%6d  points, %d of them past the end; %d failures; seed %d\n", all, r.missed, len(r.failures), r.seed)
	return b.String()
}
