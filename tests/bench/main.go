// Command bench measures what dhow promises about speed, beside its peers, and prints whether each
// promise holds. `make bench` starts it; nothing in `make test` depends on a time.
//
// It prepares everything itself: the peers from Debian's packages (as root), images and trees made on
// the spot, a registry on the loopback, and as root a fresh journaled ext4 on a loop device as the
// place of all stores, in a mount namespace of its own, so that a killed run leaves no mount. Within a
// line dhow and the peers take turns (ABAB…), so that a machine that becomes slower does so for all.
//
//	make bench                     every line
//	make bench LINES=run,exec      some
//	QUICK=1 make bench             fewer rounds and smaller things: to see that it works
//
// Environment: DHOW_BENCH_DIR keeps what was prepared for the next run (else it goes at the end), and
// lines measured there earlier stay in the results; DHOW_BENCH_OUT is where bench.json and bench.svg
// go (the working directory); DHOW_BENCH_SECONDS bounds the rounds of a line after the second (75).
// DHOW_BENCH_DHOW, DHOW_BENCH_PODMAN, DHOW_BENCH_BUILDAH,
// DHOW_BENCH_CRUN, DHOW_BENCH_RUNC and DHOW_BENCH_SKOPEO name other binaries ("none":
// leave it out); DHOW_BENCH_BUILDKITD with DHOW_BENCH_BUILDCTL adds BuildKit.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// lines are everything the project promises about speed, in the order of the table.
var lines = []struct {
	key, title string
	measure    func(*bench) (*Result, error)
}{
	{"run", "run --rm --network none IMAGE true, 100 layers in the store", lineRun},
	{"count", "what one run costs in system calls", lineCount},
	{"flat", "run with 1 to 10,000 layers and containers in the store", lineFlat},
	{"exec", "exec CONTAINER true", lineExec},
	{"list", "images and ps -a with 100 entries", lineList},
	{"present", "pull of an image that is present", linePresent},
	{"parallel", "50 run --rm at once", lineParallel},
	{"rebuild", "cached rebuild, 20 instructions, 1,000-file context", lineRebuild},
	{"steps", "ten small RUN steps, cold", lineSteps},
	{"stages", "four CPU-bound stages", lineStages},
	{"files", "RUN writing 5,000 files", lineFiles},
	{"context", "cached rebuild, 22,000-file context", lineContext},
	{"copy", "COPY of 22,700 files, 517 MB, cold", lineCopy},
	{"pull", "pull of a Debian layer", linePull},
	{"layers", "pull of 20 layers", linePull20},
	{"load", "load of a docker-archive", lineLoad},
	{"memory", "build of one 2 GB layer", lineMemory},
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == runnerRole {
		os.Exit(playRunner(os.Stdin, os.Stdout))
	}
	if err := start(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// start goes on in a mount namespace of its own as root, and at once as a user.
func start() error {
	if os.Getuid() != 0 || os.Getenv("DHOW_BENCH_INSIDE") != "" {
		return all()
	}
	return again("DHOW_BENCH_INSIDE=1")
}

// selected gives the keys asked for by LINES, or all.
func selected(wish string) ([]string, error) {
	var known []string
	for _, l := range lines {
		known = append(known, l.key)
	}
	if _, err := strconv.Atoi(wish); err == nil || wish == "" {
		return known, nil // a number is the height of the terminal, which some shells export
	}
	keys := strings.FieldsFunc(wish, func(r rune) bool { return r == ',' || r == ' ' })
	for _, k := range keys {
		if !slices.Contains(known, k) {
			return nil, fmt.Errorf("no line %q; there are: %s", k, strings.Join(known, " "))
		}
	}
	return keys, nil
}

func all() (err error) {
	keys, err := selected(os.Getenv("LINES"))
	if err != nil {
		return err
	}
	out := os.Getenv("DHOW_BENCH_OUT")
	if out == "" {
		if out, err = os.Getwd(); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err // now, and not after an hour
	}
	b, err := prepare(os.Getenv("QUICK") != "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	stopped := make(chan os.Signal, 1)
	signal.Notify(stopped, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		<-stopped
		b.close()
		os.Exit(130)
	}()

	report := Report{Machine: b.machine()}
	file := filepath.Join(out, "bench.json")
	if old, err := os.ReadFile(file); err == nil && os.Getenv("DHOW_BENCH_DIR") != "" {
		var before Report
		if json.Unmarshal(old, &before) == nil {
			report.Results = before.Results
		}
	}
	var failed []error
	for _, l := range lines {
		if !slices.Contains(keys, l.key) {
			continue
		}
		fmt.Fprintf(os.Stderr, "bench: %s: %s\n", l.key, l.title)
		r, err := l.measure(b)
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", l.key, err))
			fmt.Fprintf(os.Stderr, "bench: %s: %v\n", l.key, err)
			continue
		}
		r.Key, r.Title = l.key, l.title
		report.put(*r)
		if err := report.write(out); err != nil {
			return err
		}
		fmt.Fprint(os.Stderr, r.details())
	}
	report.sort()
	if err := report.write(out); err != nil {
		return err
	}
	fmt.Print(report.Machine.describe(), "\n", report.table())
	return errors.Join(failed...)
}
