package idmap

import (
	"reflect"
	"testing"
)

func subids(ranges ...Range) Mapping {
	return Mapping{Kind: Subids, UIDs: ranges, GIDs: ranges}
}

func TestKeepID(t *testing.T) {
	one := subids(Range{0, 1002, 1}, Range{1, 3000000, 65536})
	s := one.KeepID(1002, 50)
	want := []Range{{0, 1, 1002}, {1002, 0, 1}, {1003, 1003, 64534}}
	if !reflect.DeepEqual(s.UIDs, want) {
		t.Errorf("uids %v, want %v", s.UIDs, want)
	}
	for inside, host := range map[uint32]uint32{0: 3000000, 1: 3000001, 1001: 3001001, 1002: 1002, 1003: 3001002, 65536: 3065535} {
		if got, ok := one.Through(s).HostUID(inside); !ok || got != host {
			t.Errorf("uid %d inside is %d on the host (%v), want %d", inside, got, ok, host)
		}
	}
	if got, _ := one.Through(s).HostGID(50); got != 1002 {
		t.Errorf("gid 50 inside is %d on the host", got)
	}
	if _, ok := one.Through(s).HostUID(65537); ok {
		t.Error("an id is mapped that nobody gave")
	}
	for name, m := range map[string]Mapping{
		"root": {Kind: Root, CallerUID: 5}, "single": {Kind: Single, UIDs: []Range{{0, 5, 1}}},
	} {
		if !m.KeepID(5, 5).IsZero() {
			t.Errorf("%s: ids of the kernel are shifted", name)
		}
	}
	if !one.KeepID(0, 0).IsZero() {
		t.Error("the caller as root needs no shift")
	}
}

// Every id has one name on each side, wherever the caller's lies, and no range crosses one of the outer
// namespace's.
func TestKeepIDIsAPermutation(t *testing.T) {
	outer := subids(Range{0, 7, 1}, Range{1, 100, 10}, Range{11, 900, 5}) // 0…15
	for _, id := range []uint32{0, 1, 9, 10, 11, 14, 15, 16, 17, 4000} {
		s := outer.KeepID(id, 1)
		seen := map[uint32]bool{}
		for here := uint32(0); here <= 15; here++ {
			inside, _ := s.Inside(here, 0)
			if back, ok := s.HereUID(inside); !ok || back != here || seen[inside] {
				t.Errorf("caller %d: %d here is %d inside, and that is %d here (%v)", id, here, inside, back, ok)
			}
			seen[inside] = true
		}
		if inside, _ := s.Inside(0, 0); inside != id {
			t.Errorf("the caller is %d inside, not %d", inside, id)
		}
		for _, r := range s.UIDs {
			within := false
			for _, o := range outer.UIDs {
				within = within || r.Outside >= o.Inside && r.Outside+r.Length <= o.Inside+o.Length
			}
			if !within {
				t.Errorf("caller %d: %v lies in no range of %v", id, r, outer.UIDs)
			}
		}
	}
}

func TestShiftOfNothing(t *testing.T) {
	var s Shift
	if u, g, ok := s.Here(5, 6); !ok || u != 5 || g != 6 {
		t.Error(u, g, ok)
	}
	if u, g := s.Inside(5, 6); u != 5 || g != 6 {
		t.Error(u, g)
	}
	s = subids(Range{0, 7, 1}, Range{1, 100, 10}).KeepID(3, 3)
	if _, _, ok := s.Here(70000, 0); ok {
		t.Error("an id that is not there has a number")
	}
	if u, _ := s.Inside(65534, 0); u != 65534 {
		t.Error("an unknown owner is changed")
	}
}
