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
	"slices"
	"strconv"
	"strings"
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
func (s *Set) cache(i int, m plan.Mount, c Config) error {
	source := m.Source
	root, err := os.Open(s.caches[i])
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

// wanted is one cache of a step, which several of its mounts may show.
type wanted struct {
	name   string // of its folder; that of a private one may come to be another
	m      plan.Mount
	base   Tree
	places []int // of the mounts in the step's list
}

// takeCaches finds and locks the caches of all mounts. One that is mounted at several places is taken
// once, as strictly as any of them asks; all are taken in the order of their names, so that no two
// steps ever wait for each other. On error it gives the place of the mount that failed.
func (s *Set) takeCaches(ctx context.Context, mounts []plan.Mount, c Config) (int, error) {
	var list []*wanted
	for i, m := range mounts {
		if m.Type != "cache" {
			continue
		}
		w := &wanted{m: m, places: []int{i}}
		if m.From.Kind != plan.FromNothing {
			var err error
			if w.base, err = c.Tree(i, m); err != nil {
				return i, err
			}
		}
		w.name = cacheName(m.ID, w.base.ID, w.begin(), 0)
		at := slices.IndexFunc(list, func(have *wanted) bool { return have.name == w.name })
		if at < 0 {
			list = append(list, w)
			continue
		}
		first := list[at]
		first.places = append(first.places, i)
		if strictness(m.Sharing) > strictness(first.m.Sharing) {
			first.m.Sharing = m.Sharing
		}
	}
	slices.SortFunc(list, func(a, b *wanted) int { return strings.Compare(a.name, b.name) })
	s.caches = map[int]string{}
	for _, w := range list {
		dir, err := s.takeCache(ctx, w.m, w.base, c)
		if err != nil {
			return w.places[0], err
		}
		for _, i := range w.places {
			s.caches[i] = dir
		}
	}
	return 0, nil
}

// begin is the path of what the cache begins with, "" for nothing.
func (w *wanted) begin() string {
	if w.base.Root == nil {
		return ""
	}
	return w.m.Source
}

func strictness(sharing string) int {
	return slices.Index([]string{"private", "locked"}, sharing) // -1: shared
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
