package port

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct{ spec, want string }{
		{"80", "80/tcp"},
		{"80/TCP", "80/tcp"},
		{"8080:80", "8080:80/tcp"},
		{"53:53/udp", "53:53/udp"},
		{"0:80", "80/tcp"},
		{"127.0.0.1:8080:80", "127.0.0.1:8080:80/tcp"},
		{"127.0.0.1::80", "127.0.0.1::80/tcp"},
		{"[::1]:8080:80", "[::1]:8080:80/tcp"},
		{"[::1]::80/udp", "[::1]::80/udp"},
		{"::1:8080:80", "[::1]:8080:80/tcp"}, // as docker reads it
		{"::8080:80", ""},
		{"[::]:8080:80", "[::]:8080:80/tcp"},
		{"[::ffff:127.0.0.1]:8080:80", "127.0.0.1:8080:80/tcp"},
		{"8000-8002:80-82", "8000:80/tcp 8001:81/tcp 8002:82/tcp"},
		{"8000-8002:80", "8000-8002:80/tcp"},
		{"80-81", "80/tcp 81/tcp"},
		{"127.0.0.1::80-81", "127.0.0.1::80/tcp 127.0.0.1::81/tcp"},
		{"65535:65535", "65535:65535/tcp"},
		{"65534-65535:65534-65535", "65534:65534/tcp 65535:65535/tcp"},
		{":80", "80/tcp"},
		{"target=80", "80/tcp"},
		{"published=8080,target=80,protocol=udp,mode=host", "8080:80/udp"},
		{"target=80,host_ip=::1", "[::1]::80/tcp"},
	} {
		got, err := Parse([]string{c.spec})
		if c.want == "" {
			if err == nil {
				t.Errorf("%q: %v", c.spec, got)
			}
			continue
		}
		if s := join(got); err != nil || s != c.want {
			t.Errorf("%q: %q (%v), not %q", c.spec, s, err, c.want)
		}
	}
}

func join(mappings []Mapping) string {
	var words []string
	for _, m := range mappings {
		words = append(words, m.String())
	}
	return strings.Join(words, " ")
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct{ spec, want string }{
		{"", "no port specified: <empty>"},
		{"8080:", "no port specified: 8080:<empty>"},
		{"/udp", "no port specified: /udp<empty>"},
		{"80/sctp", "sctp ports can not be published: the private network has tcp and udp"},
		{"80/icmp", "invalid proto: icmp"},
		{"0", "invalid containerPort: 0"},
		{"80:0", "invalid containerPort: 0"},
		{"80:65536", "invalid containerPort: 65536"},
		{"65536:80", "invalid hostPort: 65536"},
		{"-1:80", "invalid hostPort: -1"},
		{"0-3:80", "invalid hostPort: 0-3"},
		{"90-80:90-80", "invalid containerPort: 90-80"},
		{"80-:80", "invalid hostPort: 80-"},
		{"8000-8002:80-81", "invalid ranges specified for container and host Ports: 80-81 and 8000-8002"},
		{"8000:80-81", "invalid ranges specified for container and host Ports: 80-81 and 8000"},
		{"localhost:80:80", "invalid IP address: localhost"},
		{"1.2.3:80:80", "invalid IP address: 1.2.3"},
		{"[fe80::1%eth0]:80:80", "invalid IP address: fe80::1%eth0"},
		{"[::1:80:80", "invalid IP address [::1: address [::1:: missing ']' in address"},
		{"+80:80", "invalid hostPort: +80"},
		{"80:80/tcp/udp", "invalid proto: tcp/udp"},
		{"target=80,x=1", "invalid field key: x"},
		{"published=80", `invalid publish: published=80: missing mandatory field "target"`},
		{"target=80,mode=fast", "invalid publish mode value (fast): must be either 'ingress' or 'host'"},
		{"target=", "invalid field: target="},
	} {
		if got, err := Parse([]string{c.spec}); err == nil || err.Error() != c.want {
			t.Errorf("%q: %v (%v), not %q", c.spec, got, err, c.want)
		}
	}
}

func TestParseExpose(t *testing.T) {
	for _, c := range []struct{ spec, want string }{
		{"80", "[80/tcp]"},
		{"53/udp", "[53/udp]"},
		{"80-82/udp", "[80/udp 81/udp 82/udp]"},
		{"65535", "[65535/tcp]"},
		{"80:80", "invalid port format for --expose: 80:80"},
		{"0", "invalid range format for --expose: 0, error: there is no port 0"},
		{"x", "invalid range format for --expose: x, error: invalid start port 'x': invalid syntax"},
		{"80-70", "invalid range format for --expose: 80-70, error: invalid port range: 80-70"},
		{"70000", "invalid range format for --expose: 70000, error: invalid start port '70000': value out of range (0–65535)"},
		{"80/sctp", "invalid port format for --expose: 80/sctp: sctp ports can not be published: the private network has tcp and udp"},
	} {
		ports, err := ParseExpose([]string{c.spec})
		got := fmt.Sprint(ports)
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%q: %s, not %s", c.spec, got, c.want)
		}
	}
	if got := fmt.Sprint(Exposed([]string{"80/tcp", "x", "9/sctp", "53/udp"})); got != "[80/tcp 53/udp]" {
		t.Error("of an image:", got)
	}
	hostile := make([]string, 10_000)
	for i := range hostile {
		hostile[i] = "1-65535/udp"
	}
	if n := len(Exposed(hostile)); n > 4*65535 {
		t.Errorf("%d ports of an image", n)
	}
}

