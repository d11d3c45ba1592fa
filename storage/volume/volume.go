// Package volume keeps named volumes: directories that outlive containers.
//
// A volume is a directory NAME with the record volume.json and the directory _data, which is what
// containers see. Who uses a volume is the business of the container records; callers tell.
package volume

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/dhow-containers/dhow/storage/journal"
)

var (
	// ErrNotFound is returned when no volume has the name.
	ErrNotFound = errors.New("no such volume")
	// ErrInUse is returned by Remove when a container uses the volume.
	ErrInUse = errors.New("volume is in use")
)

// Volume is one volume.
type Volume struct {
	Name      string            `json:"name"`
	Dir       string            `json:"-"` // what is mounted into containers, unless Backing says otherwise
	Labels    map[string]string `json:"labels,omitempty"`
	Options   map[string]string `json:"options,omitempty"`
	Created   time.Time         `json:"created"`
	Anonymous bool              `json:"anonymous,omitempty"`
	// Filled tells that the first container's image content was copied in.
	Filled bool `json:"filled,omitempty"`
}

// Store is the directory of all volumes of one mapping (volumes/ under the store's directory).
type Store struct {
	Dir string
	// Note is told what became of a volume, in docker's words: "create", "destroy"; nil tells nobody.
	Note func(action, name string)
}

