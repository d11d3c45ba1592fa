package ownership

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// inodeKey names one life of an inode in the upper directory. Inode numbers are used again after an
// unlink; the time of birth tells the lives apart. (ctime would not do: rename and chown change it.)
type inodeKey struct {
	ino   uint64
	birth int64 // nanoseconds since the epoch, 0 where the filesystem does not know
}

const tableHeader = "dhow inode owners 1\n"

// maxTable bounds a journal: a million symlinks with other owners than root.
const maxTable = 64 << 20

// table is the side table of the files in an upper directory that can not carry xattrs, keyed by
// inode and so indifferent to renames. On disk it is a journal, one line a change, the last line
// of an inode counts; a torn last line is ignored. It is not synced: what it serves is committed or
// lost together with the container.
type table struct {
	entries map[inodeKey]Owner
	file    *os.File // nil: in memory only
	size    int64    // of the file
}

// openTable reads the journal at path, which may be missing, and opens it for appending.
func openTable(path string) (*table, error) {
	if path == "" {
		return &table{entries: map[inodeKey]Owner{}}, nil
	}
	entries, whole, err := readTable(path)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening owner table: %w", err)
	}
	// What follows a torn line must begin a line of its own.
	err = f.Truncate(whole)
	if err == nil {
		_, err = f.Seek(whole, io.SeekStart)
	}
	if err == nil && whole == 0 {
		_, err = f.WriteString(tableHeader)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("opening owner table: %w", err)
	}
	return &table{entries: entries, file: f, size: whole}, nil
}

// readTable gives the entries of a journal and the length of its undamaged part.
func readTable(path string) (map[inodeKey]Owner, int64, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return map[inodeKey]Owner{}, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("reading owner table: %w", err)
	}
	defer f.Close()
	entries, whole, err := parseTable(io.LimitReader(f, maxTable))
	if err != nil {
		return nil, 0, fmt.Errorf("reading owner table %q: %w", path, err)
	}
	return entries, whole, nil
}

func parseTable(r io.Reader) (map[inodeKey]Owner, int64, error) {
	entries := map[inodeKey]Owner{}
	br := bufio.NewReader(r)
	var whole int64
	for {
		line, err := br.ReadSlice('\n')
		if err == io.EOF {
			return entries, whole, nil
		}
		if err != nil {
			return nil, 0, err
		}
		if whole == 0 {
			if string(line) != tableHeader {
				return nil, 0, fmt.Errorf("not an owner table of a version known here: %q", bytes.TrimSpace(line))
			}
		} else if key, owner, ok := parseTableLine(line[:len(line)-1]); ok {
			entries[key] = owner
		} else {
			return nil, 0, fmt.Errorf("malformed line %q", line)
		}
		whole += int64(len(line))
	}
}

func parseTableLine(line []byte) (key inodeKey, o Owner, ok bool) {
	f := bytes.Split(line, []byte{' '})
	if len(f) != 4 {
		return key, o, false
	}
	ino, err1 := strconv.ParseUint(string(f[0]), 10, 64)
	birth, err2 := strconv.ParseInt(string(f[1]), 10, 64)
	uid, err3 := strconv.ParseUint(string(f[2]), 10, 32)
	gid, err4 := strconv.ParseUint(string(f[3]), 10, 32)
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil {
		return key, o, false
	}
	return inodeKey{ino, birth}, Owner{uint32(uid), uint32(gid)}, true
}

// put records an owner. An owner of 0:0 is recorded as well: it says that a lower layer's entry for
// the path no longer counts.
func (t *table) put(key inodeKey, o Owner) error {
	if old, ok := t.entries[key]; ok && old == o {
		return nil
	}
	if t.file != nil {
		b := make([]byte, 0, 96)
		b = strconv.AppendUint(b, key.ino, 10)
		b = append(b, ' ')
		b = strconv.AppendInt(b, key.birth, 10)
		b = append(b, ' ')
		b = strconv.AppendUint(b, uint64(o.UID), 10)
		b = append(b, ' ')
		b = strconv.AppendUint(b, uint64(o.GID), 10)
		b = append(b, '\n')
		if t.size+int64(len(b)) > maxTable-int64(len(tableHeader)) {
			return unix.ENOSPC
		}
		n, err := t.file.Write(b)
		t.size += int64(n)
		if err != nil {
			return err
		}
	}
	t.entries[key] = o
	return nil
}

func (t *table) close() error {
	if t.file == nil {
		return nil
	}
	return t.file.Close()
}

// birthOf gives the inode key of a statx result that asked for STATX_INO and STATX_BTIME.
func birthOf(stx *unix.Statx_t) inodeKey {
	key := inodeKey{ino: stx.Ino}
	if stx.Mask&unix.STATX_BTIME != 0 {
		key.birth = stx.Btime.Sec*1e9 + int64(stx.Btime.Nsec)
	}
	return key
}
