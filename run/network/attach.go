package network

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/dhow-containers/dhow/run/network/device"
	"github.com/dhow-containers/dhow/run/network/dns"
	"github.com/dhow-containers/dhow/run/network/stack"
)

const (
	// deviceName is what scripts in images look for.
	deviceName = "eth0"
	// mtu is the largest packet of the private network, in bytes. It never leaves this machine and
	// the cost is by packet; it is the largest multiple of eight below 64 KiB, as for loopback
	// devices of other user-space networks.
	mtu = 65520
)

// Stack is the running network of one container.
type Stack struct{ stack *stack.Stack }

// Attach gives the network namespace of process pid the private network described by c: a device
// with its addresses and routes, and whoever answers at its other end. The loopback device is
// brought up as well. The error of a missing device is a [*device.OpenError], which names the cure.
// The caller closes the stack when the container has ended.
func Attach(ctx context.Context, pid int, c Config) (*Stack, error) {
	if c.mode() != Private {
		return nil, fmt.Errorf("network %q has no stack", c.Mode)
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	end := device.Config{Name: deviceName, MTU: mtu, Veth: c.veth}
	end.Addresses, end.Gateways = Addresses()
	own := append(slices.Clone(end.Gateways), resolverV4) // the first is the one clients without an address come from
	opened, err := device.Open(pid, end)
	if err != nil {
		return nil, fmt.Errorf("making the private network: %w", err)
	}
	var inside []netip.Addr
	for _, a := range end.Addresses {
		inside = append(inside, a.Addr())
	}
	s := stack.New(opened, stack.Config{
		MTU: mtu, Unsummed: opened.Unsummed, Inside: inside, Own: own, DNS: resolverV4, Resolver: &dns.Forwarder{Servers: c.servers},
	})
	c.Listeners.publish(s)
	return &Stack{s}, nil
}

// Addresses gives the addresses that every container has on its private network, with the lengths of
// their prefixes, and the gateway of each. Without a way out programs would try IPv6 in vain first:
// there is none where the host has none.
func Addresses() (own []netip.Prefix, gateways []netip.Addr) {
	own, gateways = []netip.Prefix{containerV4}, []netip.Addr{gatewayV4}
	if device.HasIPv6() {
		own, gateways = append(own, containerV6), append(gateways, gatewayV6)
	}
	return own, gateways
}

// Close ends the network after the container's last process did. What that process sent is still
// delivered, see [stack.Stack.Close].
func (s *Stack) Close() error { return s.stack.Close() }

// Check tells whether the private network can be made here. The error is a [*device.OpenError], which
// names the cure.
func Check() error { return device.Check() }
