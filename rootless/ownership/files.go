package ownership

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// files is what a supervisor knows of the container's files that their xattrs do not say.
type files struct {
	upper  int // -1: none
	lowers []int
	links  []Links // of lowers
	// linked are all paths in links: the ones worth a closer look.
	linked map[string]struct{}
	binds  []string
	caller Owner // whose the caller's files on binds are

	// root is the container's root directory, set when its first process arrives.
	root    rootKey
	rootDev uint64
	initPid int
	// moved: pivot_root was called inside; no process's root is taken for granted any more.
	moved atomic.Bool
	// aside is true when not everything stands in xattrs: plain ENODATA does not mean root's.
	aside atomic.Bool
	// age counts changes of owners and modes, for what remembers them.
	age atomic.Uint64

	mu     sync.Mutex
	table  *table
	loose  map[looseKey]Owner
	mounts map[uint64]mountKind
	poll   int // the init's mountinfo, to hear of changes; -1: not yet
}

// looseKey names a file by what the container sees of it.
type looseKey struct {
	dev uint64
	inodeKey
}

// maxLoose bounds the owners kept in memory.
const maxLoose = 1 << 20

// mountKind says where the owners of a mount's files are kept.
type mountKind uint8

const (
	mountUnknown mountKind = iota
	mountRecorded
	mountCallers // a bind of host files, of which those of the caller are shown as somebody's; else as mountLoose
	mountLoose   // a bind of host files, or a file system of the kernel's own: in memory
	mountForeign // not in the caller's mount namespace: reached through /proc, none of our business
)

func (f *files) open(cfg SupervisorConfig) error {
	f.upper, f.poll = -1, -1
	f.linked = map[string]struct{}{}
	f.loose = map[looseKey]Owner{}
	f.mounts = map[uint64]mountKind{}
	f.caller = cfg.Caller
	for _, b := range cfg.Binds {
		f.binds = append(f.binds, path.Clean("/"+b))
	}
	for _, l := range cfg.Lowers {
		for p := range l.Links {
			f.linked[p] = struct{}{}
		}
	}
	if len(f.linked) > 0 {
		for _, l := range cfg.Lowers {
			fd, err := openDir(l.Dir)
			if err != nil {
				f.close()
				return err
			}
			f.lowers = append(f.lowers, fd)
			f.links = append(f.links, l.Links)
		}
	}
	if cfg.Upper != "" {
		fd, err := openDir(cfg.Upper)
		if err != nil {
			f.close()
			return err
		}
		f.upper = fd
	}
	t, err := openTable(cfg.Table)
	if err != nil {
		f.close()
		return err
	}
	f.table = t
	f.aside.Store(len(f.linked) > 0 || f.caller != (Owner{}) || len(t.entries) > 0)
	return nil
}

func (f *files) close() error {
	for _, fd := range f.lowers {
		unix.Close(fd)
	}
	f.lowers = nil
	if f.upper >= 0 {
		unix.Close(f.upper)
		f.upper = -1
	}
	if f.poll >= 0 {
		unix.Close(f.poll)
		f.poll = -1
	}
	if f.table != nil {
		return f.table.close()
	}
	return nil
}

