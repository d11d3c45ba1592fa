package network

import (
	"bufio"
	"bytes"
	"io"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"
)

// resolvers is what resolv.conf(5) says.
type resolvers struct {
	servers []netip.AddrPort
	search  []string
	options []string
	text    []byte // the file as it is
}

// hostResolvConf is a variable for tests.
var hostResolvConf = "/etc/resolv.conf"

// maxResolvConf bounds the file in bytes.
const maxResolvConf = 64 << 10

// hostResolvers reads the host's file, at most once a second: it changes when the host moves to
// another network. A file that can not be read is empty.
var hostResolvers = func() func() resolvers {
	var (
		mu   sync.Mutex
		last resolvers
		when time.Time
		path string
	)
	return func() resolvers {
		mu.Lock()
		defer mu.Unlock()
		if when.IsZero() || time.Since(when) > time.Second || path != hostResolvConf {
			path, when = hostResolvConf, time.Now()
			last = resolvers{}
			if file, err := os.Open(path); err == nil {
				text, _ := io.ReadAll(io.LimitReader(file, maxResolvConf))
				file.Close()
				last = parseResolvConf(text)
			}
		}
		return last
	}
}()

// parseResolvConf reads resolv.conf(5). As there, the last search or domain line counts, and what
// can not be read is passed over.
func parseResolvConf(text []byte) resolvers {
	r := resolvers{text: text}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") {
			continue
		}
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		switch words[0] {
		case "nameserver":
			if a, err := netip.ParseAddr(words[1]); err == nil {
				r.servers = append(r.servers, netip.AddrPortFrom(a, 53))
			}
		case "search":
			r.search = words[1:]
		case "domain":
			r.search = words[1:2]
		case "options":
			r.options = append(r.options, words[1:]...)
		}
	}
	return r
}

// servers gives the resolvers that the private network's own asks.
func (c Config) servers() []netip.AddrPort {
	if len(c.DNS) == 0 {
		return hostResolvers().servers
	}
	var list []netip.AddrPort
	for _, s := range c.DNS {
		if a, err := netip.ParseAddr(s); err == nil {
			list = append(list, netip.AddrPortFrom(a, 53))
		}
	}
	return list
}
