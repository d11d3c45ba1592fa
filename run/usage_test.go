package run

import "testing"

func TestUsageOf(t *testing.T) {
	for text, want := range map[string][3]uint64{
		"12 (a b) c) S 1 1 1 0 -1 4194304 100 0 0 0 5 6 7 8 20 0 3 0 12345 9000000 250 184467": {26, 3, 250},
		"12 (short) S 1": {},
		"nonsense":       {},
		"":               {},
	} {
		ticks, threads, resident := usageOf([]byte(text))
		if got := [3]uint64{ticks, threads, resident}; got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}

func TestTraffic(t *testing.T) {
	const dev = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:  900       9    0    0    0     0          0         0      900       9    0    0    0     0       0          0
  eth0: 1500      10    0    0    0     0          0         0      700       8    0    0    0     0       0          0
  eth1:20         1    0    0    0     0          0         0      5       1    0    0    0     0       0          0
`
	if r, s := traffic([]byte(dev)); r != 1520 || s != 705 {
		t.Errorf("got %d, %d", r, s)
	}
	if r, s := traffic([]byte("eth0: 1 2\n:\n")); r != 0 || s != 0 {
		t.Errorf("got %d, %d", r, s)
	}
}

func TestNamed(t *testing.T) {
	text := []byte("Rss:   10 kB\nPss:       4321 kB\nPss_Dirty: 1 kB\n")
	if n, ok := named(text, "Pss:"); n != 4321 || !ok {
		t.Errorf("got %d %v", n, ok)
	}
	if _, ok := named(text, "Swap:"); ok {
		t.Error("found what is not there")
	}
}
