package tests

import (
	"strings"

	"github.com/dhow-containers/dhow/tests/fixture"
)

func init() { tables["tls"] = tlsAttacks() }

// tlsAttacks are those on the way to a registry: on its certificate, and off TLS altogether.
func tlsAttacks() []attack {
	far := func(wrong string, withTLS bool, rules ...fixture.Rule) func(*world) {
		return func(w *world) {
			w.startFar(wrong, withTLS)
			for i := range rules {
				rules[i].Header = map[string]string{}
				if rules[i].Status == 401 {
					rules[i].Header["Www-Authenticate"] = `Bearer realm="http://` + w.plain.Addr + `/token",service="s"`
				} else {
					rules[i].Header["Location"] = "http://" + w.plain.Addr + "/layer"
				}
			}
			p := goodImage()
			w.far.Answer(append(rules, p.Rules()...)...)
			w.plain.Answer(fixture.Rule{Match: "/token", Body: `{"token":"t"}`}, fixture.Rule{Match: "/layer", Body: string(p.Layers[0])})
		}
	}
	over := func(scheme string) func(*world, *naive) error {
		return func(w *world, n *naive) error {
			n.scheme = scheme
			return n.pull(w.far.Addr, "x")
		}
	}
	list := []attack{
		{name: "G10 a good certificate", answer: far("", true), works: true},
		{name: "G10 nobody's certificate", answer: far("nobody's", true), says: "unknown authority.*certs.d", harm: "takes"},
		{name: "G10 an expired certificate", answer: far("expired", true), says: "expired", harm: "takes"},
		{name: "G10 another's certificate", answer: far("another's", true), says: "certificate is valid for|192.0.2.1", harm: "takes"},
		{name: "G10 no TLS", answer: far("", false), says: "HTTP response to HTTPS client", naive: over("http"), harm: "takes"},
		{name: "G2 token in plain http", answer: far("", true, fixture.Rule{Match: "^GET /v2/$", Status: 401}), says: "in plain http: refused", harm: "leaks"},
		{name: "G2 layer in plain http", answer: far("", true, fixture.Rule{Match: layerPath(), Status: 307}), says: "in plain http: refused", harm: "leaks"},
		{name: "G2 layer in plain http, where registries.conf allows that", answer: func(w *world) {
			far("", true, fixture.Rule{Match: layerPath(), Status: 307})(w)
			w.file("registries.conf", "[[registry]]\nlocation = \""+w.far.Addr+"\"\ninsecure = true\n")
		}, works: true},
	}
	for i := range list {
		list[i].args = []string{"pull", "-q", "FAR/r:x"}
		list[i].env = append(account1("FAR"), "SSL_CERT_FILE=DIR/files/ca.crt")
		if list[i].naive == nil {
			list[i].naive = over("https")
		}
		if strings.Contains(list[i].name, "registries.conf") {
			list[i].env = []string{"CONTAINERS_REGISTRIES_CONF=DIR/files/registries.conf"}
		}
	}
	return list
}
