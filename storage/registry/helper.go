package registry

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"time"
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
	server := fileKey(domain)
	name := merged.helperOf(domain)
	if name == "" {
		return nil
	}
	for _, host := range []string{domain, server} {
		delete(merged.CredHelpers, host)
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

// helperOf names the helper that keeps the account of key, "" when a file does.
func (f authFile) helperOf(key string) string {
	for _, host := range []string{key, fileKey(key)} {
		if h := f.CredHelpers[host]; h != "" {
			return h
		}
	}
	if _, known := f.Auths[fileKey(key)]; known {
		return ""
	}
	return f.CredsStore
}

// askHelper runs a helper (docker-credential-helpers' protocol) and gives what belongs into an auth
// file; nil when it knows nothing, or is not installed.
func (s Settings) askHelper(name, server string) (json.RawMessage, error) {
	data, err := s.runHelper(name, "get", []byte(server))
	if errors.Is(err, exec.ErrNotFound) || (err != nil && bytes.Contains(data, []byte("credentials not found"))) {
		return nil, nil
	}
	if err != nil {
		return nil, err // not its output: that may hold a secret
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

// runHelper runs a helper with an action and gives what it answered. exec.ErrNotFound when it is not
// installed.
func (s Settings) runHelper(name, action string, input []byte) ([]byte, error) {
	if !helperExpr.MatchString(name) {
		return nil, errors.New("that is no name of a helper")
	}
	path, err := exec.LookPath("docker-credential-" + name)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), helperTime)
	defer cancel()
	go func() {
		select {
		case <-s.Canceled:
			cancel()
		case <-ctx.Done():
		}
	}()
	var out bounded
	cmd := exec.CommandContext(ctx, path, action)
	cmd.SysProcAttr = s.AsCaller
	cmd.Stdin, cmd.Stdout = bytes.NewReader(input), &out
	cmd.WaitDelay = time.Second // what it has started may keep its output open
	err = cmd.Run()
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = fmt.Errorf("it does not answer within %s", helperTime)
	case ctx.Err() != nil:
		err = ctx.Err()
	case out.over:
		err = fmt.Errorf("its answer is longer than %d bytes", maxHelperBytes)
	}
	return out.data, err
}

// helperTime is how long a helper may take, which may have to ask a person.
const helperTime = 5 * time.Minute

// bounded keeps the beginning of what is written; who writes more is told so.
type bounded struct {
	data []byte
	over bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if len(b.data)+len(p) > maxHelperBytes {
		b.over = true
		return 0, io.ErrShortWrite
	}
	b.data = append(b.data, p...)
	return len(p), nil
}
