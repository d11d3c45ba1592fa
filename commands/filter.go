package commands

import (
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/dhow-containers/dhow/storage"
)

// imageFilter is what --filter of images asks for.
type imageFilter struct {
	dangling      *bool
	labels        []string
	references    []string
	before, since time.Time
	until         time.Time
}

// imageFilters reads --filter values; an unknown key is an error, as in docker.
func imageFilters(values []string, s *storage.Store) (imageFilter, error) {
	var f imageFilter
	for _, v := range values {
		key, value, ok := strings.Cut(v, "=")
		if !ok {
			return f, fmt.Errorf("invalid filter %q: want key=value", v)
		}
		switch key {
		case "dangling":
			b, err := strconv.ParseBool(value)
			if err != nil {
				return f, fmt.Errorf("invalid filter %q: neither true nor false", v)
			}
			f.dangling = &b
		case "label":
			f.labels = append(f.labels, value)
		case "reference":
			if _, err := path.Match(value, ""); err != nil {
				return f, fmt.Errorf("invalid filter %q: %w", v, err)
			}
			f.references = append(f.references, value)
		case "before", "since":
			img, err := s.Lookup(value)
			if err != nil {
				return f, noImage(err, value)
			}
			if key == "before" {
				f.before = img.Created
			} else {
				f.since = img.Created
			}
		case "until":
			t, err := since1970(value)
			if err != nil {
				return f, err
			}
			f.until = t
		default:
			return f, fmt.Errorf("invalid filter %q: images have before, dangling, label, reference, since, until", key)
		}
	}
	return f, nil
}

func (f imageFilter) image(img storage.Image) bool {
	if f.dangling != nil && *f.dangling != (len(img.Names) == 0) {
		return false
	}
	if !hasLabels(img.Config.Config.Labels, f.labels) {
		return false
	}
	return (f.before.IsZero() || img.Created.Before(f.before)) && (f.since.IsZero() || img.Created.After(f.since)) &&
		(f.until.IsZero() || img.Created.Before(f.until))
}

// name reports whether the name is one of those asked for; all of them are when none was.
func (f imageFilter) name(repo, tag string) bool {
	for _, pattern := range f.references {
		if matchReference(pattern, repo, tag) {
			return true
		}
	}
	return len(f.references) == 0
}

// matchReference matches a shell pattern against the short and the full name, with and without the
// tag.
func matchReference(pattern, repo, tag string) bool {
	for _, name := range []string{repo, repo + ":" + tag, familiarToFull(repo), familiarToFull(repo) + ":" + tag} {
		if ok, _ := path.Match(pattern, name); ok {
			return true
		}
	}
	return false
}

func familiarToFull(repo string) string {
	r, err := parseReference(repo)
	if err != nil {
		return repo
	}
	return r.name()
}

// hasLabels reports whether all of wanted ("key" or "key=value") hold.
func hasLabels(labels map[string]string, wanted []string) bool {
	for _, w := range wanted {
		key, value, ok := strings.Cut(w, "=")
		have, there := labels[key]
		if !there || ok && have != value {
			return false
		}
	}
	return true
}
