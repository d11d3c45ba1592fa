package network

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const hostText = `# made by something
nameserver 127.0.0.53
nameserver fe80::1%eth0
nameserver nonsense
domain a.test
search corp.test example.test
options edns0 trust-ad
options timeout:1
`

func TestResolvConf(t *testing.T) {
	setResolvConf(t, hostText)
	for _, c := range []struct {
		name   string
		config Config
		want   string
	}{
		{"private", Config{}, "nameserver 10.0.2.3\nsearch corp.test example.test\noptions edns0 trust-ad timeout:1\n"},
		{"host", Config{Mode: Host}, hostText},
		{"none", Config{Mode: None}, hostText},
		{"servers", Config{DNS: []string{"192.0.2.1", "2001:db8::1"}}, "nameserver 192.0.2.1\nnameserver 2001:db8::1\nsearch corp.test example.test\noptions edns0 trust-ad timeout:1\n"},
		{"host with search", Config{Mode: Host, DNSSearch: []string{"x.test"}}, "nameserver 127.0.0.53\nnameserver fe80::1%eth0\nsearch x.test\noptions edns0 trust-ad timeout:1\n"},
		{"no search", Config{DNSSearch: []string{"."}, DNSOptions: []string{"ndots:2"}}, "nameserver 10.0.2.3\noptions ndots:2\n"},
	} {
		if got := string(ResolvConf(c.config)); got != c.want {
			t.Errorf("%s:\n%s\nnot:\n%s", c.name, got, c.want)
		}
	}
	setResolvConf(t, "")
	if got := string(ResolvConf(Config{})); got != "nameserver 10.0.2.3\n" {
		t.Errorf("without a host's file: %q", got)
	}
}

func TestHostsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(path, []byte("127.0.0.1 localhost here"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := hostHosts
	hostHosts = path
	defer func() { hostHosts = before }()
	address := ownAddress
	ownAddress = func() net.IP { return net.IPv4(192, 0, 2, 7) }
	defer func() { ownAddress = address }()
	const host = "192.0.2.7\thost.docker.internal host.containers.internal\n"
	for _, c := range []struct {
		name     string
		config   Config
		hostname string
		want     string
	}{
		{"private", Config{}, "abc", localHosts + host + "10.0.2.100\tabc\n"},
		{"domain", Config{}, "abc.test", localHosts + host + "10.0.2.100\tabc.test abc\n"},
		{"none", Config{Mode: None}, "abc", localHosts + "127.0.0.1\tabc\n"},
		{"host", Config{Mode: Host, Hosts: []string{"h:host-gateway"}}, "abc", "127.0.0.1 localhost here\n127.0.0.1\th\n127.0.0.1\thost.docker.internal host.containers.internal\n"},
		{"entries", Config{Hosts: []string{"a:192.0.2.1", "b=2001:db8::1", "c:2001:db8::2", "d=[2001:db8::3]"}}, "", localHosts +
			"192.0.2.1\ta\n2001:db8::1\tb\n2001:db8::2\tc\n2001:db8::3\td\n" + host},
		{"a name with a line", Config{}, "a\n1.2.3.4 b", localHosts + host},
		{"the gateway", Config{Hosts: []string{"h=host-gateway"}}, "", localHosts + "192.0.2.7\th\n" + host},
		{"another host", Config{Hosts: []string{"Host.Docker.Internal=192.0.2.1"}}, "", localHosts +
			"192.0.2.1\tHost.Docker.Internal\n192.0.2.7\thost.containers.internal\n"},
		{"other hosts", Config{Hosts: []string{"host.docker.internal:192.0.2.1", "host.containers.internal:192.0.2.2"}}, "", localHosts +
			"192.0.2.1\thost.docker.internal\n192.0.2.2\thost.containers.internal\n"},
	} {
		if got := string(HostsFile(c.config, c.hostname)); got != c.want {
			t.Errorf("%s:\n%s\nnot:\n%s", c.name, got, c.want)
		}
	}
	ownAddress = func() net.IP { return nil }
	if got := string(HostsFile(Config{Hosts: []string{"h:host-gateway"}}, "")); !strings.Contains(got, "\n10.0.2.2\th\n") {
		t.Errorf("host-gateway of a host without an address: %q", got)
	}
	if a := address(); a != nil && (a.IsLoopback() || a.To4() == nil) {
		t.Errorf("the host's own address: %v", a)
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		config Config
		want   string // empty: fine
	}{
		{Config{}, ""},
		{Config{Mode: Host, DNS: []string{"192.0.2.1", "2001:db8::1"}, Hosts: []string{"a:1.2.3.4"}}, ""},
		{Config{Mode: "x"}, `network "x" not found`},
		{Config{DNS: []string{"dns.test"}}, "dns.test is not an ip address"},
		{Config{DNSSearch: []string{"a\nb"}}, "is not a domain"},
		{Config{DNSOptions: []string{""}}, "is not a resolver option"},
		{Config{Hosts: []string{"a"}}, `bad format for add-host: "a"`},
		{Config{Hosts: []string{":1.2.3.4"}}, `bad format for add-host: ":1.2.3.4"`},
		{Config{Hosts: []string{"a b:1.2.3.4"}}, "bad format"},
		{Config{Hosts: []string{"a:b"}}, `invalid IP address in add-host: "b"`},
		{Config{Hosts: []string{"a:1.2.3.4\n5.6.7.8 b"}}, "invalid IP address"},
	} {
		err := c.config.Validate()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: %v, not %q", c.config, err, c.want)
		}
	}
}

func TestParseMode(t *testing.T) {
	for name, want := range map[string]Mode{"": Private, "default": Private, "bridge": Private, "private": Private, "none": None, "host": Host} {
		if got, err := ParseMode(name); got != want || err != nil {
			t.Errorf("%q: %s %v", name, got, err)
		}
	}
	if _, err := ParseMode("mine"); err == nil {
		t.Error("an unknown network is accepted")
	}
}

func FuzzHosts(f *testing.F) {
	f.Add("a:1.2.3.4", "abc")
	f.Add("a=[::1]", "a.b")
	f.Add("a:host-gateway", "")
	f.Fuzz(func(t *testing.T, entry, hostname string) {
		c := Config{Hosts: []string{entry}, Mode: None}
		lines := strings.Count(string(HostsFile(c, hostname)), "\n") - strings.Count(localHosts, "\n")
		most := 0
		if c.Validate() == nil {
			most++
		}
		if hostname != "" {
			most++
		}
		if lines > most {
			t.Errorf("%q and %q make %d lines", entry, hostname, lines)
		}
	})
}

func FuzzResolvConf(f *testing.F) {
	f.Add(hostText)
	f.Fuzz(func(t *testing.T, text string) {
		r := parseResolvConf([]byte(text))
		var again strings.Builder
		for _, s := range r.servers {
			again.WriteString("nameserver " + s.Addr().String() + "\n")
		}
		if got := parseResolvConf([]byte(again.String())); len(got.servers) != len(r.servers) {
			t.Errorf("%q: %v, not %v", again.String(), got.servers, r.servers)
		}
	})
}
