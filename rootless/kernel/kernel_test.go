package kernel

import "testing"

func TestAtLeast(t *testing.T) {
	for release, want := range map[string]bool{
		"6.11.0-8-generic": true, "6.11": true, "6.12.1": true, "7.0.0": true, "6.8.0-45-generic": false,
		"6.1.0-28-amd64": false, "5.15.153.1-microsoft-standard-WSL2": false, "10.0": true, "6.10-rc7": false, "6.11-rc1": true,
	} {
		for _, otherwise := range []bool{false, true} {
			if got := atLeast(release, 6, 11, otherwise); got != want {
				t.Errorf("%s: %v", release, got)
			}
		}
	}
	for _, release := range []string{"", "strange", "6", "6.x"} {
		if atLeast(release, 6, 11, false) || !atLeast(release, 6, 11, true) {
			t.Errorf("%q is known", release)
		}
	}
	if !AtLeast(3, 0, false) || AtLeast(1000, 0, true) {
		t.Error("this kernel")
	}
}
