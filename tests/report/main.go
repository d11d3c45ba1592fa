// Command report reads `go test -json` from standard input and prints what a person wants to know:
// a line for each package, everything a failed test said, why tests were skipped, and the sum. Its
// exit status is that of the tests.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
)

// event is one line of test2json (go doc cmd/test2json); build events name an ImportPath.
type event struct {
	Action, Package, ImportPath, Test, Output string
	Elapsed                                   float64
}

type test struct{ pkg, name string }

func main() { os.Exit(report(os.Stdin, os.Stdout)) }

func report(r io.Reader, w io.Writer) int {
	said := map[test][]string{}
	var failed, skipped []test
	passed, packages, broken := 0, 0, 0
	s := bufio.NewScanner(r)
	s.Buffer(nil, 64<<20)
	for s.Scan() {
		var e event
		if err := json.Unmarshal(s.Bytes(), &e); err != nil || e.Action == "" {
			fmt.Fprintln(w, s.Text())
			continue
		}
		key := test{e.Package, e.Test}
		switch e.Action {
		case "build-output":
			fmt.Fprint(w, e.Output)
		case "build-fail":
			broken++
		case "output":
			said[key] = append(said[key], e.Output)
			if strings.HasPrefix(e.Output, "NOT TRIED") || strings.HasPrefix(e.Output, "tests: not tried") {
				fmt.Fprint(w, e.Output)
			}
		case "pass", "fail", "skip":
			if e.Test == "" {
				packages++
				if e.Action == "fail" {
					broken++
				}
				fmt.Fprintf(w, "%-4s %s (%.1f s)\n", e.Action, e.Package, e.Elapsed)
				if e.Action == "fail" {
					fmt.Fprint(w, strings.Join(said[key], ""))
				}
				continue
			}
			switch e.Action {
			case "pass":
				passed++
			case "skip":
				skipped = append(skipped, key)
			case "fail":
				failed = append(failed, key)
				fmt.Fprint(w, strings.Join(said[key], ""))
			}
			if e.Action == "pass" {
				delete(said, key)
			}
		}
	}
	if err := s.Err(); err != nil {
		fmt.Fprintln(w, "reading the test events:", err)
		broken++
	}
	if len(skipped) > 0 {
		fmt.Fprintln(w, "\nSkipped:")
		for _, line := range reasons(skipped, said) {
			fmt.Fprintln(w, "  "+line)
		}
	}
	if len(failed) > 0 {
		fmt.Fprintln(w, "\nFailed:")
		for _, t := range failed {
			fmt.Fprintln(w, "  "+t.pkg+" "+t.name)
		}
	}
	fmt.Fprintf(w, "\n%d passed, %d failed, %d skipped in %d packages\n", passed, len(failed), len(skipped), packages)
	if len(failed) > 0 || broken > 0 || packages == 0 {
		return 1
	}
	return 0
}

// reasons gives a line for each skipped test with the last thing it said.
func reasons(skipped []test, said map[test][]string) []string {
	var lines []string
	for _, t := range skipped {
		why := ""
		for _, out := range said[t] {
			if text := strings.TrimSpace(out); text != "" && !strings.HasPrefix(text, "=== ") && !strings.HasPrefix(text, "--- ") {
				why = text
			}
		}
		lines = append(lines, strings.TrimSpace(t.name+": "+why))
	}
	sort.Strings(lines)
	return lines
}
