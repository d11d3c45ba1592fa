package tests

import (
	"os/exec"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// refusedCmd is `refused FLAGS PATTERN`: run with FLAGS ends with 125 before the image is looked for,
// with one line on stderr that the pattern fits.
func refusedCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: refused FLAGS PATTERN")
	}
	cmd := exec.Command(ts.Getenv("DHOW"), append(append([]string{"run", "--rm"}, strings.Fields(args[0])...), "no-such-image", "true")...)
	cmd.Dir = ts.Getenv("WORK")
	for _, name := range []string{"PATH", "HOME", "XDG_DATA_HOME", "TMPDIR"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	var out, talk strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &talk
	_ = cmd.Run()
	text := strings.TrimSuffix(talk.String(), "\n")
	if code := cmd.ProcessState.ExitCode(); code != 125 || out.Len() > 0 || strings.Contains(text, "\n") || !regexp.MustCompile(args[1]).MatchString(text) {
		ts.Fatalf("run %s: code %d, %q; want 125 and one line that fits %s", args[0], code, text, args[1])
	}
}
