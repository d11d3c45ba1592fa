package main

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
)

func TestStatistics(t *testing.T) {
	for _, c := range []struct {
		samples     []float64
		min, median float64
	}{
		{nil, 0, 0}, {[]float64{3}, 3, 3}, {[]float64{4, 2}, 2, 3}, {[]float64{9, 1, 5}, 1, 5}, {[]float64{4, 1, 3, 2}, 1, 2.5},
	} {
		s := Series{Samples: c.samples}
		if s.Min() != c.min || s.Median() != c.median {
			t.Errorf("%v: minimum %v, median %v; want %v and %v", c.samples, s.Min(), s.Median(), c.min, c.median)
		}
	}
}

func TestVerdicts(t *testing.T) {
	r := &Result{Series: []Series{
		{Name: "dhow", Samples: []float64{10, 12, 14}}, {Name: "peer", Samples: []float64{20, 30, 25}}, {Name: "none"},
	}}
	r.atMost("dhow", "peer", 0.5)
	r.faster("dhow", "peer", 2.5)
	r.moreBy("peer", "dhow", 10)
	r.within("dhow", 12, "ms")
	r.info("dhow", "peer")
	r.atMost("dhow", "none", 1) // not measured: no verdict
	want := []struct {
		measured []float64
		met      bool
	}{
		{[]float64{0.5, 0.48}, true}, {[]float64{2, 25.0 / 12}, false}, {[]float64{10, 13}, false}, {[]float64{10, 12}, true}, {[]float64{2, 25.0 / 12}, true},
	}
	if len(r.Verdicts) != len(want) {
		t.Fatalf("%d verdicts, want %d", len(r.Verdicts), len(want))
	}
	for i, v := range r.Verdicts {
		for k, m := range v.Measured {
			if math.Abs(m-want[i].measured[k]) > 1e-9 {
				t.Errorf("%s: measured %v, want %v", v.Promise, v.Measured, want[i].measured)
			}
		}
		if v.Met() != want[i].met {
			t.Errorf("%s: met %v", v.Promise, v.Met())
		}
	}
	if (Verdict{Bound: 1}).Met() || (Verdict{Measured: []float64{math.NaN()}, Bound: 1}).Met() {
		t.Error("what was not measured is not met")
	}
}

func TestRendering(t *testing.T) {
	a := Result{Key: "exec", Title: "exec & true", Series: []Series{{Name: "dhow", Samples: []float64{10, 20, 30}}, {Name: "podman", Samples: []float64{100, 2000, 3000}}, {Name: "dhow syncs", Samples: []float64{0}, Unit: "syncs"}}}
	a.faster("dhow", "podman", 5)
	a.info("dhow", "podman")
	b := Result{Key: "run", Title: "run", Series: []Series{{Name: "dhow", Samples: []float64{1.5}}, {Name: "crun", Samples: []float64{1}}}}
	b.atMost("dhow", "crun", 1.2)
	var r Report
	r.put(a)
	r.put(Result{Key: "run", Title: "old"})
	r.put(b) // instead of the old one
	r.put(Result{Key: "no line of today"})
	r.sort()
	table := r.table()
	want := "| run | 1.50 / 1.50 ms | crun 1 / 1 ms | dhow against crun ≤ 1.20× | 1.50× / 1.50× | **not met** |\n" +
		"| exec & true | 10 / 20 ms<br>syncs 0 / 0 syncs | podman 100 / 2000 ms | dhow faster than podman ≥ 5× | 10× / 100× | met |\n" +
		"|  |  |  | dhow faster than podman  | 10× / 100× | – |\n"
	if !strings.HasSuffix(table, want) {
		t.Errorf("table:\n%s\nwant at its end:\n%s", table, want)
	}
	chart := r.chart()
	d := xml.NewDecoder(strings.NewReader(chart))
	bars := 0
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the chart is no XML: %v", err)
		}
		if e, ok := tok.(xml.StartElement); ok && e.Name.Local == "rect" {
			bars++
		}
	}
	if bars != 4 {
		t.Errorf("%d bars, want 4", bars)
	}
	if !strings.Contains(chart, `width="380.0"`) || !strings.Contains(chart, ">2 s<") {
		t.Errorf("the longest bar is not as long as the plot, or has no length in words:\n%s", chart)
	}
}

func TestSelected(t *testing.T) {
	if keys, err := selected("run,exec"); err != nil || len(keys) != 2 {
		t.Errorf("%v %v", keys, err)
	}
	if keys, err := selected("24"); err != nil || len(keys) != len(lines) {
		t.Errorf("the height of a terminal: %v %v", keys, err)
	}
	if keys, err := selected(""); err != nil || len(keys) != len(lines) {
		t.Errorf("%v %v", keys, err)
	}
	if _, err := selected("run,walk"); err == nil || !strings.Contains(err.Error(), `"walk"`) {
		t.Errorf("an unknown line: %v", err)
	}
}

func TestCalls(t *testing.T) {
	log := `1 execve("/bin/dhow", ["dhow"], 0x7 /* 1 var */) = 0
1 clone(child_stack=0x7, flags=CLONE_VM|CLONE_THREAD <unfinished ...>
1 <... clone resumed>) = 2
2 clone3({flags=CLONE_VFORK}, 88) = 3
3 fsync(4) = 0
3 fcntl(5, F_SETLK, {l_type=F_WRLCK}) = 0
3 fcntl(5, F_GETFD) = 0
2 flock(6, LOCK_EX) = 0
3 +++ exited with 0 +++
`
	all, syncs, locks, processes := calls(log)
	if all != 7 || syncs != 1 || locks != 2 || processes != 2 {
		t.Errorf("%d calls, %d syncs, %d locks, %d processes", all, syncs, locks, processes)
	}
}
