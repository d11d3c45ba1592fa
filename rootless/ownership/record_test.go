package ownership

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRecord(t *testing.T) {
	cases := []struct {
		a    Attr
		text string
	}{
		{Attr{0, 0, unix.S_IFREG | 0o644, 0}, "0:0:0644:file"},
		{Attr{33, 34, unix.S_IFDIR | 0o2775, 0}, "33:34:2775:dir"},
		{Attr{1, 2, unix.S_IFREG, 0}, "1:2:0000:file"},
		{Attr{1, 2, unix.S_IFREG | 0o7, 0}, "1:2:0007:file"},
		{Attr{1, 2, unix.S_IFLNK | 0o777, 0}, "1:2:0777:symlink"},
		{Attr{1, 2, unix.S_IFIFO | 0o600, 0}, "1:2:0600:pipe"},
		{Attr{1, 2, unix.S_IFSOCK | 0o700, 0}, "1:2:0700:socket"},
		{Attr{0, 6, unix.S_IFBLK | 0o660, unix.Mkdev(8, 17)}, "0:6:0660:block-8-17"},
		{Attr{0, 0, unix.S_IFCHR | 0o4666, unix.Mkdev(4095, 1<<20-1)}, "0:0:4666:char-4095-1048575"},
		{Attr{1<<32 - 2, 65534, unix.S_IFREG | 0o400, 0}, "4294967294:65534:0400:file"},
	}
	for _, c := range cases {
		if got := string(c.a.Record()); got != c.text {
			t.Errorf("record of %+v is %q, should be %q", c.a, got, c.text)
		}
		if got, err := ParseRecord([]byte(c.text)); err != nil || got != c.a {
			t.Errorf("%q reads as %+v, %v", c.text, got, err)
		}
	}
	if a, err := ParseRecord([]byte("5:6:755")); err != nil || a != (Attr{5, 6, 0o755, 0}) {
		t.Errorf("short form reads as %+v, %v", a, err)
	}
	for _, bad := range []string{
		"", ":", "1", "1:2", "1:2:", "1:2:8:file", "1:2:0644:files", "-1:0:0644:file", "+1:0:0644:file",
		"4294967295:0:0644:file", "4294967296:0:0644:file", "99999999999999999999:0:0644:file",
		"1:2:17777:file", "1:2:0644:char", "1:2:0644:char-", "1:2:0644:char-1", "1:2:0644:char-1-",
		"1:2:0644:char--1", "1:2:0644:char-4096-0", "1:2:0644:block-1-1048576", "1:2:0644:block-1-2-3",
		"1:2:0644:block-1-999999999999", "1 :2:0644:file", "1:2:0644:file\x00", "1:2:0644:" + strings.Repeat("x", 200),
	} {
		if a, err := ParseRecord([]byte(bad)); err == nil {
			t.Errorf("%q reads as %+v", bad, a)
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add([]byte("33:34:2775:dir"))
	f.Add([]byte("0:6:0660:block-8-17"))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := ParseRecord(b)
		if err != nil || a.Mode&unix.S_IFMT == 0 {
			return
		}
		if again, err := ParseRecord(a.Record()); err != nil || again != a {
			t.Errorf("%q: %+v, then %+v, %v", b, a, again, err)
		}
	})
}

func TestLinks(t *testing.T) {
	l := Links{"usr/bin/vi": {1, 2}, "a": {3, 0}, "ab": {4, 4}, "a/b": {5, 5}}
	again, err := ParseLinks(l.Marshal())
	if err != nil || !bytes.Equal(again.Marshal(), l.Marshal()) {
		t.Errorf("%s, %v", again.Marshal(), err)
	}
	if l, err := ParseLinks(Links(nil).Marshal()); err != nil || len(l) != 0 {
		t.Errorf("no links: %v, %v", l, err)
	}
	(&Tree{Links: l}).Forget("./a/")
	if len(l) != 2 || l["ab"] != (Owner{4, 4}) {
		t.Errorf("after forgetting a: %v", l)
	}
	for _, bad := range []string{
		``, `{}`, `{"version":2,"links":{}}`, `{"version":1,"links":{"/a":{}}}`, `{"version":1,"links":{"a/../../b":{}}}`,
		`{"version":1,"links":{"..":{}}}`, `{"version":1,"links":{"":{}}}`, `{"version":1,"links":{"a":{"uid":-1}}}`,
	} {
		if l, err := ParseLinks([]byte(bad)); err == nil {
			t.Errorf("%s reads as %v", bad, l)
		}
	}
}

func FuzzParseLinks(f *testing.F) {
	f.Add(Links{"usr/bin/vi": {1, 2}}.Marshal())
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := ParseLinks(b)
		if err != nil {
			return
		}
		for p := range l {
			if !filepath.IsLocal(p) || filepath.Clean(p) != p {
				t.Errorf("%q leaves the tree", p)
			}
		}
		if again, err := ParseLinks(l.Marshal()); err != nil || !bytes.Equal(again.Marshal(), l.Marshal()) {
			t.Errorf("%s reads as %v, %v", l.Marshal(), again, err)
		}
	})
}

func TestTable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "table")
	tab, err := openTable(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []struct {
		ino uint64
		uid uint32
	}{{7, 1}, {8, 2}, {7, 3}} {
		if err := tab.put(inodeKey{e.ino, -5}, Owner{e.uid, 9}); err != nil {
			t.Fatal(err)
		}
	}
	tab.close()
	// A line torn by a crash does not spoil the next one.
	f, _ := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	f.WriteString("9 1 1")
	f.Close()
	tab, err = openTable(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := tab.put(inodeKey{10, 1}, Owner{4, 4}); err != nil {
		t.Fatal(err)
	}
	tab.close()
	got, _, err := readTable(path)
	if err != nil || len(got) != 3 || got[inodeKey{7, -5}] != (Owner{3, 9}) || got[inodeKey{10, 1}] != (Owner{4, 4}) {
		t.Errorf("table reads as %v, %v", got, err)
	}
	for _, bad := range []string{"other\n", tableHeader + "1 2 3\n", tableHeader + "1 2 3 x\n", tableHeader + "1 2 3 4294967296\n"} {
		if got, _, err := parseTable(strings.NewReader(bad)); err == nil {
			t.Errorf("%q reads as %v", bad, got)
		}
	}
}

func FuzzParseTable(f *testing.F) {
	f.Add([]byte(tableHeader + "7 -5 1 9\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, whole, err := parseTable(bytes.NewReader(b))
		if err == nil && (whole > int64(len(b)) || whole > 0 && b[whole-1] != '\n') {
			t.Errorf("%q: %d bytes are whole", b, whole)
		}
	})
}

func TestIsInternalXattr(t *testing.T) {
	for name, want := range map[string]bool{
		XattrName: true, "user.overlay.opaque": true, "user.overlay.overlay.x": true,
		"user.overlay": false, "user.containers.other": false, "security.capability": false, "": false,
	} {
		if IsInternalXattr(name) != want {
			t.Errorf("IsInternalXattr(%q) is %v", name, !want)
		}
	}
}
