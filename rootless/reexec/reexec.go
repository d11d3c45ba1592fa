// Package reexec starts dhow itself in a named role.
//
// A role is a row of the table in main.go. Its process gets argv[0] "dhow-<role>", one message and
// its descriptors; it reads no flags and no configuration, and the constructor of rootless/enter
// leaves it in the namespaces of its parent.
package reexec

import (
	"context"
	"os/exec"
	"strings"
)

const prefix = "dhow-"

// Role gives the role that argv asks for, false when argv is a command line.
func Role(argv []string) (string, bool) {
	if len(argv) == 0 || strings.Contains(argv[0], "/") {
		return "", false
	}
	return strings.CutPrefix(argv[0], prefix)
}

// Command prepares, as exec.CommandContext does, this binary in role. The caller sets descriptors,
// environment and attributes. The binary is named by /proc/self/exe, so one that was replaced or
// deleted meanwhile starts as the same version.
func Command(ctx context.Context, role string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", args...)
	cmd.Args[0] = prefix + role
	return cmd
}
