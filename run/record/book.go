package record

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	chance "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dhow-containers/dhow/rootless/cgroup"
	"github.com/dhow-containers/dhow/run/health"
	"github.com/dhow-containers/dhow/storage/journal"
)

var (
	// ErrNotFound is returned when no container goes by the name or id.
	ErrNotFound = errors.New("No such container")
	// ErrNameTaken is returned by Create for a name another container has.
	ErrNameTaken = errors.New("the container name is already in use")
	// ErrRunning is returned by Remove for a container that runs.
	ErrRunning = errors.New("container is running")
	// ErrAmbiguous is returned by Find when an id prefix fits several containers.
	ErrAmbiguous = errors.New("container id prefix fits several containers")
)

// version is the format of config.json and state.json.
const version = 1

// Book is the directory of all containers of one store (containers/ under the store's directory). It
// is made when the first container is.
type Book struct {
	Dir string
	// Note is told what became of a container, in docker's words ("destroy", "rename"), with further
	// names and values; nil tells nobody.
	Note func(c Container, action string, more ...string)
}

// Entry is a container whose lock this process holds: it is the one that creates, runs or removes it.
type Entry struct {
	Container
	// Silent keeps Remove from being noted: nobody has heard of the container.
	Silent bool

	dir  string
	book Book
	lock *journal.Lock
}

// Found is a container as another process sees it.
type Found struct {
	Container
	State State
	Dir   string
	// Health is what its probes say; empty without any.
	Health health.State
}

// NewID gives an id that no container had: 64 hex digits, of which the first twelve are not all
// decimal, so that a short id is never taken for a pid (as docker's).
func NewID() string {
	for {
		var b [32]byte
		_, _ = rand.Read(b[:]) // it does not fail: crypto/rand
		id := hex.EncodeToString(b[:])
		if strings.Trim(id[:12], "0123456789") != "" {
			return id
		}
	}
}

// Create makes the record and takes the container's lock and name. An empty name is replaced by two
// random words.
func (b Book) Create(c Container) (*Entry, error) {
	if c.Name != "" {
		if err := CheckName(c.Name); err != nil {
			return nil, err
		}
	}
	names := filepath.Join(b.Dir, "names")
	e := &Entry{Container: c, dir: filepath.Join(b.Dir, c.ID), book: b}
	if err := e.makeDir(); err != nil {
		return nil, fmt.Errorf("recording the container: %w", err)
	}
	if err := e.takeName(names, false); err != nil {
		return nil, errors.Join(err, os.RemoveAll(e.dir), e.lock.Unlock())
	}
	if err := write(filepath.Join(e.dir, "config.json"), e.Container); err != nil {
		e.Silent = true
		return nil, errors.Join(err, e.Remove())
	}
	return e, nil
}

// makeDir makes the container's directory and takes its lock. Before it has that, another process may
// take the directory for left over (see sweep) and remove it.
func (e *Entry) makeDir() error {
	for try := 0; ; try++ {
		err := os.Mkdir(e.dir, 0o700)
		if errors.Is(err, fs.ErrNotExist) {
			if err := os.MkdirAll(e.book.Dir, 0o700); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		e.lock, err = journal.TakeLock(filepath.Join(e.dir, "lock"), true)
		if err == nil || try > 100 || !errors.Is(err, fs.ErrNotExist) {
			if err != nil {
				err = errors.Join(err, os.RemoveAll(e.dir))
			}
			return err
		}
	}
}

// takeName makes the link of a name. A link whose container is gone is from a removal that was cut
// short and is replaced, under the lock of the names, which locked says is held already: two that met
// it could else remove each other's link.
func (e *Entry) takeName(names string, locked bool) error {
	given := e.Name != ""
	for try := 0; ; try++ {
		if !given {
			e.Name = randomName(try)
		}
		link := filepath.Join(names, e.Name)
		err := os.Symlink(e.ID, link)
		if err == nil {
			return nil
		}
		if errors.Is(err, fs.ErrNotExist) && try == 0 {
			if err := e.book.makeNames(); err != nil {
				return fmt.Errorf("recording the container: %w", err)
			}
			continue
		}
		if !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("taking the name %q: %w", e.Name, err)
		}
		other, err := os.Readlink(link)
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) && try < 100 {
				continue
			}
			return fmt.Errorf("taking the name %q: %w", e.Name, err)
		}
		if _, err := os.Lstat(filepath.Join(e.book.Dir, filepath.Base(other))); errors.Is(err, fs.ErrNotExist) && try < 100 {
			if err := e.dropStale(link, locked); err != nil {
				return fmt.Errorf("taking the name %q: %w", e.Name, err)
			}
			continue
		}
		if given {
			return fmt.Errorf("Conflict. The container name %q is already in use by container %q. You have to remove that container to be able to reuse that name: %w",
				"/"+e.Name, filepath.Base(other), ErrNameTaken)
		}
	}
}

