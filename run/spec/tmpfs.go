package spec

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dhow-containers/dhow/rootless/idmap"
)

// counterparts are the flags of which the later one counts.
var counterparts = map[string]string{
	"exec": "noexec", "noexec": "exec", "suid": "nosuid", "nosuid": "suid", "dev": "nodev", "nodev": "dev",
	"rw": "ro", "ro": "rw", "atime": "noatime", "noatime": "atime", "sync": "async", "async": "sync",
	"diratime": "nodiratime", "nodiratime": "diratime", "relatime": "norelatime", "norelatime": "relatime",
	"strictatime": "nostrictatime", "nostrictatime": "strictatime", "mand": "nomand", "nomand": "mand",
}

var tmpfsValues = []string{"size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol"}

// tmpfsOptions are docker's defaults with the person's options over them (moby:
// volume/mounts, MergeTmpfsOptions).
func tmpfsOptions(m Mount, mapping idmap.Mapping) ([]string, error) {
	opts := []string{"noexec", "nosuid", "nodev"}
	for _, o := range m.Options {
		key, value, hasValue := strings.Cut(o, "=")
		switch {
		case hasValue && slices.Contains(tmpfsValues, key):
			if !tmpfsValue(key, value) {
				return nil, fmt.Errorf("invalid tmpfs option %q", o)
			}
			if (key == "uid" || key == "gid") && !idMapped(mapping, key, value) {
				return nil, fmt.Errorf("tmpfs at %s: %s does not exist in this user namespace", m.Target, o)
			}
			opts = slices.DeleteFunc(opts, func(have string) bool { return strings.HasPrefix(have, key+"=") })
		case !hasValue && (counterparts[o] != "" || isPropagation(o)):
			opts = slices.DeleteFunc(opts, func(have string) bool { return have == counterparts[o] || have == o })
		default:
			return nil, fmt.Errorf("invalid tmpfs option %q", o)
		}
		opts = append(opts, o)
	}
	if mapping.Kind == idmap.Root {
		opts = slices.DeleteFunc(opts, func(have string) bool { return have == "dev" })
		if !slices.Contains(opts, "nodev") {
			opts = append(opts, "nodev")
		}
	}
	if m.ReadOnly {
		opts = append(slices.DeleteFunc(opts, func(have string) bool { return have == "rw" }), "ro")
	}
	if !slices.ContainsFunc(opts, isPropagation) {
		opts = append(opts, "rprivate")
	}
	return opts, nil
}

// tmpfsValue reports what tmpfs(5) takes as the value of an option.
func tmpfsValue(key, value string) bool {
	switch key {
	case "mode":
		n, err := strconv.ParseUint(value, 8, 32)
		return err == nil && n <= 0o7777
	case "size":
		value = strings.TrimSuffix(value, "%")
		fallthrough
	case "nr_inodes", "nr_blocks":
		_, err := strconv.ParseUint(strings.TrimRight(strings.ToLower(value), "kmg"), 10, 63)
		return err == nil
	}
	return true
}

func idMapped(m idmap.Mapping, key, value string) bool {
	n, err := strconv.ParseUint(value, 10, 32)
	if err != nil {
		return false
	}
	if key == "uid" {
		_, ok := m.HostUID(uint32(n))
		return ok
	}
	_, ok := m.HostGID(uint32(n))
	return ok
}

func isPropagation(o string) bool {
	switch o {
	case "private", "rprivate", "shared", "rshared", "slave", "rslave":
		return true
	}
	return false
}
