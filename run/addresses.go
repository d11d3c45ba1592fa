package run

import (
	"net/netip"

	"github.com/dhow-containers/dhow/run/network"
	"github.com/dhow-containers/dhow/run/record"
)

// Addresses gives the addresses of a container on its private network with the lengths of their
// prefixes, and the gateway of each. There are none while it does not run, and none where its network
// is the host's or none.
func Addresses(f record.Found) (own []netip.Prefix, gateways []netip.Addr) {
	if f.Network != "" && f.Network != string(network.Private) || f.State.Pid == 0 || f.State.Status == record.Created || f.State.Status == record.Exited {
		return nil, nil
	}
	return network.Addresses()
}
