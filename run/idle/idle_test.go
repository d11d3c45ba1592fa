package idle

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestProgramPages: pages that were written to before they were made read-only are not dropped: the file
// has other values in their place.
func TestProgramPages(t *testing.T) {
	got := programPages(strings.NewReader(`00400000-00401000 r-xp 00000000 fe:00 7     /bin/dhow
Rss:                   4 kB
Anonymous:             0 kB
02624000-0262a000 r--p 02224000 fe:00 7     /bin/dhow
Rss:                  24 kB
Anonymous:             8 kB
AnonHugePages:         0 kB
0262a000-0272d000 rw-p 0222a000 fe:00 7     /bin/dhow
Anonymous:             0 kB
0272d000-04787000 rw-p 00000000 00:00 0
Anonymous:           228 kB
7ffc0000-7ffc1000 r-xp 00000000 00:00 0     [vdso]
Anonymous:             0 kB
`))
	want := []area{
		{0x400000, 0x1000, unix.MADV_DONTNEED},
		{0x2624000, 0x6000, unix.MADV_PAGEOUT},
		{0x262a000, 0x103000, unix.MADV_PAGEOUT},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v", got)
	}
}

func TestHugePages(t *testing.T) {
	got := hugePages(strings.NewReader(`c000000000-c000400000 rw-p 00000000 00:00 0
Rss:                2048 kB
VmFlags: rd wr mr mw me ac sd hg
c000400000-c004000000 ---p 00000000 00:00 0
VmFlags: mr mw me nr sd
7f1000000000-7f1000200000 rw-p 00000000 00:00 0
VmFlags: rd wr mr mw me ac hg
`))
	want := []area{{from: 0xc000000000, size: 4 << 20}, {from: 0x7f1000000000, size: 2 << 20}}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v", got)
	}
}
