package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/storage/given"
)

// authFile is what we know of auth.json(5) and docker's config.json.
type authFile struct {
	Auths       map[string]json.RawMessage `json:"auths,omitempty"`
	CredHelpers map[string]string          `json:"credHelpers,omitempty"`
	CredsStore  string                     `json:"credsStore,omitempty"`
}

const maxAuthFileBytes = 4 << 20

// mergeAuth puts the auth files together and gives the document. The helper of domain is asked.
func (s Settings) mergeAuth(domain string) ([]byte, error) {
	merged, err := s.readAuth()
	if err != nil {
		return nil, err
	}
	if err := s.useHelper(&merged, domain); err != nil {
		return nil, err
	}
	merged.CredsStore = ""
	return json.Marshal(merged)
}

// readAuth puts the auth files together, the first that knows a registry deciding. The library would
// go by the uid 0 it sees and stop at a file it may not read.
func (s Settings) readAuth() (authFile, error) {
	merged := authFile{Auths: map[string]json.RawMessage{}, CredHelpers: map[string]string{}}
	add := func(name string, data []byte) error {
		var f authFile
		if err := json.Unmarshal(data, &f); err != nil {
			return fmt.Errorf("reading credentials from %s: %w", name, err)
		}
		for host, auth := range f.Auths {
			if _, known := merged.Auths[host]; !known && string(auth) != "{}" {
				merged.Auths[host] = auth
			}
		}
		for host, helper := range f.CredHelpers {
			if _, known := merged.CredHelpers[host]; !known {
				merged.CredHelpers[host] = helper
			}
		}
		if merged.CredsStore == "" {
			merged.CredsStore = f.CredsStore
		}
		return nil
	}
	if s.DockerAuth != "" {
		if err := add("DOCKER_AUTH_CONFIG", []byte(s.DockerAuth)); err != nil {
			return merged, err
		}
	}
	for _, name := range s.authFiles() {
		if name != s.AuthFile { // which may be a pipe
			if err := given.Check(name, maxAuthFileBytes); err != nil {
				return merged, fmt.Errorf("reading credentials: %w", err)
			}
		}
		data, err := readSmall(name)
		if errors.Is(err, fs.ErrNotExist) || (errors.Is(err, fs.ErrPermission) && name != s.AuthFile) {
			continue
		}
		if err != nil {
			return merged, fmt.Errorf("reading credentials: %w", err)
		}
		if len(data) == 0 {
			continue // /dev/null
		}
		if err := add(name, data); err != nil {
			return merged, err
		}
	}
	return merged, nil
}

func readSmall(name string) ([]byte, error) { return given.Read(name, maxAuthFileBytes) }

// memoryFile keeps data in a file without a place on disk; its path is valid in this process until
// it is closed.
func memoryFile(data []byte) (path string, f *os.File, err error) {
	fd, err := unix.MemfdCreate("auth", unix.MFD_CLOEXEC)
	if err != nil {
		return "", nil, fmt.Errorf("keeping credentials: %w", err)
	}
	f = os.NewFile(uintptr(fd), "auth")
	if _, err := f.Write(data); err != nil {
		f.Close()
		return "", nil, fmt.Errorf("keeping credentials: %w", err)
	}
	return "/proc/self/fd/" + strconv.Itoa(fd), f, nil
}
