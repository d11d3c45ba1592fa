package spec

import (
	"encoding/csv"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// ParseMount reads a --mount argument, "type=bind,src=/a,dst=/b,ro" (docker/cli: opts/mount.go).
// Relative bind sources are taken from dir. A bind source must exist.
func ParseMount(arg, dir string) (Mount, error) {
	bad := func(format string, a ...any) (Mount, error) {
		return Mount{}, fmt.Errorf("invalid argument %q for \"--mount\" flag: "+format, append([]any{arg}, a...)...)
	}
	fields, err := csv.NewReader(strings.NewReader(arg)).Read()
	if err != nil {
		return bad("%w", err)
	}
	m := mountFlag{Mount: Mount{Type: "volume"}}
	var only []string // what was said that one type alone knows
	for _, field := range fields {
		key, value, hasValue := strings.Cut(field, "=")
		key = strings.ToLower(strings.TrimSpace(key))
		if !hasValue {
			switch key {
			case "ro", "readonly", "rw", "readwrite", "volume-nocopy", "bind-nonrecursive":
				value = "true"
			default:
				return bad("invalid field '%s' must be a key=value pair", field)
			}
		}
		if err := m.setField(key, value, &only); err != nil {
			return bad("%w", err)
		}
	}
	if m.Target == "" {
		return bad("target is required")
	}
	if err := checkTarget(m.Target); err != nil {
		return bad("%w", err)
	}
	for _, key := range only {
		if kind, _, _ := strings.Cut(key, "-"); kind != m.Type {
			return bad("cannot mix '%s' with mount type '%s'", key, m.Type)
		}
	}
	switch m.Type {
	case "bind":
		if m.Source == "" {
			return bad("source is required")
		}
		if !filepath.IsAbs(m.Source) {
			m.Source = filepath.Join(dir, m.Source)
		}
		m.Source = filepath.Clean(m.Source)
	case "tmpfs":
		if m.Source != "" {
			return bad("source can not be set for type tmpfs")
		}
	case "volume":
		m.Anonymous = m.Source == ""
		if m.Source != "" {
			if err := CheckVolumeName(m.Source); err != nil {
				return bad("%w", err)
			}
		}
	case "image":
		if m.Source == "" {
			return bad("source is required")
		}
		if m.writable {
			return bad("an image is mounted read-only")
		}
		m.ReadOnly = true
	case "cluster", "npipe":
		return bad("mount type %s is not supported", m.Type)
	default:
		return bad("mount type unknown: %q", m.Type)
	}
	return m.Mount, nil
}

// mountFlag is a Mount while it is read.
type mountFlag struct {
	Mount
	writable bool // it was said so
}

func (m *mountFlag) setField(key, value string, only *[]string) error {
	if strings.HasPrefix(key, "bind-") || strings.HasPrefix(key, "volume-") || strings.HasPrefix(key, "image-") || strings.HasPrefix(key, "tmpfs-") {
		*only = append(*only, key)
	}
	boolean := func() (bool, error) {
		b, err := strconv.ParseBool(value)
		if err != nil {
			return false, fmt.Errorf("invalid value for %s: %s", key, value)
		}
		return b, nil
	}
	var err error
	switch key {
	case "type":
		m.Type = strings.ToLower(value)
	case "source", "src":
		m.Source = value
	case "target", "dst", "destination":
		m.Target = value
	case "readonly", "ro":
		m.ReadOnly, err = boolean()
		m.writable = !m.ReadOnly
	case "readwrite", "rw":
		m.writable, err = boolean()
		m.ReadOnly = !m.writable
	case "consistency":
		// For docker's virtual machines; docker on Linux ignores it too.
	case "bind-propagation":
		if !isPropagation(value) {
			return fmt.Errorf("invalid propagation: %s", value)
		}
		m.Options = append(m.Options, value)
	case "bind-nonrecursive":
		m.NonRecursive, err = boolean()
	case "bind-recursive":
		switch value {
		case "enabled", "readonly":
		case "disabled":
			m.NonRecursive = true
		default:
			return fmt.Errorf("invalid value for bind-recursive: %s", value)
		}
	case "bind-create-src":
		m.CreateSource, err = boolean()
	case "volume-nocopy":
		m.NoCopy, err = boolean()
	case "volume-subpath", "image-subpath":
		if filepath.IsAbs(value) || strings.IndexByte(value, 0) >= 0 {
			return fmt.Errorf("%s must be a relative path", key)
		}
		if slices.Contains(strings.Split(value, "/"), "..") {
			return fmt.Errorf("%s must not lead out of it: %s", key, value)
		}
		if m.Subpath = filepath.Clean(value); value == "" || m.Subpath == "." {
			m.Subpath = ""
		}
	case "volume-label":
		set(&m.Labels, value)
	case "volume-opt":
		set(&m.VolumeOptions, value)
	case "volume-driver":
		if value != "local" && value != "" {
			return fmt.Errorf("volume driver %q is not supported, only local is", value)
		}
	case "tmpfs-size":
		n, err := ParseBytes(value)
		if err != nil {
			return fmt.Errorf("invalid value for tmpfs-size: %s", value)
		}
		m.Options = append(m.Options, "size="+strconv.FormatInt(n, 10))
	case "tmpfs-mode":
		n, err := strconv.ParseUint(value, 8, 32)
		if err != nil || n > 0o7777 {
			return fmt.Errorf("invalid value for tmpfs-mode: %s", value)
		}
		m.Options = append(m.Options, fmt.Sprintf("mode=%o", n))
	default:
		return fmt.Errorf("unexpected key '%s'", key)
	}
	return err
}

func set(m *map[string]string, kv string) {
	if *m == nil {
		*m = map[string]string{}
	}
	k, v, _ := strings.Cut(kv, "=")
	(*m)[k] = v
}

// ParseBytes reads a size as docker's flags take it (docker/go-units.RAMInBytes): "64m", "1.5g",
// "1024", with powers of 1024.
func ParseBytes(s string) (int64, error) {
	text := strings.ToLower(strings.TrimSpace(s))
	text = strings.TrimSuffix(strings.TrimSuffix(text, "b"), "i")
	shift := 0
	if n := len(text); n > 0 {
		if i := strings.IndexByte("kmgtp", text[n-1]); i >= 0 {
			shift, text = 10*(i+1), text[:n-1]
		}
	}
	f, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	size := f * float64(int64(1)<<shift)
	if err != nil || !(size >= 0 && size < 1<<63) {
		return 0, fmt.Errorf("invalid size: '%s'", s)
	}
	return int64(size), nil
}
