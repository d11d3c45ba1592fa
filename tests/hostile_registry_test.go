package tests

import (
	"archive/tar"
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/dhow-containers/dhow/tests/fixture"
)

func init() {
	tables["registry"] = registryAttacks()
	tables["push"] = pushAttacks()
	tables["names"] = nameAttacks()
}

// oneFile is a tar of one file.
func oneFile(name, content string) []byte {
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	_ = tw.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content)), Typeflag: tar.TypeReg})
	_, _ = tw.Write([]byte(content))
	_ = tw.Close()
	return b.Bytes()
}

func goodImage() fixture.Parts {
	return fixture.Image(runtime.GOARCH, oneFile("a", strings.Repeat("content\n", 1000)))
}

// zstdImage is an image of n layers, each in a frame of zstd whose reader has to keep 1<<log bytes.
func zstdImage(n, log int) fixture.Parts {
	var tars [][]byte
	for i := range n {
		tars = append(tars, oneFile(fmt.Sprint(i), strings.Repeat("content\n", 1000)))
	}
	p := fixture.Image(runtime.GOARCH, tars...)
	for i, t := range tars {
		head := len(t)<<3 | 1 // the last block, as it is
		p.Layers[i] = append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0, byte(log-10) << 3, byte(head), byte(head >> 8), byte(head >> 16)}, t...)
	}
	p.Manifest = strings.ReplaceAll(fixture.ManifestOf(p.Config, p.Layers...), "+gzip", "+zstd")
	return p
}

// with changes a good image's manifest; what it says of blobs is answered with any blob.
func with(change func(m string) string) func(*world) {
	return func(w *world) {
		p := goodImage()
		m := change(p.Manifest)
		if m == p.Manifest {
			panic("nothing was changed")
		}
		w.reg.Answer(fixture.Tag(fixture.TypeManifest, m), fixture.Blob(p.Config), fixture.Blob(p.Layers[0]),
			fixture.Rule{Match: "/v2/r/blobs/", Body: string(p.Layers[0])})
	}
}

func swap(old, new string) func(*world) {
	return with(func(m string) string { return strings.Replace(m, old, new, 1) })
}

// before puts rules before a good image's.
func before(rules ...fixture.Rule) func(*world) {
	return func(w *world) {
		for i := range rules {
			rules[i].Body = w.expand(rules[i].Body)
		}
		w.reg.Answer(append(rules, goodImage().Rules()...)...)
	}
}

// blobs are the requests for a good image's layer and config.
func layerPath() string  { return "/v2/r/blobs/" + string(digest.FromBytes(goodImage().Layers[0])) }
func configPath() string { return "/v2/r/blobs/" + string(digest.FromBytes(goodImage().Config)) }

// account is the environment that has an account for a key of the auth file.
func account1(key string) []string {
	return []string{`DOCKER_AUTH_CONFIG={"auths":{"` + key + `":{"auth":"` + base64.StdEncoding.EncodeToString([]byte(casey+":"+secret)) + `"}}}`}
}

func elsewhere(challenge string) func(*world) {
	return func(w *world) {
		p := goodImage()
		m := strings.Replace(p.Manifest, `"layers":[{`, `"layers":[{"urls":["http://`+w.other.Addr+`/layer"],`, 1)
		m = strings.Replace(m, "layer.v1.tar+gzip", "layer.nondistributable.v1.tar+gzip", 1)
		w.reg.Answer(fixture.Tag(fixture.TypeManifest, m), fixture.Blob(p.Config))
		w.other.Answer(fixture.Rule{Match: "/layer", Status: 401, Header: map[string]string{"Www-Authenticate": strings.ReplaceAll(challenge, "OTHER", w.other.Addr)}})
	}
}

// moved answers requests that match by sending them to the other host, which has everything.
func moved(match string, status int, body string) func(*world) {
	return func(w *world) {
		p := goodImage()
		w.reg.Answer(append([]fixture.Rule{
			{Match: "^GET /v2/$", Status: 401, Header: map[string]string{"Www-Authenticate": `Basic realm="r"`}},
			{Match: match, Status: status, Header: map[string]string{"Location": "http://" + w.other.Addr + "/v2/r/manifests/x"}},
		}, p.Rules()...)...)
		w.other.Answer(fixture.Rule{Match: "/", Body: body, Header: map[string]string{"Content-Type": fixture.TypeManifest}})
	}
}