// dropStale removes a name's link if its container is still gone once the lock of the names is held.
func (e *Entry) dropStale(link string, locked bool) error {
	if !locked {
		lock, err := e.book.lockNames()
		if err != nil {
			return err
		}
		defer lock.Unlock()
	}
	other, err := os.Readlink(link)
	if err != nil {
		return nil // another one was quicker
	}
	if _, err := os.Lstat(filepath.Join(e.book.Dir, filepath.Base(other))); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// lockNames takes the lock under which links of names are removed and containers renamed.
func (b Book) lockNames() (*journal.Lock, error) {
	return journal.TakeLock(filepath.Join(b.Dir, "names", ".lock"), true)
}

// makeNames makes the directory of names, and their lock with it: a removal needs it when there may be
// no inode left.
func (b Book) makeNames() error {
	if err := os.MkdirAll(filepath.Join(b.Dir, "names"), 0o700); err != nil {
		return err
	}
	lock, err := b.lockNames()
	if err != nil {
		return err
	}
	return lock.Unlock()
}

// Dir is the container's directory, for its files.
func (e *Entry) Dir() string { return e.dir }

// SetState replaces the state.
func (e *Entry) SetState(s State) error { return write(filepath.Join(e.dir, "state.json"), s) }

// Close gives the lock back; the container stays in the book.
func (e *Entry) Close() error { return e.lock.Unlock() }

// Tell notes what became of a container, see Book.Note.
func (b Book) Tell(c Container, action string, more ...string) {
	if b.Note != nil {
		b.Note(c, action, more...)
	}
}

// Take locks a container that does not run, to remove or change it. ErrRunning when it does,
// ErrNotFound when it has gone meanwhile.
func (b Book) Take(id string) (*Entry, error) {
	dir := filepath.Join(b.Dir, id)
	if _, err := os.Lstat(dir); err != nil {
		return nil, fmt.Errorf("%w: %s", ErrNotFound, id)
	}
	lock, err := b.tryLock(id)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNotFound, id)
	}
	if err != nil {
		return nil, fmt.Errorf("locking container %s: %w", id, err)
	}
	if lock == nil {
		return nil, fmt.Errorf("%w: %s", ErrRunning, id)
	}
	e := &Entry{dir: dir, book: b, lock: lock}
	// A record that can not be read can still be removed.
	e.Container, _ = read[Container](filepath.Join(dir, "config.json"))
	e.ID = id
	return e, nil
}

// tryLock takes the lock of a container that does not run; nil when it does.
func (b Book) tryLock(id string) (*journal.Lock, error) {
	for until := time.Now().Add(settle); ; time.Sleep(settle / 100) {
		lock, err := journal.TryLock(filepath.Join(b.Dir, id, "lock"), true)
		if lock != nil || err != nil || time.Now().After(until) {
			return lock, err
		}
		if f, err := b.load(id); err == nil && f.State.Active() {
			return nil, nil
		}
	}
}

// List gives all containers, newest first, and completes removals that were cut short. A record that
// can not be read is reported in the error together with the others.
func (b Book) List() ([]Found, error) {
	entries, err := os.ReadDir(b.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing containers: %w", err)
	}
	var all []Found
	var errs []error
	var ids []string
	for _, d := range entries {
		if name := d.Name(); strings.HasPrefix(name, gone) {
			errs = append(errs, b.complete(filepath.Join(b.Dir, name)))
		} else if isID(name) {
			ids = append(ids, name)
		}
	}
	found, why := make([]Found, len(ids)), make([]error, len(ids))
	share := func(first, step int) {
		for i := first; i < len(ids); i += step {
			found[i], why[i] = b.load(ids[i])
		}
	}
	// Each is a handful of system calls, and two processors need half the time for hundreds.
	if len(ids) < severalRead {
		share(0, 1)
	} else {
		var half sync.WaitGroup
		half.Go(func() { share(1, 2) })
		share(0, 2)
		half.Wait()
	}
	for i, err := range why {
		if err == nil {
			all = append(all, found[i])
		} else if !errors.Is(err, ErrNotFound) {
			errs = append(errs, err)
		}
	}
	slices.SortFunc(all, func(a, b Found) int {
		return cmp.Or(b.Created.Compare(a.Created), strings.Compare(a.ID, b.ID))
	})
	return all, errors.Join(errs...)
}

// severalRead is from how many containers on two processors read them.
const severalRead = 16