func TestPublish(t *testing.T) {
	mappings, err := Parse([]string{"8080:80", "8081:80", "53:53/udp"})
	if err != nil {
		t.Fatal(err)
	}
	exposed := []Port{{443, TCP}, {80, TCP}, {443, TCP}}
	got, ports := Publish(mappings, exposed, false)
	if join(got) != "8080:80/tcp 8081:80/tcp 53:53/udp" || fmt.Sprint(ports) != "[53/udp 80/tcp 443/tcp]" {
		t.Error(join(got), ports)
	}
	if got, _ = Publish(mappings, exposed, true); join(got) != "8080:80/tcp 8081:80/tcp 53:53/udp 443/tcp" {
		t.Error("all:", join(got))
	}
	all := Bindings([]Binding{{"0.0.0.0", 8080, Port{80, TCP}}}, ports)
	if Format(all) != "53/udp, 443/tcp, 0.0.0.0:8080->80/tcp" {
		t.Error(Format(all))
	}
}

func TestFormat(t *testing.T) {
	b := func(ip string, host, inside uint16, proto string) Binding {
		return Binding{ip, host, Port{inside, proto}}
	}
	for _, c := range []struct {
		bindings []Binding
		want     string
	}{
		{nil, ""},
		{[]Binding{b("127.0.0.1", 8080, 80, TCP), b("0.0.0.0", 53, 53, UDP)}, "0.0.0.0:53->53/udp, 127.0.0.1:8080->80/tcp"},
		{[]Binding{b("0.0.0.0", 80, 80, TCP), b("::", 80, 80, TCP)}, "0.0.0.0:80->80/tcp, [::]:80->80/tcp"},
		{[]Binding{b("0.0.0.0", 82, 82, TCP), b("0.0.0.0", 80, 80, TCP), b("0.0.0.0", 81, 81, TCP)}, "0.0.0.0:80-82->80-82/tcp"},
		{[]Binding{b("", 0, 80, TCP), b("", 0, 81, TCP), b("", 0, 90, TCP), b("", 0, 81, UDP)}, "80-81/tcp, 90/tcp, 81/udp"},
		{[]Binding{b("0.0.0.0", 8080, 80, TCP), b("::", 8080, 80, TCP), b("", 0, 90, TCP)}, "90/tcp, 0.0.0.0:8080->80/tcp, [::]:8080->80/tcp"},
		{[]Binding{b("", 0, 65535, TCP), b("", 0, 65534, TCP)}, "65534-65535/tcp"},
	} {
		if got := Format(c.bindings); got != c.want {
			t.Errorf("%q, not %q", got, c.want)
		}
	}
}

func TestTables(t *testing.T) {
	table, _ := json.Marshal(Table([]Binding{{"0.0.0.0", 8080, Port{80, TCP}}, {"::", 8080, Port{80, TCP}}, {"", 0, Port{90, UDP}}}))
	if want := `{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"},{"HostIp":"::","HostPort":"8080"}],"90/udp":null}`; string(table) != want {
		t.Errorf("%s", table)
	}
	mappings, err := Parse([]string{"127.0.0.1:8080-8081:80", "81"})
	if err != nil {
		t.Fatal(err)
	}
	table, _ = json.Marshal(Wishes(mappings))
	if want := `{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"8080-8081"}],"81/tcp":[{"HostIp":"","HostPort":""}]}`; string(table) != want {
		t.Errorf("%s", table)
	}
	// What is recorded is read back.
	text, err := json.Marshal(mappings)
	var back []Mapping
	if err == nil {
		err = json.Unmarshal(text, &back)
	}
	if err != nil || !reflect.DeepEqual(mappings, back) {
		t.Errorf("%s: %v (%v)", text, back, err)
	}
}

// What is read and printed means the same when it is read again, and is in bounds.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"80", "8080:80/udp", "127.0.0.1::80-90", "[::1]:80-81:80", "target=80,published=1-2", "0:80-81", "::1:1:1", "a:b:c/d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		mappings, err := Parse([]string{spec})
		if err != nil {
			return
		}
		if len(mappings) == 0 || len(mappings) > 65535 {
			t.Fatalf("%q: %d mappings", spec, len(mappings))
		}
		for _, m := range mappings {
			if m.Number == 0 || m.Last < m.First || m.First == 0 && m.Last != 0 || m.Proto != TCP && m.Proto != UDP {
				t.Fatalf("%q: %+v", spec, m)
			}
			again, err := Parse([]string{m.String()})
			if err != nil || len(again) != 1 || again[0] != m {
				t.Fatalf("%q: %+v prints as %q, which reads as %+v (%v)", spec, m, m, again, err)
			}
		}
	})
}
