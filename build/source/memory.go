package source

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Memory remembers digests of file contents by device, inode, size, mtime and ctime, so that an
// unchanged file is not read again. It is safe for concurrent use; a nil Memory remembers nothing.
//
// The ctime makes it safe: no program can set it. Only a file touched twice within the resolution
// of time stamps keeps it, so a file that was changed less than settle ago is not remembered.
//
// The file is a cache: a header, records of fixed size and a checksum. It is replaced as a whole,
// and whatever is damaged is as good as missing.
type Memory struct {
	path  string
	mu    sync.Mutex
	known map[inode]remembered
	dirty bool
	now   func() time.Time
}

// settle is longer than the coarsest time stamps there are (2 s on FAT).
const settle = 2 * time.Second

const (
	memoryMagic   = "dhow files 1\n"
	recordBytes   = 7*8 + 4 + sha256.Size
	maxRemembered = 1 << 20
	forgetDays    = 30 // not seen for so long
)

// inode is what tells one state of a file from all others.
type inode struct {
	dev, ino       uint64
	size           int64
	mtime, ctime   int64 // seconds
	mtimeN, ctimeN int32 // nanoseconds
}

type remembered struct {
	sum
	day uint32 // when it was last of use, in days since 1970
}

func inodeOf(st unix.Stat_t) inode {
	return inode{uint64(st.Dev), st.Ino, st.Size, int64(st.Mtim.Sec), int64(st.Ctim.Sec), int32(st.Mtim.Nsec), int32(st.Ctim.Nsec)}
}

// OpenMemory reads the memory kept in the file path. A missing or damaged file is an empty memory.
func OpenMemory(path string) *Memory {
	m := &Memory{path: path, now: time.Now, known: readMemory(path)}
	return m
}

func (m *Memory) lookup(st unix.Stat_t) (sum, bool) {
	if m == nil {
		return sum{}, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	k := inodeOf(st)
	r, ok := m.known[k]
	if ok && r.day != m.today() {
		r.day, m.dirty = m.today(), true
		m.known[k] = r
	}
	return r.sum, ok
}

func (m *Memory) remember(st unix.Stat_t, s sum) {
	if m == nil {
		return
	}
	last := time.Unix(int64(st.Ctim.Sec), int64(st.Ctim.Nsec))
	if mtime := time.Unix(int64(st.Mtim.Sec), int64(st.Mtim.Nsec)); mtime.After(last) {
		last = mtime
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.now().Sub(last) < settle || len(m.known) >= maxRemembered {
		return
	}
	m.known[inodeOf(st)] = remembered{s, m.today()}
	m.dirty = true
}

func (m *Memory) today() uint32 { return uint32(m.now().Unix() / 86400) }

// Save writes what was learned, together with what other processes wrote meanwhile.
func (m *Memory) Save() error {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.dirty {
		return nil
	}
	if err := m.save(); err != nil {
		return fmt.Errorf("saving the memory of files: %w", err)
	}
	m.dirty = false
	return nil
}

func (m *Memory) save() error {
	lock, err := os.OpenFile(m.path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close() // the lock goes with it
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return err
	}
	all := readMemory(m.path)
	maps.Copy(all, m.known)
	f, err := os.OpenFile(m.path+".tmp", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) // under the lock
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(m.encode(all))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), m.path)
}

func (m *Memory) encode(all map[inode]remembered) []byte {
	out := make([]byte, 0, len(memoryMagic)+len(all)*recordBytes+sha256.Size)
	out = append(out, memoryMagic...)
	le := binary.LittleEndian
	for k, r := range all {
		if m.today() > r.day+forgetDays {
			continue
		}
		out = le.AppendUint64(out, k.dev)
		out = le.AppendUint64(out, k.ino)
		out = le.AppendUint64(out, uint64(k.size))
		out = le.AppendUint64(out, uint64(k.mtime))
		out = le.AppendUint64(out, uint64(k.ctime))
		out = le.AppendUint32(out, uint32(k.mtimeN))
		out = le.AppendUint32(out, uint32(k.ctimeN))
		day := uint64(r.day) << 1
		if r.xattrs {
			day |= 1
		}
		out = le.AppendUint64(out, day)
		out = append(out, 0, 0, 0, 0)
		out = append(out, r.content[:]...)
	}
	check := sha256.Sum256(out)
	return append(out, check[:]...)
}

// readMemory reads the file, or gives an empty memory.
func readMemory(path string) map[inode]remembered {
	known := map[inode]remembered{}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return known
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, int64(len(memoryMagic)+maxRemembered*recordBytes+sha256.Size)))
	if err != nil || len(data) < len(memoryMagic)+sha256.Size || !bytes.HasPrefix(data, []byte(memoryMagic)) {
		return known
	}
	body, check := data[:len(data)-sha256.Size], data[len(data)-sha256.Size:]
	if want := sha256.Sum256(body); !bytes.Equal(check, want[:]) {
		return known
	}
	body = body[len(memoryMagic):]
	if len(body)%recordBytes != 0 {
		return known
	}
	le := binary.LittleEndian
	for ; len(body) > 0; body = body[recordBytes:] {
		k := inode{le.Uint64(body), le.Uint64(body[8:]), int64(le.Uint64(body[16:])), int64(le.Uint64(body[24:])),
			int64(le.Uint64(body[32:])), int32(le.Uint32(body[40:])), int32(le.Uint32(body[44:]))}
		day := le.Uint64(body[48:])
		r := remembered{day: uint32(day >> 1)}
		r.xattrs = day&1 != 0
		copy(r.content[:], body[60:])
		known[k] = r
	}
	return known
}