// nameExpr is docker's RestrictedNamePattern; the length keeps it a file name.
var nameExpr = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{1,200}$`) })

const (
	dataDir    = "_data"
	recordFile = "volume.json"
	// newPrefix marks volumes that are being made or removed; names can not begin with a dot.
	newPrefix, oldPrefix = ".new-", ".old-"
)

// CheckName refuses what docker does not take as a volume's name.
func CheckName(name string) error {
	if !nameExpr().MatchString(name) {
		return fmt.Errorf("%q includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed", name)
	}
	return nil
}

// record is what is written beside a volume's content. Without it the content is still there, so a lost
// one is no error.
func (s Store) record(dir string, durable bool) journal.File[Volume] {
	return journal.File[Volume]{Path: filepath.Join(dir, recordFile), Version: 1, Durable: durable, Lossy: true}
}

// Create makes a volume, or gives the one that has the name. An empty name makes an anonymous one
// with 64 hex digits. A new named volume survives a power cut; an anonymous one goes with its
// container, which does not either.
func (s Store) Create(name string, labels, options map[string]string) (v Volume, err error) {
	if name == "" {
		if v, err = s.Declare(labels, options); err != nil {
			return Volume{}, err
		}
		return s.Make(v)
	}
	if err := CheckName(name); err != nil {
		return Volume{}, err
	}
	if err := checkOptions(options); err != nil {
		return Volume{}, fmt.Errorf("creating volume %q: %w", name, err)
	}
	if v, err := s.Get(name); err == nil || !errors.Is(err, ErrNotFound) {
		return v, err
	}
	s.clear()
	return s.Make(Volume{Name: name, Labels: labels, Options: options, Created: time.Now().UTC()})
}

// Declare gives an anonymous volume that Make will make: who is to remove it notes its name first.
func (s Store) Declare(labels, options map[string]string) (Volume, error) {
	var b [32]byte
	rand.Read(b[:])
	name := hex.EncodeToString(b[:])
	if err := checkOptions(options); err != nil {
		return Volume{}, fmt.Errorf("creating volume %q: %w", name, err)
	}
	labels = maps.Clone(labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[AnonymousLabel] = ""
	return Volume{Name: name, Dir: filepath.Join(s.Dir, name, dataDir), Labels: labels, Options: options, Created: time.Now().UTC(), Anonymous: true}, nil
}

// Make makes a volume that there is not; see Create.
func (s Store) Make(v Volume) (_ Volume, err error) {
	name := v.Name
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return Volume{}, fmt.Errorf("creating volume %q: %w", name, err)
	}
	claim, err := journal.ClaimDir(s.Dir, newPrefix)
	if err != nil {
		return Volume{}, fmt.Errorf("creating volume %q: %w", name, err)
	}
	defer func() { err = errors.Join(err, claim.Close()) }()
	tmp := claim.Path
	data := filepath.Join(tmp, dataDir)
	if err := errors.Join(os.Mkdir(data, 0o755), os.Chmod(data, 0o755)); err != nil {
		return Volume{}, fmt.Errorf("creating volume %q: %w", name, err)
	}
	if err := s.record(tmp, !v.Anonymous).Update(func(r *Volume) error { *r = v; return nil }); err != nil {
		return Volume{}, fmt.Errorf("creating volume %q: %w", name, err)
	}
	if err := claim.Place(filepath.Join(s.Dir, name)); err != nil {
		// Somebody was faster.
		if v, gerr := s.Get(name); gerr == nil {
			return v, nil
		}
		return Volume{}, fmt.Errorf("creating volume %q: %w", name, err)
	}
	v.Dir = filepath.Join(s.Dir, name, dataDir)
	s.note("create", name)
	if v.Anonymous {
		return v, nil
	}
	return v, journal.SyncDir(s.Dir)
}

func (s Store) note(action, name string) {
	if s.Note != nil {
		s.Note(action, name)
	}
}

// Get finds a volume. ErrNotFound.
func (s Store) Get(name string) (Volume, error) {
	if CheckName(name) != nil {
		return Volume{}, fmt.Errorf("%w: %s", ErrNotFound, name)
	}
	dir := filepath.Join(s.Dir, name)
	if _, err := os.Lstat(filepath.Join(dir, recordFile)); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return Volume{}, fmt.Errorf("%w: %s", ErrNotFound, name)
		}
		return Volume{}, fmt.Errorf("reading volume %q: %w", name, err)
	}
	v, err := s.record(dir, false).Read()
	if err != nil {
		return Volume{}, fmt.Errorf("reading volume %q: %w", name, err)
	}
	v.Name, v.Dir = name, filepath.Join(dir, dataDir)
	return v, nil
}

// List gives all volumes by name, and clears away what interrupted commands left.
func (s Store) List() ([]Volume, error) {
	s.clear()
	entries, err := os.ReadDir(s.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("listing volumes: %w", err)
	}
	var list []Volume
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		v, err := s.Get(e.Name())
		if errors.Is(err, ErrNotFound) {
			continue // removed meanwhile, or not ours
		}
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

// clear removes the half-made and half-removed volumes of commands that were killed. What can not be
// removed is in nobody's way, and stays for the next.
func (s Store) clear() { _ = journal.ClearUnclaimed(s.Dir, newPrefix, oldPrefix) }

// Remove deletes a volume with its content. inUse names the containers that use it; nil means none.
// The volume is gone at once, also when deleting its files is interrupted.
func (s Store) Remove(name string, inUse func(name string) ([]string, error)) error {
	v, err := s.Get(name)
	if err != nil {
		s.clear()
		return err
	}
	if inUse != nil {
		users, err := inUse(name)
		if err != nil {
			return fmt.Errorf("removing volume %q: %w", name, err)
		}
		if len(users) > 0 {
			return fmt.Errorf("remove %s: %w - [%s]", name, ErrInUse, strings.Join(users, ", "))
		}
	}
	var b [8]byte
	rand.Read(b[:])
	old := filepath.Join(s.Dir, oldPrefix+hex.EncodeToString(b[:]))
	claim, err := journal.ClaimNamed(filepath.Dir(v.Dir))
	if claim == nil && err == nil || errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s", ErrNotFound, name) // somebody else removes it
	}
	if err == nil {
		err = claim.Move(old)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("removing volume %q: %w", name, err), claim.Keep())
	}
	s.note("destroy", name)
	err = errors.Join(journal.SyncDir(s.Dir), claim.Close())
	s.clear()
	if err != nil {
		return fmt.Errorf("removing volume %q: %w", name, err)
	}
	return nil
}

// MarkFilled records that the volume got its first content. It is not flushed: the content is not
// either.
func (s Store) MarkFilled(name string) error {
	v, err := s.Get(name)
	if err != nil {
		return err
	}
	if err := s.record(filepath.Dir(v.Dir), false).Update(func(r *Volume) error { r.Filled = true; return nil }); err != nil {
		return fmt.Errorf("noting the content of volume %q: %w", name, err)
	}
	return nil
}
