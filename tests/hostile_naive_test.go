package tests

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/dhow-containers/dhow/tests/fixture"
)

// What attacks are shown with: a registry client and an unpacker as they are written by somebody who
// trusts what comes. An attack that does them no harm is none, and its test shows nothing.

// They write through an os.Root at the world's directory and nowhere else: the tests run as root, and an
// attack that works must not reach the machine. What would leave the world is an escape that is noted and
// not made.

// naive is the client. It takes what it is sent, to where it is said to belong, and shows its password
// to everybody who is on the way.
type naive struct {
	world          *os.Root // of the world's directory
	user, password string
	scheme         string // "" is http
	asked          int
	flooded        bool // it read what does not end
	left           bool // it would have written outside of the world
}

const (
	naiveBytes = 24 << 20 // what it reads of one answer before the point is made
	naiveAsks  = 40       // and how often it asks
)

func (n *naive) get(u string) ([]byte, string, error) {
	if n.asked++; n.asked > naiveAsks {
		return nil, "", errors.New("it goes on for ever")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // naive
	transport.RegisterProtocol("file", http.NewFileTransport(http.Dir("/")))
	defer transport.CloseIdleConnections()
	c := http.Client{Transport: transport, Timeout: 2 * time.Second, CheckRedirect: func(req *http.Request, via []*http.Request) error {
		if n.asked++; n.asked > naiveAsks {
			return errors.New("it goes on for ever")
		}
		req.Header.Set("Authorization", via[0].Header.Get("Authorization"))
		return nil
	}}
	req, err := http.NewRequest(http.MethodGet, u, nil)
	if err != nil {
		return nil, "", err
	}
	req.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(n.user+":"+n.password)))
	resp, err := c.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusUnauthorized {
		if _, realm, ok := strings.Cut(resp.Header.Get("WWW-Authenticate"), `realm="`); ok {
			realm, _, _ = strings.Cut(realm, `"`)
			_, _, _ = n.get(realm)
		}
	}
	b, _ := io.ReadAll(io.LimitReader(resp.Body, naiveBytes))
	n.flooded = n.flooded || len(b) == naiveBytes
	if resp.StatusCode >= 300 {
		return nil, "", fmt.Errorf("status %d", resp.StatusCode)
	}
	return b, resp.Header.Get("Content-Type"), nil
}

// pull gives nil when it has an image.
func (n *naive) pull(addr, ref string) error {
	base := "http://" + addr
	if n.scheme != "" {
		base = n.scheme + "://" + addr
	}
	_, _, _ = n.get(base + "/v2/")
	raw, _, err := n.get(base + "/v2/r/manifests/" + ref)
	if err != nil {
		return err
	}
	type descriptor struct {
		Digest string
		URLs   []string
	}
	var m struct {
		Config            descriptor
		Layers, Manifests []descriptor
	}
	_ = json.NewDecoder(bytes.NewReader(raw)).Decode(&m) // what it understands of it
	if len(m.Manifests) > 0 {
		return n.pull(addr, m.Manifests[0].Digest)
	}
	for _, d := range append(m.Layers, m.Config) {
		from := base + "/v2/r/blobs/" + d.Digest
		if len(d.URLs) > 0 {
			from = d.URLs[0]
		}
		blob, _, err := n.get(from)
		if err != nil {
			return err
		}
		to := path.Join("naive/store/blobs", strings.TrimPrefix(d.Digest, "sha256:"))
		if len(path.Base(to)) > 255 {
			continue
		}
		if !filepath.IsLocal(to) {
			n.left = true
			continue
		}
		if err := n.world.MkdirAll(path.Dir(to), 0o700); err != nil {
			return err
		}
		if err := n.world.WriteFile(to, blob, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// tags asks for all tags, page after page.
func (n *naive) tags(addr string) error {
	for at := "/v2/r/tags/list"; at != ""; {
		if n.asked++; n.asked > naiveAsks {
			return errors.New("it goes on for ever")
		}
		resp, err := http.Get("http://" + addr + at)
		if err != nil {
			return err
		}
		_, err = io.ReadAll(io.LimitReader(resp.Body, naiveBytes))
		resp.Body.Close()
		if err != nil {
			return err
		}
		_, at, _ = strings.Cut(resp.Header.Get("Link"), "<")
		at, _, _ = strings.Cut(at, ">")
	}
	return nil
}

// push sends a blob and a manifest and takes every answer for a yes.
func (n *naive) push(addr string) error {
	send := func(method, u, body string) (*http.Response, error) {
		req, err := http.NewRequest(method, u, strings.NewReader(body))
		if err != nil {
			return nil, err
		}
		req.SetBasicAuth(n.user, n.password)
		resp, err := (&http.Client{Timeout: 2 * time.Second}).Do(req)
		if err != nil {
			return nil, nil //nolint:nilerr,nilnil // it does not look
		}
		resp.Body.Close()
		return resp, nil
	}
	resp, err := send(http.MethodPost, "http://"+addr+"/v2/r/blobs/uploads/", "")
	if err != nil {
		return err
	}
	if resp != nil && resp.Header.Get("Location") != "" {
		base := url.URL{Scheme: "http", Host: addr}
		if to, err := base.Parse(resp.Header.Get("Location")); err == nil {
			_, _ = send(http.MethodPatch, to.String(), "blob")
			_, _ = send(http.MethodPut, to.String()+"?digest=sha256:0", "")
		}
	}
	_, err = send(http.MethodPut, "http://"+addr+"/v2/r/manifests/x", "{}")
	return err
}

// link asks for a blob of another repository and sends a manifest of it. It reads the answers and takes
// every one for a yes.
func (n *naive) link(addr string) error {
	for at, method := range map[string]string{"blobs/uploads/?mount=sha256:0&from=r": http.MethodPost, "manifests/x": http.MethodPut} {
		req, err := http.NewRequest(method, "http://"+addr+"/v2/to/"+at, strings.NewReader("{}"))
		if err != nil {
			return err
		}
		if resp, err := (&http.Client{Timeout: 2 * time.Second}).Do(req); err == nil {
			_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, naiveBytes))
			resp.Body.Close()
		}
	}
	return nil
}

// harms tells what an attack has done.
type harms struct{ took, leaked, escaped, flooded, looped, hung bool }

func (h harms) String() string {
	var all []string
	for name, is := range map[string]bool{"takes": h.took, "leaks": h.leaked, "escapes": h.escaped, "floods": h.flooded, "loops": h.looped, "hangs": h.hung} {
		if is {
			all = append(all, name)
		}
	}
	return strings.Join(all, " ")
}

// showed tells whether a server saw the password, or any Authorization when it is not the one it is for.
func showed(h *fixture.Hostile, user, password string, any bool) bool {
	secret := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	for _, s := range h.Seen() {
		if any && s.Authorization != "" || strings.Contains(s.Authorization, secret) || strings.Contains(s.Body+s.URI, password) {
			return true
		}
	}
	return false
}
