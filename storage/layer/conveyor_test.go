package layer

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/ownership"
)

// What is put comes in order, with its content, whatever the sizes; and when doing fails, the finder hears
// of it, all that was put is still shown, and the first error stays.
func TestConveyor(t *testing.T) {
	bad := errors.New("bad")
	for _, c := range []struct{ pieces, size, failsAt int }{
		{0, 0, -1}, {3, 10, -1}, {3, 10, 1}, {500, 0, -1}, {500, 20_000, -1}, {20, loadBytes, -1}, {500, 20_000, 40}, {500, 20_000, 499},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			var seen []int
			conv := newConveyor(func(n int, content []byte) error {
				seen = append(seen, n)
				if want := bytes.Repeat([]byte{byte(n)}, c.size); !bytes.Equal(content, want) {
					t.Errorf("%d: %d bytes, not %d of its own", n, len(content), len(want))
				}
				if n >= c.failsAt && c.failsAt >= 0 {
					return fmt.Errorf("%w: %d", bad, n)
				}
				return nil
			})
			put := 0
			var err error
			for ; put < c.pieces && err == nil; put++ {
				var room []byte
				if room, err = conv.room(int64(c.size)); err != nil {
					break
				}
				if len(room) < c.size { // a small rest of a load is not worth taking, a large one is
					room = room[:0]
					if err = conv.hand(); err == nil {
						room, err = conv.room(int64(c.size))
					}
					if err != nil {
						break
					}
				}
				copy(room, bytes.Repeat([]byte{byte(put)}, c.size))
				err = conv.put(put, c.size)
			}
			last := conv.end()
			if c.failsAt < 0 {
				if err != nil || last != nil || put != c.pieces {
					t.Error(put, err, last)
				}
			} else if !errors.Is(last, bad) || !strings.HasSuffix(last.Error(), fmt.Sprint(": ", c.failsAt)) || err != nil && !errors.Is(err, errFailed) {
				t.Error(err, last)
			}
			if c.failsAt >= 0 && c.failsAt < 100 && c.pieces > 100 && put == c.pieces {
				t.Error("the finder did not hear of it")
			}
			for i, n := range seen {
				if i != n {
					t.Fatal(seen)
				}
			}
			if len(seen) != put {
				t.Errorf("%d were put, %d done", put, len(seen))
			}
		})
	}
}

// crowded is a layer of more than one load, in which names are taken by others while their files are written.
func crowded() []member {
	big := strings.Repeat("0123456789abcdef", 20_000) // larger than a load
	var m []member
	for i := range 300 {
		m = append(m, withMode(fileOf(fmt.Sprintf("f%d", i), fmt.Sprint(i, big[:i*50])), 0o644))
	}
	m = append(m,
		withMode(fileOf("suid", big), 0o4755),
		linkOf(tar.TypeLink, "link", "suid"),
		fileOf("gone", big), fileOf(".wh.gone", ""),
		fileOf("s", big), linkOf(tar.TypeSymlink, "s", "elsewhere"),
		fileOf("twice", big), fileOf("twice", "second"),
		fileOf("dir", big), dirOf("dir", 0o755), fileOf("dir/in", big),
		withMode(fileOf("readonly", big), 0o444), fileOf("empty", ""))
	return m
}

func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestApplyInFlight(t *testing.T) {
	data := archiveOf(t, crowded()...)
	for name, o := range kinds() {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			before := descriptors(t)
			if _, err := Apply(bytes.NewReader(data), dir, o); err != nil {
				t.Fatal(err)
			}
			if n := descriptors(t); n != before {
				t.Errorf("%d descriptors stayed open", n-before)
			}
			for i := range 300 {
				got, err := os.ReadFile(fmt.Sprintf("%s/f%d", dir, i))
				if err != nil || len(got) != len(fmt.Sprint(i))+i*50 {
					t.Fatalf("f%d: %d bytes, %v", i, len(got), err)
				}
			}
			wantFile(t, dir+"/twice", "second")
			wantFile(t, dir+"/empty", "")
			for _, n := range []string{"suid", "link", "dir/in", "readonly"} {
				if st, err := os.Stat(dir + "/" + n); err != nil || st.Size() != 320_000 || st.ModTime().Unix() != 2000 {
					t.Errorf("%s: %+v %v", n, st, err)
				}
			}
			if a, _, err := o.Tree.Lstat(unix.AT_FDCWD, dir+"/link", "link"); err != nil || a.Mode&0o7777 != 0o4755 {
				t.Errorf("link: mode %o, %v", a.Mode, err)
			}
			if _, err := os.Readlink(dir + "/s"); err != nil {
				t.Error(err)
			}
		})
	}
}

// What stays in memory of an entry is not its whole header.
func TestApplyKeepsLittle(t *testing.T) {
	many := strings.Repeat("x", 900_000)
	of := func(m member, records map[string]string) member {
		m.PAXRecords = records
		m.Format = tar.FormatPAX
		return m
	}
	for name, one := range map[string]func(i int) member{
		"directories": func(i int) member {
			return of(dirOf(fmt.Sprintf("%s%d/", strings.Repeat("d", 150), i), 0o755), map[string]string{"comment": many})
		},
		"files": func(i int) member { return of(fileOf(fmt.Sprint("f", i), ""), map[string]string{"comment": many}) },
	} {
		t.Run(name, func(t *testing.T) {
			r, w := io.Pipe()
			go func() {
				tw := tar.NewWriter(w)
				for i := range 60 {
					m := one(i)
					if err := tw.WriteHeader(&m.Header); err != nil {
						w.CloseWithError(err)
						return
					}
				}
				// All of it is read, and what was read is still kept.
				runtime.GC()
				var now runtime.MemStats
				runtime.ReadMemStats(&now)
				if now.HeapAlloc > 30<<20 {
					t.Errorf("%d MB are in use", now.HeapAlloc>>20)
				}
				w.CloseWithError(tw.Close())
			}()
			if _, err := Apply(r, t.TempDir(), kinds()["recorded"]); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// An error names the file it belongs to, wherever the archive is read by then, and nothing stays open.
func TestApplyFails(t *testing.T) {
	some := crowded()[:40]
	bad := withXattr(fileOf("bad", "x"), "security.capability", "no capability")
	whole := archiveOf(t, slices.Concat(some, []member{bad}, some)...)
	cut := archiveOf(t, some...)
	for name, data := range map[string][]byte{"of a file": whole, "of the archive": cut[:len(cut)-5000]} {
		t.Run(name, func(t *testing.T) {
			before := descriptors(t)
			_, err := Apply(bytes.NewReader(data), t.TempDir(), ApplyOptions{Tree: &ownership.Tree{}, Whiteouts: true})
			if err == nil || strings.HasPrefix(name, "of a file") != strings.Contains(err.Error(), `"bad"`) {
				t.Error(err)
			}
			if n := descriptors(t); n != before {
				t.Errorf("%d descriptors stayed open", n-before)
			}
		})
	}
}
