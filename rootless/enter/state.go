package enter

/*
#cgo CFLAGS: -O2 -Wall -Wextra
#include "enter.h"
*/
import "C"

import (
	"bufio"
	"fmt"
	"os"
	"sync"

	"github.com/dhow-containers/dhow/rootless/idmap"
)

type established struct {
	acted   bool
	entered bool
	mapping idmap.Mapping
	err     *Error
}

// adopted is what Adopt was told.
var adopted *idmap.Mapping

// Adopt tells a role of dhow (reexec) which namespaces its parent left it in: those the parent entered,
// with mapping m. It must be called before everything else of this package.
func Adopt(m idmap.Mapping) { adopted = &m }

// state turns the constructor's record into Go values, once.
var state = sync.OnceValue(func() established {
	r := &C.dhow_enter_record
	if adopted != nil {
		return established{acted: true, entered: true, mapping: *adopted}
	}
	s := established{acted: r.acted != 0}
	m := &s.mapping
	m.CallerUID, m.CallerGID = uint32(r.uid), uint32(r.gid)
	m.Reason = reason(int(r.reason), C.GoString(&r.detail[0]))
	switch r.rung {
	case C.RUNG_ROOT:
		m.Kind = idmap.Root
	case C.RUNG_SUBIDS:
		m.Kind = idmap.Subids
	case C.RUNG_SINGLE:
		m.Kind = idmap.Single
	}
	if m.Kind == idmap.Subids || m.Kind == idmap.Single {
		m.UIDs, m.GIDs = ranges(&r.uids), ranges(&r.gids)
	}
	s.entered = s.acted && r.rung != C.RUNG_NONE && r.failed == C.STEP_NONE
	if s.acted && !s.entered {
		s.err = newError(int(r.failed), int(r.error), int(r.reason), C.GoString(&r.detail[0]))
	}
	if !s.acted {
		surrounding(m)
	}
	return s
})

// actedAlready reports whether the constructor has entered, or tried to.
func actedAlready() bool { return C.dhow_enter_record.acted != 0 }

func ranges(m *C.struct_enter_map) []idmap.Range {
	out := make([]idmap.Range, 0, int(m.count))
	for _, r := range m._range[:m.count] {
		out = append(out, idmap.Range{Inside: uint32(r.inside), Outside: uint32(r.outside), Length: uint32(r.length)})
	}
	return out
}

// surrounding reads the mapping of a process that somebody else put where it is.
func surrounding(m *idmap.Mapping) {
	m.UIDs, m.GIDs = readMap("/proc/self/uid_map"), readMap("/proc/self/gid_map")
	switch {
	case len(m.UIDs) == 1 && m.UIDs[0] == idmap.Range{Length: 1<<32 - 1}:
		// The first user namespace. A user who is not root has no rung yet; Single is what could
		// be had without asking anybody.
		m.UIDs, m.GIDs = nil, nil
		m.Kind = idmap.Root
		if os.Geteuid() != 0 {
			m.Kind = idmap.Single
			m.UIDs = []idmap.Range{{Outside: m.CallerUID, Length: 1}}
			m.GIDs = []idmap.Range{{Outside: m.CallerGID, Length: 1}}
		}
	case len(m.UIDs) == 1 && m.UIDs[0].Length == 1:
		m.Kind = idmap.Single
		m.CallerUID, m.CallerGID = callerOf(m)
	default:
		m.Kind = idmap.Subids
		m.CallerUID, m.CallerGID = callerOf(m)
	}
}

func callerOf(m *idmap.Mapping) (uid, gid uint32) {
	uid, _ = m.HostUID(0)
	gid, _ = m.HostGID(0)
	return uid, gid
}

func readMap(path string) []idmap.Range {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	var out []idmap.Range
	for s := bufio.NewScanner(f); s.Scan(); {
		var r idmap.Range
		if n, _ := fmt.Sscan(s.Text(), &r.Inside, &r.Outside, &r.Length); n == 3 {
			out = append(out, r)
		}
	}
	return out
}
