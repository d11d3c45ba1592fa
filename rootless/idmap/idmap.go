// Package idmap says which ids a dhow process can use and where they lie on the host.
//
// It is pure: values and arithmetic. Making the mapping is the matter of rootless/enter.
package idmap

import (
	"fmt"
	"strings"
)

// Kind is the rung of the mapping ladder a process stands on (architecture §5.7).
type Kind string

const (
	// Root is plain root without a user namespace: every id is itself.
	Root Kind = "root"
	// Subids is a user namespace with subordinate ranges (user_namespaces(7), subuid(5)).
	Subids Kind = "subids"
	// Single is a user namespace in which only id 0 exists, mapped to the caller; every other
	// owner is recorded and shown by the ownership supervisor.
	Single Kind = "single"
)

// Range maps Length ids from Inside (in the namespace) to Outside (on the host), as one line of
// /proc/PID/uid_map.
type Range struct {
	Inside  uint32 `json:"inside"`
	Outside uint32 `json:"outside"`
	Length  uint32 `json:"length"`
}

// Mapping is the id mapping of a process and the reason it is not a better one.
type Mapping struct {
	Kind Kind    `json:"kind"`
	UIDs []Range `json:"uids,omitempty"` // empty for Root
	GIDs []Range `json:"gids,omitempty"` // empty for Root
	// CallerUID and CallerGID are the ids of the person outside.
	CallerUID uint32 `json:"-"`
	CallerGID uint32 `json:"-"`
	// Reason tells in one line why no better rung was taken; empty on the best one.
	Reason string `json:"-"`
}

// Native reports whether files can be given their image owners by chown(2).
func (m Mapping) Native() bool { return m.Kind != Single }

// Userns reports whether the process stands in a user namespace of its own: overlay needs
// userxattr, device nodes can not be made.
func (m Mapping) Userns() bool { return m.Kind != Root }

// HostUID gives the id on the host of uid inside, false when it is not mapped.
func (m Mapping) HostUID(uid uint32) (uint32, bool) { return m.lookup(m.UIDs, uid) }

// HostGID gives the id on the host of gid inside, false when it is not mapped.
func (m Mapping) HostGID(gid uint32) (uint32, bool) { return m.lookup(m.GIDs, gid) }

func (m Mapping) lookup(rs []Range, id uint32) (uint32, bool) {
	if m.Kind == Root {
		return id, true
	}
	for _, r := range rs {
		if id >= r.Inside && id-r.Inside < r.Length {
			return r.Outside + (id - r.Inside), true
		}
	}
	return 0, false
}

// Key names the mapping in a store's record: stores with different keys never mix. It holds the
// exact ranges, because the same kind with other ranges means other owners on disk.
func (m Mapping) Key() string {
	if m.Kind == Root {
		return string(Root)
	}
	var b strings.Builder
	b.WriteString(string(m.Kind))
	for _, list := range [][]Range{m.UIDs, m.GIDs} {
		b.WriteByte(' ')
		for i, r := range list {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, "%d:%d:%d", r.Inside, r.Outside, r.Length)
		}
	}
	return b.String()
}
