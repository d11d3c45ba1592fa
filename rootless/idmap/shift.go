package idmap

import (
	"cmp"
	"slices"
)

// Shift tells what the processes of a container with a user namespace of its own call the ids of
// this process's namespace, in which the container's lies. The zero value is a container in this very
// namespace: every id is itself.
//
// It is what translates owners between a container's files on disk and what is said of them inside:
// no other place counts ids.
type Shift struct {
	// UID and GID are what the container calls the caller.
	UID, GID uint32
	// UIDs and GIDs are the container's ids (Inside) and this process's (Outside), sorted by Inside, as
	// lines of /proc/PID/uid_map.
	UIDs, GIDs []Range
}

// IsZero reports that ids are the same on both sides.
func (s Shift) IsZero() bool { return len(s.UIDs) == 0 }

// KeepID gives the shift of a container that is to see the caller as uid:gid, as podman's
// --userns keep-id does (containers/podman: pkg/util.GetKeepIDMapping): every other id is one of the
// subordinate ids, in their order. Where ids need no numbers of the kernel's, or would be the same on
// both sides, it is zero.
func (m Mapping) KeepID(uid, gid uint32) Shift {
	if m.Kind != Subids || uid == 0 && gid == 0 {
		return Shift{}
	}
	return Shift{UID: uid, GID: gid, UIDs: keep(m.UIDs, uid), GIDs: keep(m.GIDs, gid)}
}

// keep takes id out of the order of ids and puts 0, which the caller has here, in its place.
func keep(outer []Range, id uint32) []Range {
	var last uint32 // they have no gaps: see rootless/enter
	for _, r := range outer {
		last = max(last, r.Inside+r.Length-1)
	}
	var all []Range
	if below := min(id, last); below > 0 {
		all = append(all, Range{Inside: 0, Outside: 1, Length: below})
	}
	all = append(all, Range{Inside: id, Outside: 0, Length: 1})
	if id < last {
		all = append(all, Range{Inside: id + 1, Outside: id + 1, Length: last - id})
	}
	return split(all, outer)
}

// split cuts ranges so that each lies within one of the outer namespace's: the kernel maps no other
// (user_namespaces(7)).
func split(ranges, outer []Range) []Range {
	outer = slices.Clone(outer)
	slices.SortFunc(outer, func(a, b Range) int { return cmp.Compare(a.Inside, b.Inside) })
	var all []Range
	for _, r := range ranges {
		for _, o := range outer {
			start, end := max(r.Outside, o.Inside), min(r.Outside+r.Length, o.Inside+o.Length)
			if start < end {
				all = append(all, Range{Inside: r.Inside + (start - r.Outside), Outside: start, Length: end - start})
			}
		}
	}
	return all
}

// Through is the mapping a container with the shift stands in: its ids and the host's.
func (m Mapping) Through(s Shift) Mapping {
	if s.IsZero() {
		return m
	}
	through := func(ranges, outer []Range) []Range {
		var all []Range
		for _, r := range ranges {
			host, _ := m.lookup(outer, r.Outside)
			all = append(all, Range{Inside: r.Inside, Outside: host, Length: r.Length})
		}
		return all
	}
	m.UIDs, m.GIDs = through(s.UIDs, m.UIDs), through(s.GIDs, m.GIDs)
	return m
}

// Here gives the ids in this process's namespace of a container's owner; false when there are none.
func (s Shift) Here(uid, gid uint32) (u, g uint32, ok bool) {
	if s.IsZero() {
		return uid, gid, true
	}
	u, okU := s.HereUID(uid)
	g, okG := into(s.GIDs, gid)
	return u, g, okU && okG
}

// HereUID is Here for a user alone.
func (s Shift) HereUID(uid uint32) (uint32, bool) {
	if s.IsZero() {
		return uid, true
	}
	return into(s.UIDs, uid)
}

func into(ranges []Range, id uint32) (uint32, bool) {
	for _, r := range ranges {
		if id >= r.Inside && id-r.Inside < r.Length {
			return r.Outside + (id - r.Inside), true
		}
	}
	return 0, false
}

// Inside gives the ids by which the container knows an owner in this process's namespace. One it does
// not know stays.
func (s Shift) Inside(uid, gid uint32) (u, g uint32) {
	return outOf(s.UIDs, uid), outOf(s.GIDs, gid)
}

func outOf(ranges []Range, id uint32) uint32 {
	for _, r := range ranges {
		if id >= r.Outside && id-r.Outside < r.Length {
			return r.Inside + (id - r.Outside)
		}
	}
	return id
}
