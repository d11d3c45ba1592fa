package run

import (
	"slices"

	"github.com/dhow-containers/dhow/run/network"
	"github.com/dhow-containers/dhow/run/network/port"
)

// openPorts opens the published ports on the host. Only the private network has any: without a network
// or with the host's they are discarded, as docker does.
func (c *container) openPorts() error {
	if c.w.network.Mode != network.Private || len(c.entry.Publish) == 0 {
		return nil
	}
	l, err := network.Listen(c.entry.Publish)
	if err != nil {
		return err
	}
	c.ports, c.w.network.Listeners = l, l
	return nil
}

// boundAgain are mappings whose ports of the host are those that were open before: a container that is
// started again is found where it was.
func boundAgain(mappings []port.Mapping, open []port.Binding) []port.Mapping {
	mappings, used := slices.Clone(mappings), map[int]bool{}
	for i := range mappings {
		m := &mappings[i]
		for j, b := range open {
			if used[j] || b.Port != m.Port || m.IP.IsValid() && b.IP != m.IP.String() || m.First != 0 && (b.Host < m.First || b.Host > m.Last) {
				continue
			}
			for k, o := range open { // the same port on IPv4 and IPv6 is one mapping's
				used[k] = used[k] || k == j || !m.IP.IsValid() && o.Port == b.Port && o.Host == b.Host
			}
			m.First, m.Last = b.Host, b.Host
			break
		}
	}
	return mappings
}

// bindings are the ports that the record of the running container tells.
func (c *container) bindings() []port.Binding {
	if c.w.network.Mode != network.Private {
		return nil
	}
	return port.Bindings(c.ports.Bindings(), c.entry.Exposed)
}
