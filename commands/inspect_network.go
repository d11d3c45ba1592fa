package commands

import (
	"github.com/dhow-containers/dhow/run/network"
	"github.com/dhow-containers/dhow/run/network/port"
	"github.com/dhow-containers/dhow/run/record"
)

// networkDocument is NetworkSettings of `inspect`. The addresses are empty while the container does not
// run, and when it has none of its own. They are those that it sees itself: every container has a network
// of its own, so that the host reaches it through published ports only.
type networkDocument struct {
	Ports map[string][]port.HostBinding
	endpointDocument
	Networks map[string]endpointDocument
}

type endpointDocument struct {
	Gateway     string
	IPAddress   string
	IPPrefixLen int
}

func networkOf(f record.Found) networkDocument {
	d := networkDocument{Ports: port.Table(f.State.Ports)}
	if f.State.Status == record.Running {
		if own, gateway, ok := network.Addresses(network.Mode(f.Network)); ok {
			d.endpointDocument = endpointDocument{Gateway: gateway.String(), IPAddress: own.Addr().String(), IPPrefixLen: own.Bits()}
		}
	}
	d.Networks = map[string]endpointDocument{networkName(f.Network): d.endpointDocument}
	return d
}
