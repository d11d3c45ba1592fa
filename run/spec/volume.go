package spec

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// ParseVolume reads a -v argument: "[SOURCE:]TARGET[:OPTIONS]" (moby: volume/mounts, linuxParser). A
// source with a slash in front, or beginning with "./", "../" or "~", is a host path, relative to
// dir; another one is a volume's name. A missing host path is made a directory, as docker does.
func ParseVolume(arg, dir string) (Mount, error) {
	bad := func(format string, a ...any) (Mount, error) {
		return Mount{}, fmt.Errorf("invalid volume specification: '%s'"+format, append([]any{arg}, a...)...)
	}
	if strings.IndexByte(arg, 0) >= 0 {
		return bad("")
	}
	parts := strings.Split(arg, ":")
	if len(parts) > 3 || slices.Contains(parts, "") {
		return bad("")
	}
	m := Mount{Type: "volume", Target: parts[len(parts)-1]}
	switch len(parts) {
	case 2:
		if _, ok := volumeModes(parts[1]); ok && !filepath.IsAbs(parts[1]) {
			return bad("") // docker: an anonymous volume takes no mode
		}
		m.Source = parts[0]
	case 3:
		m.Source, m.Target = parts[0], parts[1]
		m.Mode = parts[2]
		modes, ok := volumeModes(parts[2])
		if !ok {
			return bad(": invalid mode: %s", parts[2])
		}
		if err := m.applyModes(modes); err != nil {
			return bad(": %w", err)
		}
	}
	if err := checkTarget(m.Target); err != nil {
		return bad(": %w", err)
	}
	if m.Source == "" {
		m.Anonymous = true
		return m, nil
	}
	if filepath.IsAbs(m.Source) || m.Source == "." || m.Source == ".." || strings.HasPrefix(m.Source, "./") || strings.HasPrefix(m.Source, "../") {
		m.Type, m.CreateSource = "bind", true
		if !filepath.IsAbs(m.Source) {
			m.Source = filepath.Join(dir, m.Source)
		}
		m.Source = filepath.Clean(m.Source)
		if m.NoCopy {
			return bad(": invalid mode: nocopy is for volumes")
		}
		return m, nil
	}
	if err := CheckVolumeName(m.Source); err != nil {
		return Mount{}, err
	}
	if slices.ContainsFunc(m.Options, isPropagation) {
		return bad(": invalid mode: %s", parts[2])
	}
	return m, nil
}

// CheckVolumeName reports a name docker would not take either (moby: names.RestrictedNamePattern).
func CheckVolumeName(name string) error {
	if len(name) > 1 && len(name) < 256 && alphanumeric(name[0]) && strings.IndexFunc(name, badInName) < 0 {
		return nil
	}
	return fmt.Errorf("%q includes invalid characters for a local volume name, only %q are allowed. If you intended to pass a host directory, use absolute path", name, "[a-zA-Z0-9][a-zA-Z0-9_.-]")
}

func alphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func badInName(r rune) bool {
	return r >= 0x80 || !alphanumeric(byte(r)) && r != '_' && r != '.' && r != '-'
}

var knownModes = []string{
	"ro", "rw", "z", "Z", "U", "O", "nocopy", "cached", "delegated", "consistent",
	"private", "rprivate", "shared", "rshared", "slave", "rslave",
}

func volumeModes(s string) ([]string, bool) {
	modes := strings.Split(s, ",")
	for _, m := range modes {
		if !slices.Contains(knownModes, m) {
			return nil, false
		}
	}
	return modes, true
}

func (m *Mount) applyModes(modes []string) error {
	for i, o := range modes {
		if slices.Contains(modes[:i], o) {
			return fmt.Errorf("invalid mode: %s", strings.Join(modes, ","))
		}
		switch {
		case o == "ro":
			m.ReadOnly = true
		case o == "rw" && slices.Contains(modes, "ro"):
			return fmt.Errorf("invalid mode: %s", strings.Join(modes, ","))
		case o == "nocopy":
			m.NoCopy = true
		case o == "U":
			m.Chown = true
		case o == "O":
			m.Overlay = true
		case isPropagation(o):
			m.Options = append(m.Options, o)
			// z and Z relabel for SELinux and are the caller's matter; cached, delegated and consistent are for docker's virtual machines: docker on Linux ignores them too.
		}
	}
	return nil
}

// ParseTmpfs reads a --tmpfs argument: "TARGET[:OPTIONS]".
func ParseTmpfs(arg string) (Mount, error) {
	target, opts, _ := strings.Cut(arg, ":")
	m := Mount{Type: "tmpfs", Target: target}
	if err := checkTarget(target); err != nil {
		return Mount{}, fmt.Errorf("invalid tmpfs specification '%s': %w", arg, err)
	}
	if opts != "" {
		m.Options = strings.Split(opts, ",")
	}
	return m, nil
}
