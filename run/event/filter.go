package event

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Filter says which events are wanted: values of one key are alternatives, but for labels, and all keys
// must hold (moby: daemon/events/filter.go).
type Filter map[string][]string

// keys are the filters, each with what it looks at.
var keys = map[string]func(e Event, value string) bool{
	"container": func(e Event, v string) bool { return e.Type == ContainerType && e.begins(v) },
	"daemon":    func(Event, string) bool { return false }, // there is none
	"event": func(e Event, v string) bool {
		name, _, _ := strings.Cut(e.Action, ":")
		return e.Action == v || name == v
	},
	"image": func(e Event, v string) bool {
		name := e.Attributes["image"]
		if e.Type == ImageType {
			name = e.Attributes["name"]
		}
		return e.Type == ImageType && e.ID == v || name == v || untagged(name) == v
	},
	"label": func(e Event, v string) bool {
		key, want, ok := strings.Cut(v, "=")
		have, there := e.Attributes[key]
		return there && (!ok || have == want)
	},
	"network": func(e Event, v string) bool { return e.Type == NetworkType && e.begins(v) },
	"scope":   func(_ Event, v string) bool { return v == "local" },
	"type":    func(e Event, v string) bool { return e.Type == v },
	"volume":  func(e Event, v string) bool { return e.Type == VolumeType && e.begins(v) },
}

// begins tells whether the object's id or name begins with the text.
func (e Event) begins(text string) bool {
	return strings.HasPrefix(e.ID, text) || strings.HasPrefix(e.Attributes["name"], strings.TrimPrefix(text, "/"))
}

// untagged is an image's name without its tag.
func untagged(name string) string {
	if at := strings.LastIndexByte(name, ':'); at > strings.LastIndexByte(name, '/') {
		return name[:at]
	}
	return name
}

// ParseFilter reads "key=value" values.
func ParseFilter(values []string) (Filter, error) {
	f := Filter{}
	for _, v := range values {
		key, value, ok := strings.Cut(v, "=")
		if !ok {
			return nil, fmt.Errorf("invalid filter %q: want key=value", v)
		}
		if key = strings.ToLower(strings.TrimSpace(key)); keys[key] == nil {
			known := slices.Sorted(maps.Keys(keys))
			return nil, fmt.Errorf("invalid filter %q: events have %s", key, strings.Join(known, ", "))
		}
		f[key] = append(f[key], value)
	}
	return f, nil
}

// Match tells whether an event is wanted.
func (f Filter) Match(e Event) bool {
	for key, values := range f {
		holds := func(v string) bool { return keys[key](e, v) }
		if key == "label" {
			if slices.ContainsFunc(values, func(v string) bool { return !holds(v) }) {
				return false
			}
		} else if !slices.ContainsFunc(values, holds) {
			return false
		}
	}
	return true
}
