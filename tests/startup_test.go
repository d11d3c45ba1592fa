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
// whatever the command is (architecture §5.2). The budgets are of what is the same on every machine and
// however busy it is; the time is for who reads the log, and for `make bench`.
const (
	initPackages  = 290
	initAllocs    = 11000   // all packages together
	initBytes     = 1500000 // allocated by all together
	packageAllocs = 1000    // one package
	packageBytes  = 100000
)

// initAllowed are packages above their budget, each with the reason why it is borne.
var initAllowed = map[string]string{
	"github.com/distribution/reference":      "compiles the regular expressions of the reference grammar; a copy of ours could drift from what registries accept",
	"go.podman.io/image/v5/docker/reference": "the same grammar once more, in image/v5's own copy",
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
	costs := traceInit(t, bin)
	if len(costs) < 50 {
		t.Fatalf("the trace names only %d packages", len(costs))
	}
	var all initCost
	linked := map[string]bool{}
	for _, c := range costs {
		linked[c.name] = true
		all.clock, all.bytes, all.allocs = all.clock+c.clock, all.bytes+c.bytes, all.allocs+c.allocs
		if (c.allocs > packageAllocs || c.bytes > packageBytes) && initAllowed[c.name] == "" {
			t.Errorf("initialising %s takes %d allocations of %d bytes (%v): do it on first use, or allow it with a reason", c.name, c.allocs, c.bytes, c.clock)
		}
	}
	for name := range initAllowed {
		if !linked[name] {
			t.Errorf("%s is allowed but not linked in: drop the exception", name)
		}
	}
	t.Logf("%d packages, %d allocations of %d bytes, %v", len(costs), all.allocs, all.bytes, all.clock)
	if len(costs) > initPackages || all.allocs > initAllocs || all.bytes > initBytes {
		t.Errorf("the initialisers of %d packages make %d allocations of %d bytes; the budget is %d, %d and %d", len(costs), all.allocs, all.bytes, initPackages, initAllocs, initBytes)
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
