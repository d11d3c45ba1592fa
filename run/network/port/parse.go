package port

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Parse reads the operands of --publish: "[[ip:][hostPort[-hostPort]]:]containerPort[-containerPort][/proto]",
// an IPv6 address in brackets, or "target=80,published=8080,protocol=tcp". A range of host ports for
// one port of the container means any of them. The errors are Docker's (docker/go-connections: nat,
// docker/cli: opts/port.go).
func Parse(specs []string) ([]Mapping, error) {
	var all []Mapping
	for _, s := range specs {
		if strings.Contains(s, "=") {
			short, err := parseLong(s)
			if err != nil {
				return nil, err
			}
			s = short
		}
		m, err := parse(s)
		if err != nil {
			return nil, err
		}
		all = append(all, m...)
	}
	return all, nil
}

func parse(spec string) ([]Mapping, error) {
	ip, host, inside := split(spec)
	inside, proto, _ := strings.Cut(inside, "/")
	if inside == "" {
		return nil, fmt.Errorf("no port specified: %s<empty>", spec)
	}
	proto, err := protocol(proto)
	if err != nil {
		return nil, err
	}
	address, err := parseIP(ip)
	if err != nil {
		return nil, err
	}
	first, last, err := parseRange(inside)
	if err != nil || first == 0 {
		return nil, errors.New("invalid containerPort: " + inside)
	}
	var hostFirst, hostLast uint16
	if host != "" {
		if hostFirst, hostLast, err = parseRange(host); err != nil || hostFirst == 0 && hostLast != 0 {
			return nil, errors.New("invalid hostPort: " + host)
		}
	}
	one := Mapping{IP: address, First: hostFirst, Last: hostLast, Port: Port{Number: first, Proto: proto}}
	if first == last {
		return []Mapping{one}, nil
	}
	if hostFirst != 0 && hostLast-hostFirst != last-first || host != "" && hostFirst == 0 {
		return nil, fmt.Errorf("invalid ranges specified for container and host Ports: %s and %s", inside, host)
	}
	all := make([]Mapping, 0, last-first+1)
	for i := range last - first + 1 {
		m := one
		m.Number += i
		if m.First = 0; hostFirst != 0 {
			m.First = hostFirst + i
		}
		m.Last = m.First
		all = append(all, m)
	}
	return all, nil
}

// split takes the last two parts off; the rest is an address, which may have colons of its own.
func split(spec string) (ip, host, inside string) {
	rest, inside, ok := cutLast(spec)
	if !ok {
		return "", "", spec
	}
	ip, host, ok = cutLast(rest)
	if !ok {
		return "", rest, inside
	}
	return ip, host, inside
}

func cutLast(s string) (before, after string, found bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

func protocol(name string) (string, error) {
	switch p := strings.ToLower(name); p {
	case "", TCP:
		return TCP, nil
	case UDP:
		return UDP, nil
	case "sctp":
		return "", errors.New("sctp ports can not be published: the private network has tcp and udp")
	}
	return "", errors.New("invalid proto: " + strings.ToLower(name))
}

func parseIP(text string) (netip.Addr, error) {
	if text == "" {
		return netip.Addr{}, nil
	}
	bare := text
	if text[0] == '[' {
		inner, _, err := net.SplitHostPort(text + ":")
		if err != nil {
			return netip.Addr{}, fmt.Errorf("invalid IP address %s: %w", text, err)
		}
		bare = inner
	}
	a, err := netip.ParseAddr(bare)
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, errors.New("invalid IP address: " + bare)
	}
	return a.Unmap(), nil
}

// parseRange reads "80" or "80-90".
func parseRange(text string) (first, last uint16, err error) {
	a, b, isRange := strings.Cut(text, "-")
	if first, err = parseNumber(a); err != nil {
		return 0, 0, fmt.Errorf("invalid start port '%s': %w", a, err)
	}
	if !isRange {
		return first, first, nil
	}
	if last, err = parseNumber(b); err != nil {
		return 0, 0, fmt.Errorf("invalid end port '%s': %w", b, err)
	}
	if last < first {
		return 0, 0, errors.New("invalid port range: " + text)
	}
	return first, last, nil
}

func parseNumber(text string) (uint16, error) {
	if text == "" {
		return 0, errors.New("value is empty")
	}
	n, err := strconv.ParseUint(text, 10, 16)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, errors.New("value out of range (0–65535)")
	case err != nil:
		return 0, strconv.ErrSyntax
	}
	return uint16(n), nil
}

// parseLong turns the long form into the short one.
func parseLong(spec string) (string, error) {
	var published, target, proto, ip string
	for field := range strings.SplitSeq(spec, ",") {
		key, value, ok := strings.Cut(field, "=")
		if !ok || value == "" {
			return "", fmt.Errorf("invalid field: %s", field)
		}
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "protocol":
			proto = "/" + value
		case "mode":
			if value != "host" && value != "ingress" {
				return "", fmt.Errorf("invalid publish mode value (%s): must be either 'ingress' or 'host'", value)
			}
		case "target":
			target = value
		case "published":
			published = value
		case "host_ip":
			if ip = value; strings.Contains(ip, ":") && ip[0] != '[' {
				ip = "[" + ip + "]"
			}
		default:
			return "", fmt.Errorf("invalid field key: %s", key)
		}
	}
	if target == "" {
		return "", fmt.Errorf("invalid publish: %s: missing mandatory field \"target\"", spec)
	}
	if ip != "" {
		return ip + ":" + published + ":" + target + proto, nil
	}
	if published != "" {
		return published + ":" + target + proto, nil
	}
	return target + proto, nil
}

// ParseExpose reads the operands of --expose: "80", "80-90", "53/udp".
func ParseExpose(specs []string) ([]Port, error) {
	var all []Port
	for _, s := range specs {
		if strings.Contains(s, ":") {
			return nil, fmt.Errorf("invalid port format for --expose: %s", s)
		}
		text, proto, _ := strings.Cut(s, "/")
		proto, err := protocol(proto)
		if err != nil {
			return nil, fmt.Errorf("invalid port format for --expose: %s: %w", s, err)
		}
		first, last, err := parseRange(text)
		if err == nil && first == 0 {
			err = errors.New("there is no port 0")
		}
		if err != nil {
			return nil, fmt.Errorf("invalid range format for --expose: %s, error: %w", s, err)
		}
		for n := int(first); n <= int(last); n++ {
			all = append(all, Port{Number: uint16(n), Proto: proto})
		}
	}
	return all, nil
}

// Exposed reads the ports of an image. What is wrong there, and sctp, is no fault of the person who
// runs it and is passed over, and so is what a hostile image has beyond the ports there are.
func Exposed(image []string) []Port {
	var all []Port
	for _, s := range image {
		if len(all) > 2*65535 {
			break
		}
		if ports, err := ParseExpose([]string{s}); err == nil {
			all = append(all, ports...)
		}
	}
	return all
}
