package run

import (
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

// bindings are the ports that the record of the running container tells.
func (c *container) bindings() []port.Binding {
	if c.w.network.Mode != network.Private {
		return nil
	}
	return port.Bindings(c.ports.Bindings(), c.entry.Exposed)
}
