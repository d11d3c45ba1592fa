package cache

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/storage/journal"
)

// Layers are written without fsync. As long as the system runs that is no matter: what was written
// is read back. After a power cut a record may stand whose layer lost its data. So a record tells
// the boot and the moment it was written in, and Sync leaves a mark for its boot up to which moment
// everything reached the disk; a record of an earlier boot counts only up to that mark.

// now gives the id of the running boot and the nanoseconds since it began.
func now() (boot string, uptime int64) {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) != nil {
		return "", 0
	}
	return bootID(), ts.Nano()
}

var bootID = sync.OnceValue(func() string {
	data, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	id := strings.TrimSpace(string(data))
	if strings.ContainsAny(id, "/.") {
		return ""
	}
	return id
})

func (c *Cache) settled(r *Record) bool {
	if boot := bootID(); boot != "" && r.Boot == boot {
		return true
	}
	return c.Flushed(r)
}

// Flushed tells whether a Sync has come after r, so that its layer outlives a power cut. One that was made
// by a build which was killed may lack that.
func (c *Cache) Flushed(r *Record) bool {
	if r.Boot == "" || strings.ContainsAny(r.Boot, "/.") {
		return false
	}
	data, err := os.ReadFile(filepath.Join(c.dir, "synced", r.Boot))
	if err != nil {
		return false
	}
	mark, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	return err == nil && r.Uptime <= mark
}

// Sync brings every layer kept so far to the disk, with whatever else the filesystem holds back.
func (c *Cache) Sync() error {
	boot, uptime := now()
	if boot == "" {
		return nil
	}
	if err := journal.SyncFilesystem(c.dir); err != nil {
		return err
	}
	dir := filepath.Join(c.dir, "synced")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("flushing the build cache: %w", err)
	}
	if err := journal.Replace(filepath.Join(dir, boot), []byte(strconv.FormatInt(uptime, 10)+"\n"), 0o600, false); err != nil {
		return fmt.Errorf("flushing the build cache: %w", err)
	}
	return nil
}
