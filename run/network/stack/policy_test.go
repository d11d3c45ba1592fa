package stack

import (
	"net/netip"
	"testing"
)

func TestReachable(t *testing.T) {
	s := &Stack{config: Config{
		Own:    []netip.Addr{netip.MustParseAddr("10.0.2.2")},
		Refuse: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")},
	}}
	open := &Stack{config: Config{AllowHost: true}}
	for a, want := range map[string][2]bool{
		"192.0.2.1":              {true, true},
		"10.0.2.77":              {true, true},
		"2001:db8::1":            {true, true},
		"fd00::1":                {true, true},
		"10.0.2.2":               {false, true},
		"203.0.113.9":            {false, true},
		"127.0.0.1":              {false, true},
		"127.255.0.1":            {false, true},
		"0.0.0.0":                {false, true},
		"0.1.2.3":                {false, true},
		"169.254.169.254":        {false, true},
		"::1":                    {false, true},
		"::":                     {false, true},
		"::127.0.0.1":            {false, true},
		"::ffff:127.0.0.1":       {false, true},
		"::ffff:169.254.169.254": {false, true},
		"fe80::1":                {false, true},
		"fd00:ec2::254":          {false, true},
		"255.255.255.255":        {false, true},
		"224.0.0.251":            {false, false},
		"ff02::1":                {false, false},
	} {
		addr := netip.MustParseAddr(a)
		if got := [2]bool{s.reachable(addr), open.reachable(addr)}; got != want {
			t.Errorf("%s: %v, not %v", a, got, want)
		}
	}
	if s.reachable(netip.Addr{}) {
		t.Error("no address is reachable")
	}
}