// Some gives up to n containers, drawn by chance from the first entries of the directory; containers
// that can not be read are left out.
func (b Book) Some(n int) []Found {
	d, err := os.Open(b.Dir)
	if err != nil {
		return nil
	}
	names, _ := d.Readdirnames(someRead)
	d.Close()
	chance.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	var some []Found
	for _, name := range names {
		if len(some) == n {
			break
		}
		if !isID(name) {
			continue
		}
		if f, err := b.load(name); err == nil {
			some = append(some, f)
		}
	}
	return some
}

// someRead bounds the directory entries that Some draws from: one read of the directory.
const someRead = 256

// Find gives the container of that name, id or unambiguous beginning of an id.
func (b Book) Find(nameOrID string) (Found, error) {
	name := strings.TrimPrefix(nameOrID, "/")
	if CheckName(name) == nil {
		if isID(name) {
			if f, err := b.load(name); err == nil {
				return f, nil
			}
		}
		if target, err := os.Readlink(filepath.Join(b.Dir, "names", name)); err == nil && isID(target) {
			if f, err := b.load(target); !errors.Is(err, ErrNotFound) {
				return f, err
			}
		}
	}
	if name == "" || strings.Trim(name, "0123456789abcdef") != "" {
		return Found{}, fmt.Errorf("%w: %s", ErrNotFound, nameOrID)
	}
	entries, err := os.ReadDir(b.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Found{}, fmt.Errorf("finding container %s: %w", nameOrID, err)
	}
	var ids []string
	for _, d := range entries {
		if strings.HasPrefix(d.Name(), name) && isID(d.Name()) {
			ids = append(ids, d.Name())
		}
	}
	switch len(ids) {
	case 0:
		return Found{}, fmt.Errorf("%w: %s", ErrNotFound, nameOrID)
	case 1:
		return b.load(ids[0])
	}
	return Found{}, fmt.Errorf("%w: %s", ErrAmbiguous, nameOrID)
}

func isID(name string) bool {
	return len(name) == 64 && strings.Trim(name, "0123456789abcdef") == ""
}

// load reads one container. What its record says of running is believed only while its lock is held.
func (b Book) load(id string) (Found, error) {
	f := Found{Dir: filepath.Join(b.Dir, id)}
	held, err := held(filepath.Join(f.Dir, "lock"))
	if err != nil {
		b.sweep(id)
		return f, fmt.Errorf("%w: %s", ErrNotFound, id)
	}
	if f.Container, err = read[Container](filepath.Join(f.Dir, "config.json")); err != nil {
		return b.damaged(f, id, held, err)
	}
	if f.ID != id { // not written yet, or never
		if !held {
			b.sweep(id)
		}
		return f, fmt.Errorf("%w: %s", ErrNotFound, id)
	}
	if f.State, err = read[State](filepath.Join(f.Dir, "state.json")); err != nil {
		return b.damaged(f, id, held, err)
	}
	if f.State.Status == "" {
		f.State.Status = Created
	}
	if health.On(f.Healthcheck) && f.State.Status != Created {
		f.Health, _ = health.Read(f.Dir) // one that can not be read is as one that was never written
		if !f.State.Active() || !held {
			f.Health.Status = health.Unhealthy // as docker, for compatibility with itself
		}
	}
	if f.State.Active() && !held {
		if f.State.Status != Restarting { // it had ended by itself, with a status of its own
			f.State.ExitCode = 137
		}
		f.State.Status, f.State.Ports = Exited, nil
		if f.State.Finished.IsZero() {
			f.State.Finished = f.State.Started
		}
	}
	f.State.Paused = f.State.Status == Running && f.State.Cgroup != "" && cgroup.Frozen(f.State.Cgroup)
	return f, nil
}

// damaged gives a container whose record can not be read: after a power cut files may be empty. It does
// not run; as one that ended with an error it is in nobody's way and can be removed. Those of a running
// container and of a newer program stay an error.
func (b Book) damaged(f Found, id string, held bool, err error) (Found, error) {
	if held || errors.Is(err, journal.ErrNewer) {
		return f, err
	}
	f.ID, f.State = id, State{Status: Exited, ExitCode: 255, Error: err.Error()}
	return f, nil
}

const alphanumeric = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

// CheckName reports a name docker would not take either (moby: daemon/names).
func CheckName(name string) error {
	if len(name) < 2 || len(name) > 255 || !strings.Contains(alphanumeric, name[:1]) || strings.Trim(name, alphanumeric+"_.-") != "" {
		return fmt.Errorf("Invalid container name (%s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", name)
	}
	return nil
}

func read[T any](path string) (T, error) {
	return journal.File[T]{Path: path, Version: version}.Read()
}

// write puts a record in the journal's format without taking its lock: the container's is held.
func write(path string, v any) error {
	data, err := json.Marshal(struct {
		Version int `json:"version"`
		Data    any `json:"data"`
	}{version, v})
	if err != nil {
		return err
	}
	return journal.Replace(path, data, 0o600, false)
}
