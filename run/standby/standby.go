// Package standby starts the monitor of a container before the command that will want it has begun.
//
// A monitor is this program once more, and its start takes as long as that of the command. So a C
// constructor (standby.c), which runs when the namespaces are entered and before the Go runtime starts,
// looks at argv for "run" with -d or -t and starts the monitor then: both start at the same time, on two
// processors. The monitor waits for its first message; nothing happens when that never comes, for then the
// constructor has guessed wrong, or the command ends without a container.
package standby

/*
#cgo CFLAGS: -O2 -Wall -Wextra
#include "standby.h"
*/
import "C"

import (
	"net"
	"os"
	"sync"

	_ "github.com/dhow-containers/dhow/rootless/enter" // its constructor, and what that has found
)

// Monitor is a started monitor: what it is told to do, and the process.
type Monitor struct {
	Conn    *net.UnixConn
	Process *os.Process
}

var once sync.Once

// Take gives the monitor that was started with this process, to the first who asks; nil when there is
// none.
func Take() *Monitor {
	var m *Monitor
	once.Do(func() {
		if C.dhow_standby.pid == 0 {
			return
		}
		f := os.NewFile(uintptr(C.dhow_standby.socket), "monitor")
		conn, err := net.FileConn(f)
		f.Close()
		if err != nil {
			return // it ends: the socket is closed
		}
		p, _ := os.FindProcess(int(C.dhow_standby.pid)) // on Unix without error
		m = &Monitor{Conn: conn.(*net.UnixConn), Process: p}
	})
	return m
}

// Dismiss ends the monitor that was started with this process, which wants none after all.
func Dismiss() {
	if m := Take(); m != nil {
		_ = m.Process.Kill() // it has been told nothing
		_, _ = m.Process.Wait()
		m.Conn.Close()
	}
}

// Environment is the one of a monitor, as the constructor gives it.
func Environment() []string {
	var env [C.STANDBY_ENV]*C.char
	C.standby_environment(&env[0])
	var out []string
	for _, kv := range env {
		if kv == nil {
			break
		}
		out = append(out, C.GoString(kv))
	}
	return out
}

// wanted is the constructor's guess.
func wanted(argv []string) bool {
	text := make([]*C.char, len(argv)+1)
	for i, a := range argv {
		text[i] = C.CString(a)
	}
	return C.standby_wanted(C.int(len(argv)), &text[0]) != 0
}
