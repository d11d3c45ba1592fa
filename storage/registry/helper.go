package registry

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"
)

// helperExpr keeps a helper's name a name: it comes from a file others may have written.
var helperExpr = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

const maxHelperBytes = 1 << 20

// useHelper asks the credential helper that is configured for domain, and puts what it says among
// the credentials. The library would run it as uid 0, and knows no credsStore.
func (s Settings) useHelper(merged *authFile, domain string) error {
	if domain == "" {
		return nil
	}
	server := domain
	if domain == "docker.io" {
		server = "https://index.docker.io/v1/" // docker's name for it
	}
	name := ""
	for _, host := range []string{domain, server} {
		if h, ok := merged.CredHelpers[host]; ok {
			name = h
			delete(merged.CredHelpers, host)
			break
		}
	}
	if name == "" {
		if _, known := merged.Auths[server]; known || merged.CredsStore == "" {
			return nil
		}
		name = merged.CredsStore
	}
	auth, err := s.askHelper(name, server)
	if err != nil {
		return fmt.Errorf("asking docker-credential-%s for %s: %w", name, server, err)
	}
	if auth != nil {
		merged.Auths[domain] = auth
	}
	return nil
}

// askHelper runs a helper (docker-credential-helpers' protocol) and gives what belongs into an auth
// file; nil when it knows nothing, or is not installed.
func (s Settings) askHelper(name, server string) (json.RawMessage, error) {
	if !helperExpr.MatchString(name) {
		return nil, errors.New("that is no name of a helper")
	}
	path, err := exec.LookPath("docker-credential-" + name)
	if errors.Is(err, exec.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path, "get")
	cmd.SysProcAttr = s.AsCaller
	cmd.Stdin = strings.NewReader(server)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	data, rerr := io.ReadAll(io.LimitReader(out, maxHelperBytes))
	_, _ = io.Copy(io.Discard, out) // let it end
	if err := cmd.Wait(); err != nil {
		if bytes.Contains(data, []byte("credentials not found")) {
			return nil, nil
		}
		return nil, err // not its output: that may hold a secret
	}
	if rerr != nil {
		return nil, rerr
	}
	var got struct{ Username, Secret string }
	if err := json.Unmarshal(data, &got); err != nil {
		return nil, errors.New("its answer is not JSON")
	}
	if got.Secret == "" {
		return nil, nil
	}
	if got.Username == "<token>" {
		return json.Marshal(map[string]string{"identitytoken": got.Secret, "auth": base64.StdEncoding.EncodeToString([]byte("<token>:"))})
	}
	return json.Marshal(map[string]string{"auth": base64.StdEncoding.EncodeToString([]byte(got.Username + ":" + got.Secret))})
}
