package carry

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/dhow-containers/dhow/rootless/idmap"
	"github.com/dhow-containers/dhow/rootless/ownership"
)

// A capability of the container's own root counts for the root of the place it is copied to; one of
// another root stays that one's.
func TestCapabilityOfContainer(t *testing.T) {
	dir := t.TempDir()
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	ids := []idmap.Range{{Inside: 0, Outside: 0, Length: 65536}}
	shift := idmap.Mapping{Kind: idmap.Subids, UIDs: ids, GIDs: ids}.KeepID(1000, 1000)
	const words = "01000002000400000000000000000000" // see capabilities(7); the root follows
	for value, want := range map[string]string{
		"01000003" + words[8:] + "00000000" + "01000000": words + "00000000",
		"01000003" + words[8:] + "00000000" + "07000000": "01000003" + words[8:] + "00000000" + "07000000",
		words + "00000000": words + "00000000",
	} {
		raw, err := hex.DecodeString(value)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, "f")
		if err := os.WriteFile(name, nil, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := unix.Setxattr(name, capabilityXattr, raw, 0); err != nil {
			t.Skip("can not set capabilities: ", err)
		}
		for _, owners := range []*ownership.Tree{{Native: true, Shift: shift}, {Native: true}} {
			wanted := want
			if owners.Shift.IsZero() {
				wanted = value
			}
			err := Tree{Dir: fd, Name: "f", Owners: owners}.Each(func(i *Item) error {
				if len(i.Xattrs) != 1 || hex.EncodeToString(i.Xattrs[0].Value) != wanted {
					t.Errorf("%s became %x, want %s", value, i.Xattrs, wanted)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		os.Remove(name)
	}
}
