package ownership

import (
	"fmt"
	"io"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// FinishUpper turns a used upper directory into a committable tree: it walks the tree once and
// drains the supervisor's inode-keyed table (a file that may be missing) into path-keyed Links. The
// supervisor must be closed. Nothing in the tree is changed and the table stays: calling it again
// gives the same answer.
func FinishUpper(upper, table string) (Links, error) {
	links, err := UpperLinks(upper, table)
	for rel, o := range links {
		if o == (Owner{}) {
			delete(links, rel)
		}
	}
	return links, err
}

// UpperLinks is FinishUpper with those owned by 0:0, too, of which a layer below may say otherwise.
func UpperLinks(upper, table string) (Links, error) {
	links := Links{}
	if table == "" {
		return links, nil
	}
	entries, _, err := readTable(table)
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 {
		return links, nil
	}
	fd, err := unix.Open(upper, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("collecting link owners of %q: %w", upper, err)
	}
	if err := collect(fd, "", entries, links); err != nil {
		return nil, fmt.Errorf("collecting link owners of %q: %w", upper, err)
	}
	return links, nil
}

// collect takes fd over.
func collect(fd int, rel string, entries map[inodeKey]Owner, links Links) error {
	dir := os.NewFile(uintptr(fd), rel)
	defer dir.Close()
	for {
		list, err := dir.ReadDir(1024)
		for _, e := range list {
			name := path.Join(rel, e.Name())
			if e.IsDir() {
				sub, err := unix.Openat(fd, e.Name(), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
				if err != nil {
					return fmt.Errorf("opening directory %q: %w", name, err)
				}
				if err := collect(sub, name, entries, links); err != nil {
					return err
				}
				continue
			}
			if e.Type().IsRegular() {
				continue
			}
			var stx unix.Statx_t
			if err := unix.Statx(fd, e.Name(), unix.AT_SYMLINK_NOFOLLOW, unix.STATX_INO|unix.STATX_BTIME, &stx); err != nil {
				return fmt.Errorf("stat %q: %w", name, err)
			}
			if o, ok := entries[birthOf(&stx)]; ok {
				links[name] = o
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading directory %q: %w", rel, err)
		}
	}
}