func bearer(w *world, token fixture.Rule, more ...fixture.Rule) {
	token.Match = "/token"
	rules := append([]fixture.Rule{token, {Match: "^GET /v2/$", Status: 401, Header: map[string]string{"Www-Authenticate": `Bearer realm="http://SELF/token",service="s"`}}}, more...)
	w.reg.Answer(append(rules, goodImage().Rules()...)...)
}

func registryAttacks() []attack {
	layer := string(digest.FromBytes(goodImage().Layers[0]))
	config := string(digest.FromBytes(goodImage().Config))
	index := func(entries string) func(*world) {
		return func(w *world) {
			w.reg.Answer(append([]fixture.Rule{fixture.Tag(fixture.TypeIndex, `{"schemaVersion":2,"mediaType":"`+fixture.TypeIndex+`","manifests":[`+entries+`]}`)},
				fixture.Rule{Match: "/v2/r/manifests/[^x]", Body: goodImage().Manifest, Header: map[string]string{"Content-Type": fixture.TypeManifest}},
				fixture.Blob(goodImage().Config), fixture.Blob(goodImage().Layers[0]), fixture.Rule{Match: "/v2/r/blobs/", Body: "x"})...)
		}
	}
	entry := func(mediaType, d, arch string) string {
		return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d,"platform":{"architecture":%q,"os":"linux"}}`, mediaType, d, len(goodImage().Manifest), arch)
	}
	good := string(digest.FromString(goodImage().Manifest))
	list := []attack{
		{name: "G1 foreign layer, Basic elsewhere", answer: elsewhere(`Basic realm="give"`), env: account1("REG"), harm: "leaks"},
		{name: "G1 foreign layer, Bearer elsewhere", answer: elsewhere(`Bearer realm="http://OTHER/token"`), env: account1("REG"), harm: "leaks"},
		{name: "G1 foreign layer is a file", answer: swap(`"layers":[{`, `"layers":[{"urls":["file:///etc/hostname"],`), works: true}, // the url is passed over
		{name: "G2 blob moved to another host", answer: moved("GET "+layerPath(), 307, string(goodImage().Layers[0])), env: account1("REG"), works: true, harm: "leaks"},
		{name: "G2 config moved to another host", answer: moved("GET "+configPath(), 302, string(goodImage().Config)), env: account1("REG"), works: true, harm: "leaks"},
		{name: "G2 manifest moved to another host", answer: moved("/manifests/", 307, goodImage().Manifest), env: account1("REG"), works: true, harm: "leaks"},
		{name: "G2 a token does not go to another host", answer: func(w *world) {
			bearer(w, fixture.Rule{Body: `{"token":"t","access_token":"t"}`}, fixture.Rule{Match: "GET " + layerPath(), Status: 307, Header: map[string]string{"Location": "http://" + w.other.Addr + "/layer"}})
			w.other.Answer(fixture.Rule{Match: "/layer", Body: string(goodImage().Layers[0])})
		}, env: account1("REG"), works: true, harm: "leaks"},
		{name: "G2 moved to a file", answer: before(fixture.Rule{Match: layerPath(), Status: 302, Header: map[string]string{"Location": "file:///etc/hostname"}}), harm: "takes"},
		{name: "G2 moved to a socket", answer: before(fixture.Rule{Match: layerPath(), Status: 302, Header: map[string]string{"Location": "unix:///run/x"}})},
		{name: "G2 moved in a circle", answer: before(fixture.Rule{Match: "/manifests/", Status: 307, Header: map[string]string{"Location": "/v2/r/manifests/x"}}), harm: "loops"},
		{name: "G2 realm is a file", answer: func(w *world) {
			w.reg.Answer(fixture.Rule{Match: ".", Status: 401, Header: map[string]string{"Www-Authenticate": `Bearer realm="file:///etc/hostname"`}})
		}, env: account1("REG")},
		{name: "G2 no realm", answer: func(w *world) {
			w.reg.Answer(fixture.Rule{Match: ".", Status: 401, Header: map[string]string{"Www-Authenticate": `Bearer service="x"`}})
		}, env: account1("REG")},
		{name: "G2 401 for ever", answer: func(w *world) {
			w.reg.Answer(fixture.Rule{Match: ".", Status: 401, Header: map[string]string{"Www-Authenticate": `Basic realm="x"`}})
		}, env: account1("REG"), says: "dhow login|unauthorized|authentication"},
		{name: "G2 insufficient scope for ever", answer: func(w *world) {
			bearer(w, fixture.Rule{Body: `{"token":"t"}`}, fixture.Rule{Match: "/manifests/", Status: 401, Header: map[string]string{"Www-Authenticate": `Bearer realm="http://SELF/token",service="s",scope="repository:r:pull",error="insufficient_scope"`}})
		}, env: account1("REG")},

		{name: "G4 layers and manifests", answer: swap(`"layers":`, `"manifests":[],"layers":`), harm: "takes"},
		{name: "G4 an image called an index", answer: func(w *world) {
			w.reg.Answer(append([]fixture.Rule{fixture.Tag(fixture.TypeIndex, goodImage().Manifest)}, goodImage().Rules()...)...)
		}, harm: "takes"},
		{name: "G4 an image called html", answer: func(w *world) {
			w.reg.Answer(append([]fixture.Rule{fixture.Tag("text/html", goodImage().Manifest)}, goodImage().Rules()...)...)
		}, harm: "takes"},
		{name: "G4 html", answer: func(w *world) {
			w.reg.Answer(fixture.Rule{Match: ".", Body: "<html>\x1b[2Jlog in here</html>", Header: map[string]string{"Content-Type": "text/html"}})
		}, harm: "takes"},
		{name: "G4 an artifact", answer: swap(fixture.TypeConfig, "application/vnd.evil.config"), harm: "takes"},

		{name: "G5 an index of itself", answer: func(w *world) {
			w.reg.Answer(fixture.Rule{Match: "/v2/r/manifests/", Body: `{"schemaVersion":2,"manifests":[` + entry(fixture.TypeIndex, good, runtime.GOARCH) + `]}`, Header: map[string]string{"Content-Type": fixture.TypeIndex}})
		}, harm: "loops"},
		{name: "G5 an index in an index", answer: func(w *world) {
			m := ""
			rules := []fixture.Rule{}
			for range 60 {
				inner := entry(fixture.TypeIndex, string(digest.FromString(m)), runtime.GOARCH)
				m = `{"schemaVersion":2,"mediaType":"` + fixture.TypeIndex + `","manifests":[` + inner + `]}`
				rules = append([]fixture.Rule{fixture.Tag(fixture.TypeIndex, m)}, rules...)
			}
			w.reg.Answer(rules...)
		}, harm: "loops"},
		{name: "G5 an index of nothing", answer: index(""), harm: "takes"},
		{name: "G5 an index for other machines", answer: index(entry(fixture.TypeManifest, good, "s390x")), says: "no image found|platform|architecture", harm: "takes"},
		{name: "G5 an index with two of this machine's", answer: index(entry(fixture.TypeManifest, good, runtime.GOARCH) + "," + entry(fixture.TypeManifest, layer, runtime.GOARCH)), works: true},
		{name: "G5 an index of 30000", answer: index(strings.Repeat(entry(fixture.TypeManifest, layer, "s390x")+",", 30000) + entry(fixture.TypeManifest, good, "s390x")), harm: "takes"},

		{name: "G6 trailing data", answer: with(func(m string) string { return m + "{}" }), harm: "takes"},
		{name: "G6 a mark before it", answer: with(func(m string) string { return "\ufeff" + m }), harm: "takes"},
		{name: "G6 arrays in arrays", answer: with(func(m string) string {
			return strings.Replace(m, `"layers":`, `"x":`+strings.Repeat("[", 1e6)+strings.Repeat("]", 1e6)+`,"layers":`, 1)
		}), harm: "takes"},
		{name: "G6 a number without end", answer: swap(`"size":`, `"size":1e999,"x":`), harm: "takes"},
		{name: "G6 the config twice: the last counts", answer: swap(`"config":`, `"config":`+fixture.Descriptor(fixture.TypeConfig, []byte("evil"))+`,"config":`), works: true, after: sameBytes},
		{name: "G6 layers in another case: the last counts", answer: with(func(m string) string {
			return strings.Replace(m, `"layers":`, `"LAYERS":[],"layers":`, 1)
		}), works: true, after: sameBytes},

		{name: "G7 manifest of 5 MB", answer: with(func(m string) string { return m + strings.Repeat(" ", 5<<20) }), harm: "takes"},
		{name: "G7 manifest without end", answer: before(fixture.Rule{Match: "/manifests/", Body: " ", Endless: true, Header: map[string]string{"Content-Type": fixture.TypeManifest}}), harm: "floods"},
		{name: "G7 config without end", answer: before(fixture.Rule{Match: configPath(), Body: " ", Endless: true}), harm: "floods"},
		{name: "G7 config said to be a gigabyte", answer: with(func(m string) string {
			return strings.Replace(m, fmt.Sprintf(`"digest":%q,"size":%d`, config, len(goodImage().Config)), fmt.Sprintf(`"digest":%q,"size":%d`, config, 1<<30), 1)
		}), harm: "takes"},
		{name: "G7 layer without end", answer: before(fixture.Rule{Match: layerPath(), Body: string(goodImage().Layers[0]), Endless: true}), works: true, harm: "floods"}, // as much as was said
		{name: "G7 refusal of a layer without end", answer: before(fixture.Rule{Match: layerPath(), Status: 404, Body: "gone ", Endless: true})},
		{name: "G7 layers with large windows", answer: func(w *world) { w.reg.Answer(zstdImage(6, 27).Rules()...) }, works: true}, // as zstd --long writes them
		{name: "G7 layer with too large a window", answer: func(w *world) { w.reg.Answer(zstdImage(1, 31).Rules()...) }, says: "window size"},
		{name: "G7 ping without end", answer: before(fixture.Rule{Match: "GET /v2/$", Body: "x", Endless: true}), works: true, harm: "floods"},
		{name: "G7 refusal without end", answer: before(fixture.Rule{Match: "/manifests/", Status: 404, Body: "\x1b[31mgone ", Endless: true}), harm: "floods"},
		{name: "G7 refusal that grows as it is read", answer: before(fixture.Rule{Match: "/manifests/", Status: 403, Body: string(fixture.Gzip(make([]byte, 8<<20))), Endless: true, Header: map[string]string{"Content-Encoding": "gzip"}}), says: "does not end", harm: "floods"},
		{name: "G7 refusal in JSON without end", answer: before(fixture.Rule{Match: "/manifests/", Status: 403, Body: `{"errors":[{"code":"DENIED","message":"` + strings.Repeat("no ", 1e5) + `\u001b[31m\nnow"}]}`, Header: map[string]string{"Content-Type": "application/json"}})},
		{name: "G7 thousands of errors", answer: before(fixture.Rule{Match: "/manifests/", Status: 403, Body: `{"errors":[` + strings.Repeat(`{"code":"DENIED","message":"no"},`, 20000) + `{"code":"DENIED"}]}`, Header: map[string]string{"Content-Type": "application/json"}})},
		{name: "G7 tags without end", args: []string{"pull", "-aq", "REG/r"}, says: "does not end", answer: before(fixture.Rule{Match: "/tags/list", Body: " ", Endless: true}), naive: naiveTags, harm: "floods"},
		{name: "G7 pages of tags without end", args: []string{"pull", "-aq", "REG/r"}, says: "does not end", answer: before(fixture.Rule{Match: "/tags/list",
			Body: `{"tags":["` + strings.Repeat(strings.Repeat("t", 120)+`","`, 10_000) + `t"]}`, Header: map[string]string{"Link": `</v2/r/tags/list?n=1>; rel="next"`}}), naive: naiveTags, harm: "loops"},
		{name: "G7 token without end", answer: func(w *world) { bearer(w, fixture.Rule{Body: `{"token":"` + strings.Repeat("x", 1000), Endless: true}) }, env: account1("REG"), harm: "floods"},
		{name: "G7 token of half a megabyte with line ends", answer: func(w *world) {
			bearer(w, fixture.Rule{Body: `{"token":"a\r\nX-Evil: 1` + strings.Repeat("x", 1<<19) + `"}`})
		}, env: account1("REG")},
		{name: "G7 token is no JSON", answer: func(w *world) { bearer(w, fixture.Rule{Body: secret}) }, env: account1("REG")},
		{name: "G7 a header without end", answer: before(fixture.Rule{Match: "/manifests/", Header: map[string]string{"X-A": strings.Repeat("a", 12<<20)}})},
		{name: "G7 challenge of a megabyte", answer: func(w *world) {
			w.reg.Answer(fixture.Rule{Match: ".", Status: 401, Header: map[string]string{"Www-Authenticate": "Basic " + strings.Repeat(`a="b",`, 2e5)}})
		}},

		{name: "G8 blob is missing", answer: before(fixture.Rule{Match: layerPath(), Status: 404})},
		{name: "G8 blob is another", answer: before(fixture.Rule{Match: layerPath(), Body: string(fixture.Gzip(oneFile("evil", "x")))}), harm: "takes"},
		{name: "G8 blob is short", answer: before(fixture.Rule{Match: layerPath(), Body: string(goodImage().Layers[0][:50])}), harm: "takes"},
		{name: "G8 blob is long", answer: before(fixture.Rule{Match: layerPath(), Body: string(goodImage().Layers[0]) + "more"}), harm: "takes"},
		{name: "G8 config is another", answer: before(fixture.Rule{Match: configPath(), Body: "{}"}), harm: "takes"},
		{name: "G8 layer said to be huge", answer: with(func(m string) string {
			n := len(goodImage().Layers[0])
			return strings.Replace(m, fmt.Sprintf(`"size":%d}]`, n), `"size":9223372036854775807}]`, 1)
		}), harm: "takes"},
		{name: "G8 layer of negative size", answer: with(func(m string) string {
			n := len(goodImage().Layers[0])
			return strings.Replace(m, fmt.Sprintf(`"size":%d}]`, n), `"size":-5}]`, 1)
		}), harm: "takes"},
		{name: "G8 the end comes before the length", answer: before(fixture.Rule{Match: layerPath(), Times: 1, Body: string(goodImage().Layers[0][:70]), Length: int64(len(goodImage().Layers[0]))}), works: true},
		{name: "G8 reset in the middle", answer: before(fixture.Rule{Match: layerPath(), Times: 1, Body: string(goodImage().Layers[0]), Reset: 60}), works: true},
		{name: "G8 reset before the answer", answer: before(fixture.Rule{Match: "/manifests/", Times: 1, Reset: -1}), works: true},
		{name: "G8 a range that is another", answer: before(fixture.Rule{Match: layerPath(), Times: 1, Body: string(goodImage().Layers[0]), Reset: 60},
			fixture.Rule{Match: layerPath(), Times: 1, Status: 206, Body: string(goodImage().Layers[0][10:]), Header: map[string]string{"Content-Range": fmt.Sprintf("bytes 10-%d/%d", len(goodImage().Layers[0])-1, len(goodImage().Layers[0]))}},
		), works: true},
		{name: "G8 a range without its place", answer: before(fixture.Rule{Match: layerPath(), Times: 1, Body: string(goodImage().Layers[0]), Reset: 60},
			fixture.Rule{Match: layerPath(), Times: 1, Status: 206, Body: string(goodImage().Layers[0][10:])}), works: true},
		{name: "G8 no range after all", answer: before(fixture.Rule{Match: layerPath(), Times: 1, Body: string(goodImage().Layers[0]), Reset: 60},
			fixture.Rule{Match: layerPath(), Times: 1, Status: 416}), works: true},
		{name: "G8 a range in parts", answer: before(fixture.Rule{Match: layerPath(), Times: 1, Body: string(goodImage().Layers[0]), Reset: 60},
			fixture.Rule{Match: layerPath(), Times: 1, Status: 206, Body: "--b\r\n\r\nx", Header: map[string]string{"Content-Type": "multipart/byteranges; boundary=b"}}), works: true},
		{name: "G8 stalls: Ctrl-C ends it", answer: before(fixture.Rule{Match: layerPath(), Body: string(goodImage().Layers[0]), Stall: time.Minute, StallAt: 40}), interrupt: 700 * time.Millisecond, harm: "hangs"},
		{name: "G8 manifest stalls: Ctrl-C ends it", answer: before(fixture.Rule{Match: "/manifests/", Body: goodImage().Manifest, Stall: time.Minute, StallAt: 40}), interrupt: 700 * time.Millisecond, harm: "hangs"},
		{name: "G8 wants a billion seconds: Ctrl-C ends it", answer: before(fixture.Rule{Match: "/manifests/", Status: 429, Header: map[string]string{"Retry-After": "1000000000"}}), interrupt: 700 * time.Millisecond},
		{name: "G8 wants less than no time", answer: before(fixture.Rule{Match: "/manifests/", Times: 1, Status: 429, Header: map[string]string{"Retry-After": "-5"}}), works: true},

		{name: "G9 the list's entry is another", answer: index(entry(fixture.TypeManifest, layer, runtime.GOARCH)), harm: "takes"},
		{name: "G9 asked by digest, answered with another", args: []string{"pull", "-q", "REG/r@sha256:" + strings.Repeat("0", 64)}, answer: func(w *world) {
			w.reg.Answer(append([]fixture.Rule{{Match: "/manifests/", Body: goodImage().Manifest, Header: map[string]string{"Content-Type": fixture.TypeManifest}}}, goodImage().Rules()...)...)
		}, says: "digest|match", harm: "takes"},
		{name: "G9 the digest in the header is another", answer: func(w *world) {
			tag := fixture.Tag(fixture.TypeManifest, goodImage().Manifest)
			tag.Header["Docker-Content-Digest"] = "sha256:" + strings.Repeat("0", 64)
			w.reg.Answer(append([]fixture.Rule{tag}, goodImage().Rules()...)...)
		}, works: true, after: sameBytes},
		{name: "G9 the tag moves under way", answer: func(w *world) {
			other := fixture.Image(runtime.GOARCH, oneFile("b", "other"))
			first := fixture.Tag(fixture.TypeManifest, goodImage().Manifest)
			first.Times = 1
			w.reg.Answer(append(append([]fixture.Rule{first}, other.Rules()...), goodImage().Rules()...)...)
		}, works: true, after: sameBytes},

		{name: "G13 account of another port", env: account1("REG1"), works: true, answer: before(), secretRegistry: true, harm: "leaks"},
		{name: "G13 account of another name", env: account1("x.REG"), works: true, answer: before(), secretRegistry: true, harm: "leaks"},
		{name: "G13 account of another repository", env: account1("REG/other"), works: true, answer: before(), secretRegistry: true, harm: "leaks"},
		{name: "G13 account of a longer name", env: account1("REG/rr"), works: true, answer: before(), secretRegistry: true, harm: "leaks"},

		{name: "G15 layer is encrypted", answer: swap("tar+gzip", "tar+gzip+encrypted"), says: "encrypted", harm: "takes"},
		{name: "G15 layer of an unknown kind", answer: swap("vnd.oci.image.layer.v1.tar+gzip", "x-evil"), harm: "takes"},
	}
	for _, d := range []string{
		"sha256:../../../canary", "sha256:" + strings.Repeat("../", 30) + "canary", "md5:d41d8cd98f00b204e9800998ecf8427e", "sha256:" + strings.Repeat("A", 64),
		"sha512:" + strings.Repeat("a", 64), "sha256:" + strings.Repeat("a", 63), "sha256:" + strings.Repeat("a", 10<<10), "", "../canary", "sha256:" + strings.Repeat("a", 64) + "/x", "sha512:" + strings.Repeat("a", 128),
	} {
		short := d[:min(len(d), 30)]
		harm := "takes"
		if strings.HasSuffix(d, "../canary") && d != "../canary" {
			harm = "escapes"
		}
		if d == "" {
			harm = "" // nobody can ask for it
		}
		list = append(list, attack{name: "G3 layer " + short, answer: swap(layer, d), harm: harm}, attack{name: "G3 config " + short, answer: swap(config, d), harm: harm})
		if d != "" {
			list = append(list, attack{name: "G3 index " + short, answer: index(entry(fixture.TypeManifest, d, runtime.GOARCH)), harm: "takes"})
		}
	}
	for name, script := range map[string]string{
		"without end": "#!/bin/sh\nexec yes '" + secret + "'\n",
		"no JSON":     "#!/bin/sh\nprintf '\\033[31m" + secret + "'\n",
		"fails":       "#!/bin/sh\nprintf '\\033[31m" + secret + "' >&2; exit 3\n",
		"hangs":       "#!/bin/sh\nexec sleep 60\n",
	} {
		a := attack{name: "G12 helper: " + name, env: []string{"DOCKER_CONFIG=DIR/files", "PATH=DIR/files:" + os.Getenv("PATH")}, answer: func(w *world) {
			before()(w)
			_ = os.WriteFile(filepath.Join(w.dir, "files/config.json"), []byte(`{"credHelpers":{"`+w.reg.Addr+`":"evil"}}`), 0o600)
			_ = os.WriteFile(filepath.Join(w.dir, "files/docker-credential-evil"), []byte(script), 0o755)
		}}
		if name == "hangs" {
			a.interrupt = 700 * time.Millisecond
		}
		list = append(list, a)
	}
	return append(list, attack{name: "G12 helper: a path", env: []string{"DOCKER_CONFIG=DIR/files"}, answer: func(w *world) {
		before()(w)
		w.file("config.json", `{"credHelpers":{"`+w.reg.Addr+`":"../evil"}}`)
		w.file("docker-credential-../evil", "#!/bin/sh\ntouch '"+w.dir+"/outside/x'\n")
		_ = os.Chmod(filepath.Join(w.dir, "files/docker-credential-../evil"), 0o755)
	}, says: "no name of a helper", harm: "escapes", naive: func(w *world, _ *naive) error {
		return exec.Command(filepath.Join(w.dir, "files") + "/docker-credential-" + "../evil").Run()
	}})
}

// sameBytes wants the image under its digest: that of the bytes that came.
func sameBytes(w *world) error {
	out, err := w.dhow(attack{}, "image", "inspect", "--format", "{{index .RepoDigests 0}} {{len .RootFS.Layers}}", w.reg.Addr+"/r:x")
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	if !strings.HasSuffix(out, " 1\n") {
		return fmt.Errorf("it is %s", out)
	}
	return nil
}

func naiveTags(w *world, n *naive) error { return n.tags(w.reg.Addr) }

func pushAttacks() []attack {
	refuse := func(rules ...fixture.Rule) func(*world) {
		return func(w *world) { w.reg.Answer(rules...) }
	}
	upload := fixture.Rule{Match: "POST /v2/r/blobs/uploads/", Status: 202, Header: map[string]string{"Location": "/v2/r/blobs/uploads/1", "Range": "0-0"}}
	patch := patched("r")
	done := fixture.Rule{Match: "PUT /v2/r/blobs/", Status: 201}
	naivePush := func(w *world, n *naive) error { return n.push(w.reg.Addr) }
	list := []attack{
		{name: "G11 no uploads", answer: refuse(fixture.Rule{Match: "POST", Status: 405})},
		{name: "G11 mount is refused, upload too", answer: refuse(fixture.Rule{Match: "POST", Status: 403, Body: `{"errors":[{"code":"DENIED","message":"\u001b[2Jno"}]}`})},
		{name: "G11 upload goes nowhere", answer: refuse(fixture.Rule{Match: "POST", Status: 202})},
		{name: "G11 upload goes to a file", answer: refuse(fixture.Rule{Match: "POST", Status: 202, Header: map[string]string{"Location": "file:///nonexistent/x"}})},
		{name: "G11 part is refused", answer: refuse(upload, fixture.Rule{Match: "PATCH", Status: 400})},
		{name: "G11 end is refused", answer: refuse(upload, patch, fixture.Rule{Match: "PUT", Status: 400})},
		{name: "G11 manifest is refused", answer: refuse(upload, patch, done, fixture.Rule{Match: "PUT /v2/r/manifests/", Status: 400, Body: strings.Repeat("\x1b[31m", 1000)})},
		{name: "G11 has every blob and takes no manifest", answer: refuse(fixture.Rule{Match: "HEAD /v2/r/blobs/", Length: 5}, upload, patch, done, fixture.Rule{Match: "PUT /v2/r/manifests/", Status: 404})},
		{name: "G11 reset at the end", answer: refuse(upload, patch, done, fixture.Rule{Match: "PUT /v2/r/manifests/", Reset: -1}), interrupt: 3 * time.Second},
	}
	for i := range list {
		list[i].args = []string{"push", "-q", "REG/r:x"}
		inner := list[i].answer
		list[i].answer = func(w *world) {
			w.reg.Answer(goodImage().Rules()...)
			_, _ = w.dhow(attack{}, "pull", "-q", w.reg.Addr+"/r:x")
			inner(w)
		}
		list[i].naive = naivePush
		if list[i].harm == "" {
			list[i].harm = "takes"
		}
		list[i].after = func(w *world) error {
			out, err := w.dhow(attack{}, "rmi", "-f", w.reg.Addr+"/r:x")
			if err != nil {
				return fmt.Errorf("the image is gone: %w: %s", err, out)
			}
			return nil
		}
	}
	return append(list, mountAttacks()...)
}

func patched(repository string) fixture.Rule {
	return fixture.Rule{Match: "PATCH ", Status: 202, Header: map[string]string{"Location": "/v2/" + repository + "/blobs/uploads/1"}}
}

// mountAttacks link blobs of another repository that are not there.
func mountAttacks() []attack {
	link := func(name string, rules ...fixture.Rule) attack {
		return attack{name: name, harm: "takes", args: []string{"push", "-q", "REG/to:x"},
			answer: func(w *world) {
				w.reg.Answer(goodImage().Rules()...)
				_, _ = w.dhow(attack{}, "pull", "-q", w.reg.Addr+"/r:x")
				_, _ = w.dhow(attack{}, "tag", w.reg.Addr+"/r:x", w.reg.Addr+"/to:x")
				w.reg.Answer(append(rules, fixture.Rule{Match: "HEAD /v2/r/blobs/", Length: 5})...)
			},
			naive: func(w *world, n *naive) error {
				err := n.link(w.reg.Addr)
				_, _ = w.dhow(attack{}, "rmi", w.reg.Addr+"/to:x", w.reg.Addr+"/r:x")
				return err
			},
			after: func(w *world) error {
				for _, s := range w.reg.Seen() {
					if strings.Contains(s.URI, "mount=") {
						out, err := w.dhow(attack{}, "rmi", w.reg.Addr+"/to:x", w.reg.Addr+"/r:x")
						if err != nil {
							return fmt.Errorf("the image is gone: %w: %s", err, out)
						}
						return nil
					}
				}
				return fmt.Errorf("it never asked for a link: %+v", w.reg.Seen())
			}}
	}
	linked := fixture.Rule{Match: "POST /v2/to/blobs/uploads/.*mount=", Status: 201, Header: map[string]string{"Location": "/v2/to/blobs/x"}}
	flood := fixture.Rule{Match: "POST", Status: 401, Body: "x", Endless: true}
	list := []attack{
		link("G11 links what it has not, and knows nothing of it", linked,
			fixture.Rule{Match: "POST /v2/to/blobs/uploads/", Status: 202, Header: map[string]string{"Location": "/v2/to/blobs/uploads/1", "Range": "0-0"}},
			patched("to"), fixture.Rule{Match: "PUT /v2/to/blobs/", Status: 201}, fixture.Rule{Match: "PUT /v2/to/manifests/", Status: 400,
				Body: `{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown to registry"}]}`}),
		link("G11 links some, and takes no other", fixture.Rule{Match: linked.Match, Status: 201, Times: 1, Header: linked.Header}, fixture.Rule{Match: "POST", Status: 403}),
		link("G11 links nothing and uploads nowhere", fixture.Rule{Match: linked.Match, Status: 202}, fixture.Rule{Match: "POST", Status: 202}),
		link("G11 links with a refusal without end", flood),
	}
	list[0].says, list[3].harm = "blob unknown", "floods"
	return list
}

func nameAttacks() []attack {
	var list []attack
	for _, name := range []string{
		"", " ", "-x", "--", "../x", "REG/../x", "REG//r", "REG/r:", "REG/r:x y", "REG/r:x@sha256:../../x", "REG/R:x", "REG/r:x\n", "http://REG/r:x", "REG/" + strings.Repeat("a", 5000),
		strings.Repeat("a/", 3000) + "x", "REG/r\x1b[2J", "REG/r@md5:d41d8cd98f00b204e9800998ecf8427e", "REG/r:" + strings.Repeat("t", 129), "file:///x", "docker-archive:/x", "dir:/x", "oci:/tmp:x", "REG\\r:x", "REG/r:x\xff",
	} {
		for _, verb := range [][]string{{"pull", "-q"}, {"run", "--rm", "--pull", "always"}} {
			if verb[0] == "run" && len(list) > 12 {
				continue // the same reader
			}
			show := fmt.Sprintf("%q", name)
			list = append(list, attack{name: "G14 " + verb[0] + " " + show[:min(len(show), 40)], answer: before(), args: append(append([]string{}, verb...), "--", name), after: func(w *world) error {
				for _, s := range w.reg.Seen() {
					if strings.HasPrefix(s.URI, "/v2/") && s.URI != "/v2/" {
						return fmt.Errorf("it asked for %s", s.URI)
					}
				}
				return nil
			}})
		}
	}
	return list
}
