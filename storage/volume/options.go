package volume

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// AnonymousLabel marks volumes that got a name of digits (moby: volume/service, AnonymousLabel).
const AnonymousLabel = "com.docker.volume.anonymous"

// Backing is what stands behind a volume that was made with options of the local driver.
type Backing struct {
	Type      string   // "bind" or "tmpfs"
	Device    string   // bind: an absolute path of the host
	Recursive bool     // bind: with what is mounted below it
	Options   []string // mount(8)'s, "ro", "size=64m", "uid=1000"
}

// Backing gives what is mounted in the place of the volume's own directory; ok is false for a volume
// without options, which is its directory.
func (v Volume) Backing() (b Backing, ok bool) {
	if len(v.Options) == 0 {
		return Backing{}, false
	}
	b, err := backing(v.Options)
	return b, err == nil
}

// checkOptions refuses what a user can not mount. The rules about missing options are docker's
// (moby: volume/local, validateOpts).
func checkOptions(options map[string]string) error {
	if len(options) == 0 {
		return nil
	}
	_, err := backing(options)
	return err
}

func backing(options map[string]string) (Backing, error) {
	for key := range options {
		switch key {
		case "type", "device", "o":
		case "size":
			return Backing{}, errors.New("quota size requested but no quota support")
		default:
			return Backing{}, fmt.Errorf("invalid option: %q", key)
		}
	}
	kind, device := options["type"], options["device"]
	for _, need := range []string{"type", "device"} {
		if _, ok := options[need]; !ok {
			return Backing{}, fmt.Errorf("missing required option: %q", need)
		}
	}
	var b Backing
	bind := false
	for o := range strings.SplitSeq(options["o"], ",") {
		switch o {
		case "":
		case "bind":
			bind = true
		case "rbind":
			bind, b.Recursive = true, true
		default:
			b.Options = append(b.Options, o)
		}
	}
	switch {
	case bind:
		if !filepath.IsAbs(device) || strings.IndexByte(device, 0) >= 0 {
			return Backing{}, fmt.Errorf("the device %q of a bind is not an absolute path", device)
		}
		if i := slices.IndexFunc(b.Options, func(o string) bool { return !slices.Contains(bindOptions, o) }); i >= 0 {
			return Backing{}, fmt.Errorf("option %q is none of a bind", b.Options[i])
		}
		b.Type, b.Device = "bind", filepath.Clean(device)
	case kind == "tmpfs":
		b.Type = "tmpfs"
	default:
		return Backing{}, fmt.Errorf("a filesystem of type %q can not be mounted by a user: binds (type=none, o=bind) and tmpfs can", kind)
	}
	return b, nil
}

var bindOptions = []string{
	"ro", "rw", "exec", "noexec", "suid", "nosuid", "dev", "nodev", "noatime", "nodiratime", "relatime", "strictatime",
	"private", "rprivate", "slave", "rslave",
}