// enter learns the container's root from the first process that arrives.
func (f *files) enter(pid, root int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.initPid != 0 {
		return nil
	}
	var stx unix.Statx_t
	if err := unix.Statx(root, "", unix.AT_EMPTY_PATH, unix.STATX_INO|unix.STATX_MNT_ID, &stx); err != nil {
		return fmt.Errorf("looking at the container's root: %w", err)
	}
	f.root = rootKey{stx.Mnt_id, stx.Ino}
	f.rootDev = unix.Mkdev(stx.Dev_major, stx.Dev_minor)
	f.initPid = pid
	poll, err := unix.Open(fmt.Sprintf("/proc/%d/mountinfo", pid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("reading the container's mounts: %w", err)
	}
	f.poll = poll
	return nil
}

// finish records the owners of symlinks that were copied up without the supervisor's help (touch -h):
// the upper directory holds them, the layer below says whose they are. A symlink made anew at such
// a path has an entry of its own.
func (f *files) finish() error {
	if f.upper < 0 {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for p := range f.linked {
		var stx unix.Statx_t
		if err := unix.Statx(f.upper, p, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_TYPE|unix.STATX_INO|unix.STATX_BTIME, &stx); err != nil || !linkLike(uint32(stx.Mode)) {
			continue
		}
		key := birthOf(&stx)
		if _, ok := f.table.entries[key]; ok {
			continue
		}
		if err := f.table.put(key, f.lowerOwner(p)); err != nil {
			return fmt.Errorf("writing the owner table: %w", err)
		}
	}
	return nil
}

// linkLike reports whether the owner of a file of that type is kept aside on a recorded mount.
func linkLike(mode uint32) bool { return !carriesXattr(mode) }

// lowerOwner gives what the topmost layer with an entry at p says of its owner.
func (f *files) lowerOwner(p string) Owner {
	for i, fd := range f.lowers {
		var st unix.Stat_t
		if err := unix.Fstatat(fd, p, &st, unix.AT_SYMLINK_NOFOLLOW); err == nil {
			return f.links[i][p]
		}
	}
	return Owner{}
}

// upperKey gives the inode of the upper directory behind a path of the container; ok is false when
// there is none.
func (f *files) upperKey(p string) (inodeKey, bool) {
	if f.upper < 0 {
		return inodeKey{}, false
	}
	var stx unix.Statx_t
	if err := unix.Statx(f.upper, p, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_TYPE|unix.STATX_INO|unix.STATX_BTIME, &stx); err != nil || !linkLike(uint32(stx.Mode)) {
		return inodeKey{}, false
	}
	return birthOf(&stx), true
}

// kind tells where the owners of files on a mount are kept, which the process pid asks for. It is for
// workers: see readMounts.
func (f *files) kind(mount uint64, pid uint32) mountKind {
	if mount == f.root.mount {
		return mountRecorded
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if mountsChanged(f.poll) {
		clear(f.mounts)
	}
	if len(f.mounts) == 0 {
		f.readMounts(f.initPid, f.mounts)
	}
	if k := f.mounts[mount]; k != mountUnknown {
		return k
	}
	// A mount namespace made inside, where the processes see copies of the mounts.
	theirs := map[uint64]mountKind{}
	f.readMounts(int(pid), theirs)
	if k := theirs[mount]; k != mountUnknown {
		return k
	}
	return mountForeign
}

func mountsChanged(fd int) bool {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLPRI}}
	n, err := unix.Poll(p, 0)
	return err != nil || n > 0
}

// readMounts classifies the mounts a process sees (proc_pid_mountinfo(5)). The path is relative
// because a worker's working directory is dhow's /proc and its root directory the container's.
func (f *files) readMounts(pid int, mounts map[uint64]mountKind) {
	b, err := os.ReadFile(strconv.Itoa(pid) + "/mountinfo")
	if err != nil {
		return
	}
	for line := range bytes.Lines(b) {
		fields := strings.Fields(string(line))
		dash := 6
		for dash < len(fields) && fields[dash] != "-" {
			dash++
		}
		if dash+1 >= len(fields) {
			continue
		}
		id, err := strconv.ParseUint(fields[0], 10, 64)
		if err != nil {
			continue
		}
		mounts[id] = mountRecorded
		switch bind := f.isBind(unescape(fields[4])); {
		case bind && f.caller != (Owner{}) && !kernelOwn[fields[dash+1]]:
			mounts[id] = mountCallers
		case bind || kernelOwn[fields[dash+1]]:
			mounts[id] = mountLoose
		}
	}
}

// kernelOwn are file systems whose files are the kernel's or another program's.
var kernelOwn = map[string]bool{
	"proc": true, "sysfs": true, "devpts": true, "mqueue": true, "cgroup": true, "cgroup2": true,
	"devtmpfs": true, "securityfs": true, "debugfs": true, "tracefs": true, "bpf": true,
	"binfmt_misc": true, "fusectl": true, "pstore": true, "efivarfs": true, "configfs": true,
}

func (f *files) isBind(point string) bool {
	for _, b := range f.binds {
		if point == b || strings.HasPrefix(point, b) && (b == "/" || point[len(b)] == '/') {
			return true
		}
	}
	return false
}

// unescape undoes the octal escapes of mountinfo.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
