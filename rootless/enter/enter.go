// Package enter puts a dhow command into its namespaces before the Go runtime starts.
//
// A C constructor (enter.c) runs when the binary is loaded, while the process has one thread. It
// decides by argv and the environment whether the command needs namespaces, makes them in the same
// process, writes the id maps and leaves a record in memory; this file is the reading side of it. It
// prints nothing and never ends the process: what went wrong is told by Err.
//
// The rungs, from best to worst, are those of idmap.Kind:
//
//   - plain root stays root and gets only a private mount namespace;
//   - a user with subordinate ids gets a user namespace in which 0 is the caller and 1… are the
//     ranges of subuid(5) and subgid(5), written by newuidmap(1) and newgidmap(1) in parallel;
//   - everybody else gets a user namespace in which only 0 exists, mapped to the caller.
//
// DHOW_MAPPING=root|subids|single forces a rung. DHOW_ENTER=1 makes the constructor act whatever
// argv says; it is taken out of the environment again.
//
// The constructor is inert for commands that need no namespace (version, help, completion), for those
// whose mounts are to stay with their caller (see Stay), for
// libcontainer's own init (_LIBCONTAINER_INITPIPE), and for processes that dhow starts of itself in
// a named role (argv[0] "storage-…" or "dhow-…"): those live where their parent put them.
package enter

import (
	"github.com/dhow-containers/dhow/rootless/idmap"
)

// Current gives the mapping this process lives in. In a process the constructor left alone it is
// read from /proc/self/uid_map.
func Current() idmap.Mapping { return state().mapping }

// Entered reports whether the constructor acted and succeeded.
func Entered() bool { return state().entered }

// Err tells why the namespaces could not be entered, nil when they were or when the command needed
// none. It is an *Error, which carries the cure.
func Err() error {
	if e := state().err; e != nil {
		return e
	}
	return nil
}
