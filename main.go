// Dhow builds and runs containers as a normal user, from one static binary and without a daemon.
//
// The process that a person starts and the processes that dhow starts of itself are the same
// program; this file tells them apart, and nothing else.
package main

// PKCS#11 modules, which a library of ours offers for keys on a card, are shared objects. A static
// program that loads one brings a second C library into its process, of another version than its own
// – the linker warns of every mention of dlopen(3). So the Makefile has the linker send those calls
// here (--wrap), and a card's key is an error of the library that wanted it.

/*
#include <stddef.h>

void *__wrap_dlopen(const char *file, int mode) { (void)file; (void)mode; return NULL; }
*/
import "C"

import (
	"fmt"
	"os"
	"runtime/debug"
	"syscall"

	// The C bootstraps: what must happen before the Go runtime starts.
	_ "github.com/opencontainers/runc/libcontainer/nsenter"
	cstorage "go.podman.io/storage/pkg/reexec"

	"github.com/dhow-containers/dhow/commands"
	_ "github.com/dhow-containers/dhow/rootless/enter"
	"github.com/dhow-containers/dhow/rootless/reexec"
	"github.com/dhow-containers/dhow/run"
	"github.com/dhow-containers/dhow/run/sandbox"
	_ "github.com/dhow-containers/dhow/run/sandbox/reaper"
)

// roles are the processes this program can be besides a command, in the order they are asked. Each
// reports whether it was meant; what it does, it has done then.
var roles = []struct {
	name string
	play func() bool
}{
	{"container init, started by run/sandbox", sandbox.Role},
	{"monitor of a detached container, started by run", run.Role},
	{"archive work in a chroot and mounts, started by the storage library", cstorage.Init},
	{"the command of a binary whose own name looks like a role", renamed},
}

func main() {
	for _, r := range roles {
		if r.play() {
			return
		}
	}
	// The first collection of garbage at 16 MB instead of 4: most commands end before it.
	debug.SetGCPercent(400)
	os.Exit(commands.Main(os.Args))
}

// renamed starts a command again whose binary is called, say, dhow-1.2: for the constructor that is
// a role's argv[0].
func renamed() bool {
	if _, ok := reexec.Role(os.Args); !ok {
		return false
	}
	args := append([]string{"dhow"}, os.Args[1:]...)
	fmt.Fprintln(os.Stderr, "dhow:", syscall.Exec("/proc/self/exe", args, os.Environ()))
	os.Exit(125)
	return true
}
