package mount

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/build/plan"
	"github.com/dhow-containers/dhow/rootless/ownership"
	"github.com/dhow-containers/dhow/run/spec"
)

// maxSecret is BuildKit's bound for a secret (session/secrets: MaxSecretSize).
const maxSecret = 500 << 10

// secretFile shows a secret as a file, a variable, or both.
func (s *Set) secretFile(i int, m plan.Mount, c Config) error {
	var value []byte
	ok := false
	if c.Secrets != nil {
		var err error
		if value, ok, err = c.Secrets(m.ID); err != nil {
			return err
		}
	}
	if !ok {
		if m.Required {
			return errors.New("it is required and was not given: --secret id=" + m.ID + ",src=FILE")
		}
		return nil
	}
	if len(value) > maxSecret {
		return fmt.Errorf("it is larger than %d bytes", maxSecret)
	}
	if m.Env != "" {
		for _, b := range value {
			if b == 0 {
				return errors.New("a value with a NUL byte can not be a variable")
			}
		}
		s.Env = append(s.Env, m.Env+"="+string(value))
	}
	if m.Target == "" {
		return nil
	}
	if s.secret == nil {
		dir, err := newSecretDir(filepath.Join(c.Dir, "secrets"))
		if err != nil {
			return err
		}
		s.secret = dir
	}
	path, err := s.secret.write(i, value, m, c.Owners)
	if err != nil {
		return err
	}
	s.put(spec.Mount{Type: "bind", Source: path, Target: m.Target, ReadOnly: true, NonRecursive: true, Volume: "secret"})
	return nil
}

// secretDir is a tmpfs: the bytes of a secret never reach a disk.
type secretDir struct{ path string }

func newSecretDir(path string) (*secretDir, error) {
	if err := os.Mkdir(path, 0o700); err != nil {
		return nil, err
	}
	const opts = "mode=0700,size=64m"
	flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC)
	err := unix.Mount("tmpfs", path, "tmpfs", flags, opts+",noswap") // Linux 6.4; not in a user namespace
	if err != nil {
		err = unix.Mount("tmpfs", path, "tmpfs", flags, opts)
	}
	if err != nil {
		return nil, fmt.Errorf("mounting a tmpfs for secrets: %w", err)
	}
	return &secretDir{path: path}, nil
}

func (d *secretDir) close() error { return unmount(d.path) }

func (d *secretDir) write(i int, value []byte, m plan.Mount, owners *ownership.Tree) (string, error) {
	name := strconv.Itoa(i)
	path := filepath.Join(d.path, name)
	if err := os.WriteFile(path, value, 0o600); err != nil {
		return "", err
	}
	dir, err := os.Open(d.path)
	if err != nil {
		return "", err
	}
	defer dir.Close()
	a := ownership.Attr{UID: m.UID, GID: m.GID, Mode: unix.S_IFREG | uint32(m.Mode)&0o7777}
	if err := owners.Set(int(dir.Fd()), name, "", a); err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
		return "", err // a tmpfs has had user xattrs since Linux 6.6
	}
	return path, nil
}
