package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Series is what one command took, round by round.
type Series struct {
	Name    string
	Samples []float64 // milliseconds unless Unit says otherwise
	Unit    string    `json:",omitempty"`
}

// Min is the least sample; 0 without samples.
func (s Series) Min() float64 {
	if len(s.Samples) == 0 {
		return 0
	}
	return slices.Min(s.Samples)
}

// Median is the middle sample, or the mean of the two in the middle; 0 without samples.
func (s Series) Median() float64 {
	n := len(s.Samples)
	if n == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s.Samples))
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// Verdict is one promise and what became of it.
type Verdict struct {
	Promise string
	// Measured is by minimum and by median, in this order, or one figure.
	Measured []float64
	Unit     string // "×", "ms", …
	// AtLeast says that Bound is the least that is promised, else it is the most.
	AtLeast bool    `json:",omitempty"`
	Bound   float64 `json:",omitempty"`
	Info    bool    `json:",omitempty"` // promises nothing
}

// Met reports whether every figure keeps to the bound.
func (v Verdict) Met() bool {
	if len(v.Measured) == 0 {
		return false
	}
	for _, m := range v.Measured {
		if math.IsNaN(m) || v.AtLeast && m < v.Bound || !v.AtLeast && m > v.Bound {
			return false
		}
	}
	return true
}

func (v Verdict) word() string {
	switch {
	case v.Info:
		return "–"
	case v.Met():
		return "met"
	}
	return "**not met**"
}

func (v Verdict) bound() string {
	if v.Info {
		return ""
	}
	sign := "≤"
	if v.AtLeast {
		sign = "≥"
	}
	return sign + " " + figure(v.Bound, v.Unit)
}

func (v Verdict) measured() string {
	var list []string
	for _, m := range v.Measured {
		list = append(list, figure(m, v.Unit))
	}
	return strings.Join(list, " / ")
}

// figure prints x with as many digits as say something.
func figure(x float64, unit string) string {
	digits := 0
	switch a := math.Abs(x); {
	case x == math.Trunc(x) && a < 1e6:
	case a < 10:
		digits = 2
	case a < 100:
		digits = 1
	}
	if unit == "×" || unit == "" {
		return fmt.Sprintf("%.*f%s", digits, x, unit)
	}
	return fmt.Sprintf("%.*f %s", digits, x, unit)
}

// ratio compares two series by minimum and by median.
func ratio(a, b Series) []float64 { return []float64{a.Min() / b.Min(), a.Median() / b.Median()} }

// more is how much a takes more than b, by minimum and by median.
func more(a, b Series) []float64 { return []float64{a.Min() - b.Min(), a.Median() - b.Median()} }

// Result is one line measured.
type Result struct {
	Key, Title string
	Date       string
	Series     []Series
	Verdicts   []Verdict
	Notes      []string `json:",omitempty"`
}

// find gives the series of that name.
func (r *Result) find(name string) (Series, bool) {
	i := slices.IndexFunc(r.Series, func(s Series) bool { return s.Name == name })
	if i < 0 || len(r.Series[i].Samples) == 0 {
		return Series{}, false
	}
	return r.Series[i], true
}

// atMost notes the promise that ours takes at most bound times what theirs takes; nothing when either
// was not measured.
func (r *Result) atMost(ours, theirs string, bound float64) {
	a, ok := r.find(ours)
	b, also := r.find(theirs)
	if ok && also {
		r.Verdicts = append(r.Verdicts, Verdict{Promise: ours + " against " + theirs, Measured: ratio(a, b), Unit: "×", Bound: bound})
	}
}

// faster notes the promise that ours is at least bound times faster than theirs.
func (r *Result) faster(ours, theirs string, bound float64) {
	a, ok := r.find(ours)
	b, also := r.find(theirs)
	if ok && also {
		r.Verdicts = append(r.Verdicts, Verdict{Promise: ours + " faster than " + theirs, Measured: ratio(b, a), Unit: "×", Bound: bound, AtLeast: true})
	}
}

