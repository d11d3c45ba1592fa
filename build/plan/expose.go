package plan

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/dhow-containers/dhow/dockerfile"
)

func (a *at) expose(in *dockerfile.Expose) error {
	var ports []string
	for _, p := range in.Ports {
		words, err := a.words.Split(p, a.s.env)
		if err != nil {
			return err
		}
		for _, w := range words {
			list, err := a.port(w)
			if err != nil {
				return err
			}
			if err := a.spend(len(list)); err != nil {
				return err
			}
			ports = append(ports, list...)
		}
	}
	if a.s.image.Config.ExposedPorts == nil {
		a.s.image.Config.ExposedPorts = map[string]struct{}{}
	}
	for _, p := range ports {
		a.s.image.Config.ExposedPorts[p] = struct{}{}
	}
	a.s.remember(a.maker, fmt.Sprintf("EXPOSE %v", ports), false)
	return nil
}

// port reads "[ip:][host:]container[-end][/proto]" and gives "container/proto" for each port of the
// range. Address and host port mean nothing here; they are checked and dropped, as BuildKit does.
func (a *at) port(raw string) ([]string, error) {
	ip, host, container := splitPort(raw)
	number, proto, _ := strings.Cut(container, "/")
	if number == "" {
		return nil, fmt.Errorf("invalid port: %q: no port specified", raw)
	}
	switch strings.ToLower(proto) {
	case "":
		proto = "tcp"
	case "tcp", "udp", "sctp":
	default:
		return nil, fmt.Errorf("invalid port: %q: invalid proto: %s", raw, proto)
	}
	if proto != strings.ToLower(proto) {
		a.checks.ExposeCasing(a.h.Span, raw)
	}
	if ip != "" || host != "" {
		a.checks.ExposeFormat(a.h.Span, raw)
	}
	if ip != "" {
		if _, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(ip, "["), "]")); err != nil {
			return nil, fmt.Errorf("invalid IP address: %s", ip)
		}
	}
	first, last, err := portRange(number)
	if err != nil {
		return nil, fmt.Errorf("invalid containerPort: %s", number)
	}
	if host != "" {
		from, to, err := portRange(host)
		if err != nil {
			return nil, fmt.Errorf("invalid hostPort: %s", host)
		}
		if last-first != to-from && first != last {
			return nil, fmt.Errorf("invalid ranges specified for container and host Ports: %s and %s", number, host)
		}
	}
	out := make([]string, 0, last-first+1)
	for p := first; p <= last; p++ {
		out = append(out, strconv.Itoa(p)+"/"+strings.ToLower(proto))
	}
	return out, nil
}

func splitPort(raw string) (ip, host, container string) {
	parts := strings.Split(raw, ":")
	switch n := len(parts); n {
	case 1:
		return "", "", parts[0]
	case 2:
		return "", parts[0], parts[1]
	default:
		return strings.Join(parts[:n-2], ":"), parts[n-2], parts[n-1]
	}
}

func portRange(s string) (first, last int, err error) {
	a, b, isRange := strings.Cut(s, "-")
	if first, err = portNumber(a); err != nil || !isRange {
		return first, first, err
	}
	if last, err = portNumber(b); err != nil {
		return 0, 0, err
	}
	if last < first {
		return 0, 0, errors.New("the range ends before it begins")
	}
	return first, last, nil
}

func portNumber(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	return int(n), err
}
