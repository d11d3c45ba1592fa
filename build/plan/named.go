package plan

import (
	"fmt"
	"strings"

	"github.com/dhow-containers/dhow/storage/reference"
)

// contextNames normalises the names of --build-context as BuildKit does: a context may stand for
// an image by any of its spellings.
func contextNames(given map[string]string) (map[string]string, error) {
	out := map[string]string{}
	for name, value := range given {
		key, err := ContextName(name)
		if err != nil {
			return nil, err
		}
		out[key] = value
	}
	return out, nil
}

// ContextName normalises the name of a --build-context: "docker.io/library/alpine:latest" and
// "alpine" are the same.
func ContextName(name string) (string, error) {
	n, err := reference.Parse(name)
	if err != nil {
		return "", fmt.Errorf("invalid context name %q: %w", name, err)
	}
	return strings.TrimSuffix(n.Familiar(), ":latest"), nil
}

// contextFor finds the named context that stands for a stage or image.
func (m *maker) contextFor(name string) (string, bool) {
	if len(m.contexts) == 0 || strings.EqualFold(name, scratch) || strings.EqualFold(name, "context") {
		return "", false
	}
	key, err := ContextName(name)
	if err != nil {
		return "", false
	}
	_, ok := m.contexts[key]
	return key, ok
}
