package check

import (
	"context"
	"net"
	"os"
	"strings"
	"time"
)

// dnsWait is how long a resolver of the host may take.
const dnsWait = time.Second

// rootQuery asks for the name servers of the root, which every resolver knows (RFC 1035 §4.1).
const rootQuery = "\x64\x68\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x01"

// DNS tells whether a resolver of the host answers: those of the private network ask them.
func DNS() Probe {
	text, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		return Probe{Name: "dns", Value: "none", Reason: err.Error(), Instead: "containers know no names but those in /etc/hosts",
			Cure: "name one: dhow run --dns ADDRESS …"}
	}
	return dnsOf(nameservers(string(text)), "53", dnsWait)
}

func dnsOf(servers []string, port string, wait time.Duration) Probe {
	p := Probe{Name: "dns", Value: "none", Instead: "containers know no names but those in /etc/hosts", Cure: "name a resolver that answers: dhow run --dns ADDRESS …"}
	if len(servers) == 0 {
		p.Reason = "/etc/resolv.conf names no resolver"
		return p
	}
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	answers := make(chan string, len(servers))
	for _, s := range servers {
		go func() {
			if answersQuery(ctx, net.JoinHostPort(s, port)) {
				answers <- s
			} else {
				answers <- ""
			}
		}()
	}
	for range servers {
		if s := <-answers; s != "" {
			return Probe{Name: "dns", Value: s}
		}
	}
	p.Reason = "no answer from " + strings.Join(servers, ", ")
	return p
}

// answersQuery reports whether the resolver sends anything back that belongs to the query: a refusal
// is an answer, too.
func answersQuery(ctx context.Context, address string) bool {
	conn, err := new(net.Dialer).DialContext(ctx, "udp", address)
	if err != nil {
		return false
	}
	defer conn.Close()
	if end, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(end) // a socket that was just opened
	}
	if _, err := conn.Write([]byte(rootQuery)); err != nil {
		return false
	}
	var b [512]byte
	n, err := conn.Read(b[:])
	return err == nil && n >= 12 && string(b[:2]) == rootQuery[:2]
}

// nameservers gives the addresses in resolv.conf(5), at most the three that are asked.
func nameservers(text string) []string {
	var out []string
	for _, line := range strings.Split(text, "\n") {
		f := strings.Fields(line)
		if len(f) > 1 && f[0] == "nameserver" && len(out) < 3 {
			out = append(out, f[1])
		}
	}
	return out
}
