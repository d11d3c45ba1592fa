// Package monitor is the door through which other dhow processes reach a running container, and the
// place where its streams meet: log, attached callers, stdin.
//
// A container belongs to one dhow process, its monitor: the one that started it in the foreground, or
// one of its own for a detached container (run). Other commands live in user namespaces of their own,
// from which the container's processes can neither be signalled nor joined; so they ask the monitor,
// which holds the container's first process in its hand and can not mistake it for another one that got
// its number.
//
// They ask through a unix socket, ID/control, mode 0600 in a directory of mode 0700. One connection
// carries one request:
//
//	caller                                    monitor
//	  Request, a line of JSON (+ descriptors) →
//	                                          ← Reply, a line of JSON (+ a terminal's descriptor)
//	exec:                                     ← Reply with Status when the process has ended
//	attach: stdin as it is, half-closed →     ← frames: stream, 3 zero bytes, length (big endian), data
//
// Killed, the monitor takes the container with it; the socket stays as a name that nobody answers and
// goes with the container's directory.
package monitor
