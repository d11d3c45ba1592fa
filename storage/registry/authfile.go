package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/storage/journal"
)

// editAuth changes the accounts in an auth file. Everything else in it stays. The file is replaced in
// one step, readable for its owner only; a symlink to it stays a symlink. Nothing is written when
// edit says that nothing changed.
func editAuth(file string, edit func(auths map[string]json.RawMessage) bool) error {
	if err := replaceAuth(file, edit); err != nil {
		return fmt.Errorf("writing credentials: %w", err)
	}
	return nil
}

func replaceAuth(file string, edit func(map[string]json.RawMessage) bool) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	if target, err := filepath.EvalSymlinks(file); err == nil {
		file = target
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	} else if _, err := os.Lstat(file); err == nil {
		return fmt.Errorf("%s is a symlink to nowhere", file)
	}
	// The directory is the lock: a lock file would stay behind in a place people look at.
	dir, err := os.Open(filepath.Dir(file))
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("locking %s: %w", dir.Name(), err)
	}
	data, err := readSmall(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	st, _ := os.Stat(file)
	if st != nil && !st.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", file)
	}
	document, auths := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	if len(bytes.TrimSpace(data)) > 0 {
		if err := json.Unmarshal(data, &document); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if raw, ok := document["auths"]; ok {
			if err := json.Unmarshal(raw, &auths); err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
		}
	}
	if document == nil || auths == nil { // "null"
		document, auths = notNil(document), notNil(auths)
	}
	if !edit(auths) {
		return nil
	}
	if document["auths"], err = json.Marshal(auths); err != nil {
		return err
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "\t")
	if err := enc.Encode(document); err != nil {
		return err
	}
	return replaceWhole(file, out.Bytes(), st, dir)
}

func notNil(m map[string]json.RawMessage) map[string]json.RawMessage {
	if m == nil {
		m = map[string]json.RawMessage{}
	}
	return m
}

// replaceWhole writes data beside file and renames it; old, when not nil, is what is there.
func replaceWhole(file string, data []byte, old fs.FileInfo, dir *os.File) (err error) {
	claim, err := journal.Beside(file) // 0600 whatever the umask
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, claim.Close()) }()
	f := claim.File()
	if _, err = f.Write(data); err != nil {
		return err
	}
	if old != nil {
		if sys, ok := old.Sys().(*syscall.Stat_t); ok {
			_ = f.Chown(int(sys.Uid), int(sys.Gid))
		}
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = claim.Place(file); err != nil {
		return err
	}
	return dir.Sync()
}
