package stack

import (
	"fmt"
	"net/netip"
	"testing"
)

func TestWays(t *testing.T) {
	v4, v6 := netip.MustParseAddr("10.0.2.100"), netip.MustParseAddr("fd00::100")
	own := []netip.Addr{netip.MustParseAddr("10.0.2.2"), netip.MustParseAddr("10.0.2.3"), netip.MustParseAddr("fd00::2")}
	const gateway = "10.0.2.2:0>10.0.2.100 "
	for _, c := range []struct {
		client string
		inside []netip.Addr
		want   string
	}{
		{"192.0.2.1:5", []netip.Addr{v4, v6}, "192.0.2.1:5>10.0.2.100 192.0.2.1:0>10.0.2.100 "}, // never the gateway
		{"[2001:db8::1]:5", []netip.Addr{v4, v6}, "[2001:db8::1]:5>fd00::100 [2001:db8::1]:0>fd00::100 " + gateway},
		{"[2001:db8::1]:5", []netip.Addr{v4}, gateway},
		{"127.0.0.1:5", []netip.Addr{v4, v6}, gateway},
		{"127.8.8.8:5", []netip.Addr{v4}, gateway},
		{"[::1]:5", []netip.Addr{v4, v6}, gateway},
		{"[fe80::1%eth0]:5", []netip.Addr{v4, v6}, gateway},
		{"0.1.2.3:5", []netip.Addr{v4}, gateway},
		{"255.255.255.255:5", []netip.Addr{v4}, gateway},
		{"224.0.0.1:5", []netip.Addr{v4}, gateway},
		{"10.0.2.100:5", []netip.Addr{v4}, gateway}, // the container's own address belongs to another there
		{"10.0.2.2:5", []netip.Addr{v4}, gateway},
		{"10.0.2.7:5", []netip.Addr{v4}, "10.0.2.7:5>10.0.2.100 10.0.2.7:0>10.0.2.100 "},
	} {
		s := &Stack{config: Config{Inside: c.inside, Own: own}}
		got := ""
		for _, w := range s.ways(netip.MustParseAddrPort(c.client)) {
			got += fmt.Sprintf("%s>%s ", w.from, w.to)
		}
		if got != c.want {
			t.Errorf("%s: %q, not %q", c.client, got, c.want)
		}
	}
}
