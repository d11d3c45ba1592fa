package run

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/dhow-containers/dhow/storage/given"
)

// readEnv reads --env-file and -e, the later stronger. "NAME" alone passes the caller's variable on
// and takes an image's away when the caller has none, as docker does (docker/cli: opts.ReadKVEnvStrings).
//
// Proxies come first, and only those whose name is set nowhere else in either case.
func (o Options) readEnv(w *wishes) error {
	defer func() {
		free := slices.DeleteFunc(slices.Clone(o.Proxies), func(p string) bool {
			name, _, _ := strings.Cut(p, "=")
			return slices.ContainsFunc(w.Env, func(kv string) bool {
				set, _, _ := strings.Cut(kv, "=")
				return strings.EqualFold(set, name)
			})
		})
		w.Env = append(free, w.Env...)
	}()
	for _, file := range o.EnvFiles {
		lines, err := readLines(file, "environment")
		if err != nil {
			return err
		}
		for _, l := range lines {
			if name, _, set := strings.Cut(l, "="); !set {
				if value, ok := os.LookupEnv(name); ok {
					w.Env = append(w.Env, name+"="+value)
				}
				continue
			}
			w.Env = append(w.Env, l)
		}
	}
	for _, kv := range o.Env {
		name, _, set := strings.Cut(kv, "=")
		if name == "" {
			return fmt.Errorf("invalid environment variable: %s", kv)
		}
		if !set {
			if value, ok := os.LookupEnv(name); ok {
				kv = name + "=" + value
			}
		}
		w.Env = append(w.Env, kv)
	}
	return nil
}

// maxListBytes bounds a file of variables or labels.
const maxListBytes = 4 << 20

// readLines reads a file of NAME=value lines in docker's format: no quoting, "#" begins a comment line,
// white space before a name is dropped, none is allowed in it (docker/cli: pkg/kvfile).
func readLines(path, what string) ([]string, error) {
	data, err := given.Read(path, maxListBytes)
	if err != nil {
		return nil, err
	}
	return parseLines(data, path, what)
}

func parseLines(data []byte, path, what string) ([]string, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(data) {
		return nil, fmt.Errorf("%s file %s: invalid utf8 bytes", what, path)
	}
	var lines []string
	s := bufio.NewScanner(bytes.NewReader(data))
	s.Buffer(nil, maxListBytes)
	for s.Scan() {
		line := strings.TrimLeftFunc(s.Text(), unicode.IsSpace)
		if line == "" || line[0] == '#' {
			continue
		}
		name, _, _ := strings.Cut(line, "=")
		if name == "" {
			return nil, fmt.Errorf("%s file %s: no variable name on line '%s'", what, path, line)
		}
		if strings.ContainsFunc(name, unicode.IsSpace) {
			return nil, fmt.Errorf("%s file %s: variable '%s' contains whitespaces", what, path, name)
		}
		if strings.IndexByte(line, 0) >= 0 {
			return nil, fmt.Errorf("%s file %s: variable '%s' contains a zero byte", what, path, name)
		}
		lines = append(lines, line)
	}
	return lines, s.Err()
}
