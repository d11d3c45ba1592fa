package run

import (
	"net/netip"
	"reflect"
	"testing"

	"github.com/dhow-containers/dhow/run/network/port"
)

// A container that is started again opens the ports it had.
func TestBoundAgain(t *testing.T) {
	web, dns := port.Port{Number: 80, Proto: port.TCP}, port.Port{Number: 53, Proto: port.UDP}
	local := netip.MustParseAddr("127.0.0.1")
	mappings := []port.Mapping{{Port: web}, {Port: web}, {IP: local, Port: web}, {First: 5000, Last: 5010, Port: dns}}
	open := []port.Binding{
		{IP: "0.0.0.0", Host: 40001, Port: web}, {IP: "::", Host: 40001, Port: web},
		{IP: "0.0.0.0", Host: 40002, Port: web}, {IP: "::", Host: 40002, Port: web},
		{IP: "127.0.0.1", Host: 40003, Port: web},
		{IP: "0.0.0.0", Host: 5003, Port: dns},
	}
	want := []port.Mapping{
		{First: 40001, Last: 40001, Port: web}, {First: 40002, Last: 40002, Port: web},
		{IP: local, First: 40003, Last: 40003, Port: web}, {First: 5003, Last: 5003, Port: dns},
	}
	if got := boundAgain(mappings, open); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	if got := boundAgain(mappings, nil); !reflect.DeepEqual(got, mappings) {
		t.Errorf("without any: %+v", got)
	}
}
