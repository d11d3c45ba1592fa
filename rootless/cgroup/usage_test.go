package cgroup

import "testing"

func TestBlocks(t *testing.T) {
	for _, c := range []struct {
		text          string
		read, written uint64
	}{
		{"", 0, 0},
		{"254:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n", 4096, 8192},
		{"8:0 rbytes=1 wbytes=2\n8:16 rbytes=10 wbytes=20\n8:32 \n", 11, 22},
		{"8:0 rbytes=x wbytes\n", 0, 0},
	} {
		if r, w := blocks([]byte(c.text)); r != c.read || w != c.written {
			t.Errorf("%q: got %d, %d", c.text, r, w)
		}
	}
}
