package mount

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/build/cache"
	"github.com/dhow-containers/dhow/build/plan"
	"github.com/dhow-containers/dhow/rootless/ownership"
	"github.com/dhow-containers/dhow/run/spec"
	"github.com/dhow-containers/dhow/storage/journal"
)

// A cache mount is the folder HASH below the build cache's mounts/, where HASH is that of the id and
// of what the cache began with; no id, however it is written, is ever a path. Beside it HASH.lock is
// held shared by steps with sharing=shared, exclusively by those with sharing=locked or private and
// while the folder is being made; HASH.json tells the id.

// cacheName is the folder of a cache; n counts up when private ones are in use.
func cacheName(id, base, source string, n int) string {
	h := sha256.New()
	for _, part := range []string{"dhow cache mount 1", id, base, source, strconv.Itoa(n)} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// cache shows the contents of a cache and keeps what the step leaves in it.
func (s *Set) cache(ctx context.Context, i int, m plan.Mount, c Config) error {
	var base Tree
	source := m.Source
	if m.From.Kind != plan.FromNothing {
		var err error
		if base, err = c.Tree(i, m); err != nil {
			return err
		}
	}
	dir, err := s.takeCache(ctx, m, base, c)
	if err != nil {
		return err
	}
	root, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if m.From.Kind != plan.FromNothing {
		source = "/" // the cache began with what source means there
	}
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS}
	// Another step may be changing the cache just now: no symlink in it is followed.
	fd, err := unix.Openat2(int(root.Fd()), "."+source, &how)
	if err != nil {
		return &os.PathError{Op: "open", Path: source, Err: err}
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	point, err := s.attach(fd, &st, c.Dir, "cache-"+strconv.Itoa(i), false)
	if err != nil {
		return err
	}
	s.put(spec.Mount{Type: "bind", Source: point, Target: m.Target, ReadOnly: m.ReadOnly, NonRecursive: true, Volume: "cache"})
	return nil
}

// takeCache gives the folder of the cache, locked as its sharing asks.
func (s *Set) takeCache(ctx context.Context, m plan.Mount, base Tree, c Config) (string, error) {
	start, pause, waiting := time.Now(), 2*time.Millisecond, c.Waiting
	begin := m.Source
	if base.Root == nil {
		begin = ""
	}
	for n := 0; ; {
		dir := filepath.Join(c.Cache.MountsDir(), cacheName(m.ID, base.ID, begin, n))
		lock, err := s.lockCache(dir, m, base, c)
		if err != nil {
			return "", err
		}
		if lock != nil {
			s.locks = append(s.locks, lock)
			now := time.Now()
			_ = os.Chtimes(dir+".json", now, now) // when it was last used, for prune
			return dir, nil
		}
		if m.Sharing == "private" {
			n++
			continue
		}
		if waiting != nil && time.Since(start) > 2*time.Second {
			waiting(m.ID)
			waiting = nil
		}
		select {
		case <-ctx.Done():
			return "", context.Cause(ctx)
		case <-time.After(pause):
		}
		pause = min(2*pause, 200*time.Millisecond)
	}
}

// lockCache locks the folder, making it when it is missing; nil when others are in the way.
func (s *Set) lockCache(dir string, m plan.Mount, base Tree, c Config) (*cache.Lock, error) {
	shared := m.Sharing == "" || m.Sharing == "shared"
	if shared {
		lock, err := cache.TryLock(dir+".lock", false)
		if lock == nil || err != nil {
			return nil, err
		}
		if _, err := os.Lstat(dir); err == nil {
			return lock, nil
		}
		lock.Close()
	}
	lock, err := cache.TryLock(dir+".lock", true)
	if lock == nil || err != nil {
		return nil, err
	}
	if _, err := os.Lstat(dir); errors.Is(err, os.ErrNotExist) {
		if err := makeCache(dir, m, base, c); err != nil {
			lock.Close()
			return nil, fmt.Errorf("making the cache: %w", err)
		}
	}
	if !shared {
		return lock, nil
	}
	if ok, err := lock.Share(); !ok || err != nil {
		return nil, err
	}
	return lock, nil
}

// makeCache makes the folder with its first contents, all at once.
func makeCache(dir string, m plan.Mount, base Tree, c Config) error {
	tmp, err := c.Cache.Scratch()
	if err != nil {
		return err
	}
	defer tmp.Close()
	fresh := filepath.Join(tmp.Dir, "new")
	if err := os.Mkdir(fresh, 0o755); err != nil {
		return err
	}
	mode := uint32(m.Mode) & 0o7777
	if mode == 0 {
		mode = 0o755
	}
	parent, err := os.Open(tmp.Dir)
	if err != nil {
		return err
	}
	defer parent.Close()
	a := ownership.Attr{UID: m.UID, GID: m.GID, Mode: unix.S_IFDIR | mode}
	if err := c.Owners.Set(int(parent.Fd()), "new", "", a); err != nil {
		return err
	}
	if base.Root != nil {
		if err := c.Copy(base, m.Source, fresh); err != nil {
			return err
		}
	}
	data, err := json.Marshal(cache.MountRecord{Version: 1, ID: m.ID, Created: time.Now().UTC()})
	if err == nil {
		err = journal.Replace(dir+".json", data, 0o600, false)
	}
	if err != nil {
		return err
	}
	return os.Rename(fresh, dir)
}
