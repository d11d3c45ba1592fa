package record

import (
	"strings"
	"testing"
)

func TestRootOf(t *testing.T) {
	for line, want := range map[string]string{
		"58 385 0:49 / / rw,relatime - overlay overlay rw,lowerdir+=/s/l/diff,upperdir=/s/containers/abc/upper,workdir=/s/containers/abc/work": "abc",
		"58 385 0:49 / / rw shared:1 master:2 - overlay overlay rw,upperdir=/s/containers/abc/upper":                                           "abc",
		"58 385 0:49 / / rw - overlay overlay rw,lowerdir=/s/containers/abc/upper":                                                             "",
		"58 385 0:49 / / rw - overlay overlay rw,upperdir=/s/other/abc/upper":                                                                  "",
		"58 385 8:1 / / rw - ext4 /dev/sda rw":                                                                                                 "",
		"58 385 8:1 / / rw":                                                                                                                    "",
	} {
		if got := rootOf(strings.Fields(line)); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}
