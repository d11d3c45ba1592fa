package tests

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// Every command pays for the initialisers of every package that is linked in, before main and
// whatever the command is (architecture §5.2).
const (
	initBudget    = 5 * time.Millisecond   // all packages together
	packageBudget = 300 * time.Microsecond // one package
	packageAllocs = 1000                   // one package; unlike time the same on every machine
)

// yardstick compiles a fixed set of regular expressions, in yardstickClock on the machine of the budgets.
const (
	yardstick      = "github.com/distribution/reference"
	yardstickClock = 450 * time.Microsecond
)

// initAllowed are packages above their budget, each with the reason why it is borne.
var initAllowed = map[string]string{
	"github.com/distribution/reference":      "compiles the regular expressions of the reference grammar (0.45 ms); a copy of ours could drift from what registries accept",
	"go.podman.io/image/v5/docker/reference": "the same grammar once more, in image/v5's own copy (0.13 ms)",
}

// initCost is one line of the runtime's trace.
type initCost struct {
	name          string
	clock         time.Duration
	bytes, allocs int
}

func TestInitialisersKeepToBudget(t *testing.T) {
	const bin = "../bin/dhow"
	if _, err := os.Stat(bin); err != nil {
		t.Fatalf("%v: run the tests through `make test`, which builds bin/dhow", err)
	}
	// The minimum of several runs: other processes can only make it longer.
	least := map[string]initCost{}
	for range 15 {
		for _, c := range traceInit(t, bin) {
			if have, ok := least[c.name]; !ok || c.clock < have.clock {
				least[c.name] = c
			}
		}
	}
	if len(least) < 50 {
		t.Fatalf("the trace names only %d packages", len(least))
	}
	// The same binary took 2.4 ms and 12 ms within hours on one machine: a package whose work is known
	// tells how slow it is now.
	slow := max(1, float64(least[yardstick].clock)/float64(yardstickClock))
	var sum time.Duration
	for name, c := range least {
		sum += c.clock
		over := float64(c.clock) > slow*float64(packageBudget) || c.allocs > packageAllocs
		if over && initAllowed[name] == "" {
			t.Errorf("initialising %s takes %v and %d allocations (%d bytes): do it on first use, or allow it with a reason", name, c.clock, c.allocs, c.bytes)
		}
	}
	for name := range initAllowed {
		if _, ok := least[name]; !ok {
			t.Errorf("%s is allowed but not linked in: drop the exception", name)
		}
	}
	t.Logf("%d packages, %v, the machine %.1f times slower than the budget's", len(least), sum, slow)
	if float64(sum) > slow*float64(initBudget) {
		t.Errorf("all initialisers take %v, the budget is %v on a machine %.1f times slower", sum, initBudget, slow)
	}
}

// traceInit runs the binary once under GODEBUG=inittrace=1 (runtime package documentation):
//
//	init net/http @4.3 ms, 0.010 ms clock, 4872 bytes, 50 allocs
func traceInit(t *testing.T, bin string) []initCost {
	t.Helper()
	cmd := exec.Command(bin, "version")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s version: %v\n%s", bin, err, stderr.String())
	}
	var costs []initCost
	for s := bufio.NewScanner(&stderr); s.Scan(); {
		line, ok := strings.CutPrefix(s.Text(), "init ")
		if !ok {
			continue
		}
		var c initCost
		var at, clock float64
		if _, err := fmt.Sscanf(line, "%s @%f ms, %f ms clock, %d bytes, %d allocs", &c.name, &at, &clock, &c.bytes, &c.allocs); err != nil {
			t.Fatalf("reading %q: %v", line, err)
		}
		c.clock = time.Duration(clock * float64(time.Millisecond))
		costs = append(costs, c)
	}
	return costs
}
