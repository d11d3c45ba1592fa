// Package reaper is the small init of "run --init": pid 1 of a container, which starts the payload,
// passes signals on to it, reaps orphans, and ends with the payload's status.
//
// It is started by libcontainer's init, inside the container, from a read-only copy of the dhow binary
// bound to /sbin/docker-init, and works in a C constructor: the Go runtime never starts there, so it
// costs less than a megabyte. When it is killed the kernel ends the container with it. Any other
// process is left alone.
//
// Only main.go imports it.
package reaper

import "C"
