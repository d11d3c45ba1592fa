package registry

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"go.podman.io/image/v5/docker"
)

// ErrCredentials means that the registry does not take a user's password.
var ErrCredentials = errors.New("incorrect username or password")

// dockerIndex is docker's name for the registry docker.io in its files.
const dockerIndex = "https://index.docker.io/v1/"

// ServerKey gives the key an account is kept under: "docker.io" for docker's own names of it, else
// host[:port], with a path behind it when the account is of a part of the registry.
func ServerKey(server string) (string, error) {
	key := server
	for _, scheme := range []string{"https://", "http://"} {
		key = strings.TrimPrefix(key, scheme)
	}
	key = strings.TrimRight(key, "/")
	host, path, _ := strings.Cut(key, "/")
	if path == "v1" || path == "v2" {
		path = "" // the address of the registry's own interface
	}
	switch host {
	case "", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com":
		if server != "" && host == "" {
			return "", fmt.Errorf("%q is no registry: want HOST[:PORT][/PATH]", server)
		}
		host = "docker.io"
	}
	if strings.ContainsAny(key, " \t\r\n\"'\\@?#") || strings.HasPrefix(key, "-") || strings.Contains("/"+path+"/", "/../") || strings.Contains("/"+path, "//") {
		return "", fmt.Errorf("%q is no registry: want HOST[:PORT][/PATH]", server)
	}
	if path != "" {
		return host + "/" + path, nil
	}
	return host, nil
}

// fileKey is how docker's files name a key.
func fileKey(key string) string {
	if key == "docker.io" {
		return dockerIndex
	}
	return key
}

// Kept tells where an account was put or was.
type Kept struct {
	File   string // "" when a helper keeps it
	Helper string // "" when a file does
}

// Login asks the registry of key whether it takes the account and keeps it. ErrCredentials is
// wrapped when the registry refuses.
func (s Settings) Login(ctx context.Context, key, username, password string) (Kept, error) {
	if err := s.Check(ctx, key, username, password); err != nil {
		return Kept{}, err
	}
	return s.keep(key, username, password)
}

// Check asks the registry of key whether it takes the account.
func (s Settings) Check(ctx context.Context, key, username, password string) error {
	host, _, _ := strings.Cut(key, "/")
	ctx, calm := Bounded(ctx)
	defer calm()
	sys, done, err := s.Context(Access{Domain: host, Username: username, Password: password})
	if err != nil {
		return err
	}
	defer done()
	err = docker.CheckAuth(ctx, sys, username, password, host)
	if errors.Is(context.Cause(ctx), ErrFlood) {
		err = ErrFlood
	}
	if refused := (docker.ErrUnauthorizedForCredentials{}); errors.As(err, &refused) {
		err = ErrCredentials
	}
	if err != nil {
		return fmt.Errorf("logging in to %s: %w", host, err)
	}
	return nil
}

// Account gives the user and password kept for key itself; empty when there are none, or when only a
// token is kept.
func (s Settings) Account(key string) (username, password string, err error) {
	merged, err := s.readAuth()
	if err != nil {
		return "", "", err
	}
	if err := s.useHelper(&merged, key); err != nil {
		return "", "", err
	}
	for _, k := range []string{key, fileKey(key)} {
		var a struct{ Auth string }
		if json.Unmarshal(merged.Auths[k], &a) != nil || a.Auth == "" {
			continue
		}
		plain, err := base64.StdEncoding.DecodeString(a.Auth)
		if err != nil {
			return "", "", fmt.Errorf("reading the credentials of %s: what is kept is not base64", key)
		}
		user, secret, ok := strings.Cut(strings.TrimRight(string(plain), "\x00"), ":")
		if ok && user != "<token>" {
			return user, secret, nil
		}
	}
	return "", "", nil
}

func (s Settings) keep(key, username, password string) (Kept, error) {
	merged, err := s.readAuth()
	if err != nil {
		return Kept{}, err
	}
	file, err := s.fileFor(key)
	if err != nil {
		return Kept{}, err
	}
	merged.Auths = nil // a helper that is configured is used, though a file knows an older password
	if helper := merged.helperOf(key); helper != "" {
		if strings.Contains(key, "/") {
			return Kept{}, fmt.Errorf("keeping the account of %s: docker-credential-%s keeps accounts of whole registries, not of paths", key, helper)
		}
		request, err := json.Marshal(struct{ ServerURL, Username, Secret string }{fileKey(key), username, password})
		if err != nil {
			return Kept{}, err
		}
		if _, err := s.runHelper(helper, "store", request); err != nil {
			return Kept{}, fmt.Errorf("keeping the account of %s with docker-credential-%s: %w", key, helper, err)
		}
		// As docker does: the file tells that there is an account, and holds no older one.
		return Kept{Helper: helper}, editAuth(file, func(auths map[string]json.RawMessage) bool {
			auths[fileKey(key)] = json.RawMessage("{}")
			return true
		})
	}
	if strings.Contains(username, ":") {
		return Kept{}, fmt.Errorf("keeping the account of %s: a user's name has no colon", key)
	}
	entry, err := json.Marshal(map[string]string{"auth": base64.StdEncoding.EncodeToString([]byte(username + ":" + password))})
	if err != nil {
		return Kept{}, err
	}
	return Kept{File: file}, editAuth(file, func(auths map[string]json.RawMessage) bool {
		auths[fileKey(key)] = entry
		return true
	})
}

// fileFor is the file an account is written to: docker's, or REGISTRY_AUTH_FILE, or the file that has
// an account of the key already and is looked at before.
func (s Settings) fileFor(key string) (string, error) {
	files := s.authFiles()
	if len(files) == 1 && s.AuthFile != "" {
		return s.AuthFile, nil
	}
	if s.DockerConfig == "" {
		return "", errors.New("keeping the account: there is no home directory; set DOCKER_CONFIG or REGISTRY_AUTH_FILE")
	}
	own := filepath.Join(s.DockerConfig, "config.json")
	for _, file := range files {
		if file != own && hasEntry(file, key) {
			return file, nil
		}
	}
	return own, nil
}

func hasEntry(file, key string) bool {
	data, err := readSmall(file)
	if err != nil {
		return false
	}
	var f authFile
	_ = json.Unmarshal(data, &f)
	entry, ok := f.Auths[fileKey(key)]
	return ok && string(entry) != "{}"
}

// Logout forgets the account of key everywhere it is kept. It gives where it was; nothing when there
// was none.
func (s Settings) Logout(key string) (kept []Kept, err error) {
	merged, err := s.readAuth()
	if err != nil {
		return nil, err
	}
	merged.Auths = nil
	var errs []error
	if helper := merged.helperOf(key); helper != "" && !strings.Contains(key, "/") {
		_, err := s.runHelper(helper, "erase", []byte(fileKey(key)))
		if err != nil {
			errs = append(errs, fmt.Errorf("forgetting the account of %s with docker-credential-%s: %w", key, helper, err))
		} else {
			kept = append(kept, Kept{Helper: helper})
		}
	}
	for _, file := range s.authFiles() {
		if _, err := readSmall(file); errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			continue
		}
		found := false
		err := editAuth(file, func(auths map[string]json.RawMessage) bool {
			for _, k := range slices.Compact([]string{key, fileKey(key)}) {
				if _, ok := auths[k]; ok {
					delete(auths, k)
					found = true
				}
			}
			return found
		})
		if err != nil {
			errs = append(errs, err)
		} else if found {
			kept = append(kept, Kept{File: file})
		}
	}
	return kept, errors.Join(errs...)
}