// info is faster without a promise.
func (r *Result) info(ours, theirs string) {
	n := len(r.Verdicts)
	r.faster(ours, theirs, 0)
	if len(r.Verdicts) > n {
		r.Verdicts[n].Info = true
	}
}

// moreBy notes the promise that ours takes at most bound milliseconds more than base.
func (r *Result) moreBy(ours, base string, bound float64) {
	a, ok := r.find(ours)
	b, also := r.find(base)
	if ok && also {
		r.Verdicts = append(r.Verdicts, Verdict{Promise: ours + " beyond " + base, Measured: more(a, b), Unit: "ms", Bound: bound})
	}
}

// within notes the promise that a series stays below bound.
func (r *Result) within(name string, bound float64, unit string) {
	if a, ok := r.find(name); ok {
		r.Verdicts = append(r.Verdicts, Verdict{Promise: name, Measured: []float64{a.Min(), a.Median()}, Unit: unit, Bound: bound})
	}
}

// details prints one result for the person who waits.
func (r *Result) details() string {
	var w strings.Builder
	for _, s := range r.Series {
		unit := s.Unit
		if unit == "" {
			unit = "ms"
		}
		fmt.Fprintf(&w, "  %-34s min %10s   median %10s   (%d)\n", s.Name, figure(s.Min(), unit), figure(s.Median(), unit), len(s.Samples))
	}
	for _, v := range r.Verdicts {
		fmt.Fprintf(&w, "  %s: %s %s %s\n", v.Promise, v.measured(), v.bound(), strings.Trim(v.word(), "*"))
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&w, "  (%s)\n", n)
	}
	return w.String()
}

// Report is everything that was measured.
type Report struct {
	Machine Machine
	Results []Result
}

// put takes a result, in place of an earlier one of the same line.
func (r *Report) put(x Result) {
	if i := slices.IndexFunc(r.Results, func(y Result) bool { return y.Key == x.Key }); i >= 0 {
		r.Results[i] = x
	} else {
		r.Results = append(r.Results, x)
	}
}

// sort puts the results into the order of lines; what is no line any more goes.
func (r *Report) sort() {
	rank := map[string]int{}
	for i, l := range lines {
		rank[l.key] = i
	}
	r.Results = slices.DeleteFunc(r.Results, func(x Result) bool { _, ok := rank[x.Key]; return !ok })
	slices.SortStableFunc(r.Results, func(a, b Result) int { return rank[a.Key] - rank[b.Key] })
}

// table is the report for the README.
func (r *Report) table() string {
	var w strings.Builder
	w.WriteString("| line | dhow, minimum / median | beside it | promise | measured (by minimum / median) | |\n|---|---|---|---|---|---|\n")
	for _, x := range r.Results {
		ours, theirs := []string{}, []string{}
		for _, s := range x.Series {
			unit := s.Unit
			if unit == "" {
				unit = "ms"
			}
			text := strings.ReplaceAll(s.Name, "|", `\|`) + " " + figure(s.Min(), "") + " / " + figure(s.Median(), unit)
			if strings.HasPrefix(s.Name, "dhow") {
				ours = append(ours, strings.TrimPrefix(strings.TrimPrefix(text, "dhow"), " "))
			} else {
				theirs = append(theirs, text)
			}
		}
		title, left, right := x.Title, strings.Join(ours, "<br>"), strings.Join(theirs, "<br>")
		for _, v := range x.Verdicts {
			fmt.Fprintf(&w, "| %s | %s | %s | %s %s | %s | %s |\n", title, left, right, strings.ReplaceAll(v.Promise, "|", `\|`), v.bound(), v.measured(), v.word())
			title, left, right = "", "", ""
		}
		if len(x.Verdicts) == 0 {
			fmt.Fprintf(&w, "| %s | %s | %s | | | |\n", title, left, right)
		}
	}
	return w.String()
}

// write puts bench.json and bench.svg into dir.
func (r *Report) write(dir string) error {
	r.sort()
	raw, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "bench.json"), append(raw, '\n'), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "bench.svg"), []byte(r.chart()), 0o644)
}
