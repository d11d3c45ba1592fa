package storage

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/storage/journal"
)

// lease keeps layers and temporary files on behalf of this process. It is a locked file that names
// the layers; tmp/ has a directory of the same name. When the process ends, however it ends, the
// lock is gone, and the next command that writes clears both away.
type lease struct {
	lock  *journal.Lock
	path  string
	tmp   string
	named map[string]bool
	// disk is open since before anything was written: a failure to write it is told to everybody once who
	// had the filesystem open then, but to one of those who opened it later (syncfs(2), Linux 5.8).
	disk *os.File
	mu   sync.Mutex
	lost unix.Errno // the first such failure: it is told once
}

func (s *Store) newLease() (*lease, error) {
	for _, dir := range []string{s.leasesDir(), s.tmpDir()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("making a lease: %w", err)
		}
	}
	// There before anything else is: to look at the store takes the lock.
	if f, err := os.OpenFile(s.lockFile(), os.O_RDONLY|os.O_CREATE, 0o600); err == nil {
		f.Close()
	}
	name := fmt.Sprintf("%d-%s", os.Getpid(), strings.ToLower(rand.Text()[:10]))
	l := &lease{path: filepath.Join(s.leasesDir(), name), tmp: filepath.Join(s.tmpDir(), name), named: map[string]bool{}}
	var err error
	if l.lock, err = journal.TakeLock(l.path, true); err != nil {
		return nil, fmt.Errorf("making a lease: %w", err)
	}
	if err := os.Mkdir(l.tmp, 0o700); err != nil {
		_ = l.end()
		return nil, fmt.Errorf("making a lease: %w", err)
	}
	if l.disk, err = os.Open(l.tmp); err != nil {
		_ = l.end()
		return nil, fmt.Errorf("making a lease: %w", err)
	}
	return l, nil
}

// sync flushes the filesystem, and tells when something could not be written since the lease was made.
func (l *lease) sync() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost == 0 {
		err := unix.Syncfs(int(l.disk.Fd()))
		if err == nil {
			return nil
		}
		if !errors.As(err, &l.lost) {
			return err
		}
	}
	return l.lost
}

// end gives the lease back.
func (l *lease) end() error {
	if l == nil {
		return nil
	}
	if l.disk != nil { // a dead one has none
		l.disk.Close()
	}
	err := os.RemoveAll(l.tmp)
	if rerr := os.Remove(l.path); err == nil {
		err = rerr
	}
	if uerr := l.lock.Unlock(); err == nil {
		err = uerr
	}
	return err
}

// abandon leaves the lease to the next command, which takes it for a killed one's.
func (l *lease) abandon() error {
	if l == nil {
		return nil
	}
	if l.disk != nil {
		l.disk.Close()
	}
	return errors.Join(os.RemoveAll(l.tmp), l.lock.Unlock())
}

// keep names layers in the lease of this process. The caller holds the shared lock and has seen, or
// is about to make, the layers.
func (s *Store) keep(layerIDs ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ensureLease(); err != nil {
		return err
	}
	var lines strings.Builder
	for _, id := range layerIDs {
		if !s.lease.named[id] {
			lines.WriteString(id + "\n")
		}
	}
	if lines.Len() == 0 {
		return nil
	}
	file := s.lease.lock.File()
	end, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("keeping layers: %w", err)
	}
	if _, err := file.WriteString(lines.String()); err != nil {
		_ = file.Truncate(end) // not half a name, which the next would go on from
		return fmt.Errorf("keeping layers: %w", err)
	}
	for _, id := range layerIDs {
		s.lease.named[id] = true
	}
	return nil
}

// held is the lease of this process, or nil.
func (s *Store) held() *lease {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lease
}

func (s *Store) ensureLease() (err error) {
	if s.lease == nil {
		s.lease, err = s.newLease()
	}
	return err
}

// tempDir makes a directory that goes with this process, on the filesystem of the layers.
func (s *Store) tempDir(prefix string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ensureLease(); err != nil {
		return "", err
	}
	return os.MkdirTemp(s.lease.tmp, prefix)
}

// tempFile makes a file without a name, on the filesystem of the layers.
func (s *Store) tempFile() (*os.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ensureLease(); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(s.lease.tmp, "spool-")
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}

// leases are those of all processes that use the store.
type leases struct {
	kept   map[string]bool // what living processes keep
	others int             // living processes besides this one
	dead   []*lease        // locked by us now
}

// leased looks at the leases. The caller holds the exclusive lock, and ends or releases the dead ones.
func (s *Store) leased() (leases, error) {
	all := leases{kept: map[string]bool{}}
	entries, err := os.ReadDir(s.leasesDir())
	if err != nil && !os.IsNotExist(err) {
		return all, fmt.Errorf("reading leases: %w", err)
	}
	for _, e := range entries {
		path := filepath.Join(s.leasesDir(), e.Name())
		lock, err := journal.TryLock(path, true)
		if err != nil {
			return all, errors.Join(fmt.Errorf("reading leases: %w", err), all.release())
		}
		if lock != nil {
			all.dead = append(all.dead, &lease{lock: lock, path: path, tmp: filepath.Join(s.tmpDir(), e.Name())})
			continue
		}
		if s.lease == nil || s.lease.path != path {
			all.others++
		}
		data, err := os.ReadFile(path)
		if err != nil && !os.IsNotExist(err) {
			return all, errors.Join(fmt.Errorf("reading leases: %w", err), all.release())
		}
		for id := range strings.Lines(string(data)) {
			all.kept[strings.TrimSpace(id)] = true
		}
	}
	return all, nil
}

// onlyLease tells that nobody else is at work in the store, nor was killed there.
func (s *Store) onlyLease() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	entries, err := os.ReadDir(s.leasesDir())
	return err == nil && len(entries) == 1 && s.lease != nil && filepath.Join(s.leasesDir(), entries[0].Name()) == s.lease.path
}

// release leaves the dead leases to the next command.
func (l *leases) release() error {
	var errs []error
	for _, d := range l.dead {
		errs = append(errs, d.lock.Unlock())
	}
	l.dead = nil
	return errors.Join(errs...)
}

// bury ends the dead leases; with one left for the next command to see.
func (l *leases) bury(leaveOne bool) error {
	var errs []error
	for i, d := range l.dead {
		if leaveOne && i == 0 {
			errs = append(errs, d.abandon())
			continue
		}
		errs = append(errs, d.end())
	}
	l.dead = nil
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("clearing away what a killed command left: %w", err)
	}
	return nil
}

// deadLease reports whether a killed command left a lease.
func (s *Store) deadLease() bool {
	entries, _ := os.ReadDir(s.leasesDir())
	for _, e := range entries {
		path := filepath.Join(s.leasesDir(), e.Name())
		if lock, err := journal.TryLock(path, true); err == nil && lock != nil {
			lock.Unlock()
			return true
		}
	}
	return false
}
