package plan

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/dhow-containers/dhow/dockerfile"
	"github.com/dhow-containers/dhow/storage/image"
	"github.com/dhow-containers/dhow/storage/reference"
)

// defaultPath is PATH where the base sets none.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// imagePrefix marks a named context that is an image.
const imagePrefix = "docker-image://"

// maxLookups is how many images are asked for at once.
const maxLookups = 4

func parseRef(s string) (reference.Name, error) { return reference.Parse(s) }

// resolveBases finds the images under all stages target needs. Triggers of ONBUILD can need more
// stages, so it goes on until nothing new turns up.
func (m *maker) resolveBases(ctx context.Context, target *stage) ([]*stage, error) {
	for {
		needed := m.reachable(target)
		if err := m.resolveAll(ctx, needed); err != nil {
			return nil, err
		}
		more := false
		for _, s := range needed {
			added, err := m.addTriggers(s)
			if err != nil {
				return nil, m.file.Wrap(s.span, err)
			}
			more = more || added
		}
		if !more {
			return needed, nil
		}
	}
}

// resolveAll looks up the images of all given stages at once, then gives each stage its base in
// order, so that nothing depends on which answer came first.
func (m *maker) resolveAll(ctx context.Context, needed []*stage) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	refs := make([]string, len(needed))
	var wait sync.WaitGroup
	slots := make(chan struct{}, maxLookups)
	for i, s := range needed {
		if s.resolved || s.base != nil && s.override == "" {
			continue
		}
		if err := m.file.Wrap(s.span, s.platform.check()); err != nil {
			return err
		}
		ref, err := m.imageRef(s)
		if err != nil {
			return m.file.Wrap(s.span, err)
		}
		refs[i] = ref
		if ref == "" {
			continue
		}
		look := m.lookups.of(ref)
		wait.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if look.run(ctx, m, ref) != nil {
				cancel()
			}
		})
	}
	wait.Wait()
	if err := m.firstFailure(needed, refs); err != nil {
		return err
	}
	for i, s := range needed {
		if s.resolved || s.base != nil && s.override == "" {
			continue
		}
		s.resolved = true
		if err := m.setBase(s, refs[i]); err != nil {
			return m.file.Wrap(s.span, err)
		}
	}
	return nil
}

// firstFailure is the first failed look-up in order of stages, preferring causes to what they
// cancelled.
func (m *maker) firstFailure(needed []*stage, refs []string) error {
	var cancelled error
	for i, s := range needed {
		if refs[i] == "" {
			continue
		}
		err := m.lookups.of(refs[i]).err
		if err == nil {
			continue
		}
		if hint := dockerfile.Suggest(strings.ToLower(s.written), m.stageNames()); hint != "" {
			err = fmt.Errorf("%w (did you mean the stage %s?)", err, hint)
		}
		err = m.file.Wrap(s.span, err)
		if !errors.Is(err, context.Canceled) {
			return err
		}
		if cancelled == nil {
			cancelled = err
		}
	}
	return cancelled
}

// imageRef is the image a stage stands on, "" when it is scratch or a directory.
func (m *maker) imageRef(s *stage) (string, error) {
	key, named := s.override, s.override != ""
	if !named {
		if s.baseName == scratch {
			return "", nil
		}
		n, err := parseRef(s.baseName)
		if err != nil {
			return "", err
		}
		s.written, s.baseName = s.baseName, n.String()
		if key, named = m.contextFor(s.baseName); !named {
			return s.baseName, nil
		}
	}
	value := m.contexts[key]
	ref, isImage := strings.CutPrefix(value, imagePrefix)
	if !isImage {
		s.context = &key
		return "", nil
	}
	if ref == scratch {
		s.baseName = scratch
		return "", nil
	}
	n, err := parseRef(ref)
	if err != nil {
		return "", fmt.Errorf("context %s: %w", key, err)
	}
	return n.String(), nil
}

// setBase gives a stage the state it begins with.
func (m *maker) setBase(s *stage, ref string) error {
	s.dir = "/"
	if ref == "" {
		s.image = image.Config{OS: s.platform.OS, Architecture: s.platform.Architecture, Variant: s.platform.Variant}
		s.image.Config.WorkingDir = "/"
		s.imageEnv = varsOf([]string{"PATH=" + defaultPath})
		s.env = s.imageEnv.clone()
		return nil
	}
	b := m.lookups.of(ref).base
	s.image = b.Config.Clone()
	s.image.Created = nil
	s.image.RootFS.DiffIDs = nil
	s.imageEnv = varsOf(s.image.Config.Env)
	if err := m.spend(2*len(s.imageEnv.keys) + len(s.image.History)); err != nil {
		return err
	}
	if _, ok := s.imageEnv.Get("PATH"); !ok {
		s.imageEnv.set("PATH", defaultPath)
	}
	s.env = s.imageEnv.clone()
	for _, h := range s.image.History {
		s.push(h)
	}
	s.image.History = nil
	if s.image.Config.WorkingDir != "" {
		s.image.Config.WorkingDir = absolute("/", s.image.Config.WorkingDir)
		s.dir = s.image.Config.WorkingDir
	}
	actual := Platform{b.Config.OS, b.Config.Architecture, b.Config.Variant}.normal()
	if actual.OS != "" && (actual.OS != s.platform.OS || actual.Architecture != s.platform.Architecture) {
		m.checks.At(s.text.Head).BasePlatform(s.span, s.text.Base, s.platform.String(), actual.String())
	}
	m.baseStep(s, b)
	return nil
}

// baseStep makes the node of an image, or finds it when another stage stands on the same one. An
// image without layers is an empty filesystem and needs no node.
func (m *maker) baseStep(s *stage, b Base) {
	full := b.Ref
	if b.Digest != "" && !strings.Contains(full, "@") {
		full += "@" + b.Digest.String()
	}
	name := "FROM " + full
	switch {
	case s.override != "":
		name = "[context " + s.override + "] " + full
	default:
		if key, ok := m.contextFor(s.baseName); ok {
			name = "[context " + key + "] " + full
		} else {
			name = s.title(name, false)
		}
	}
	if len(b.Config.RootFS.DiffIDs) == 0 {
		return
	}
	n := m.bases[full]
	if n == nil {
		n = &Node{Name: name, Span: s.span, Stage: s.shown(), Op: &BaseOp{Ref: b.Ref, Digest: b.Digest, ID: b.ID,
			DiffIDs: b.Config.RootFS.DiffIDs, Platform: s.platform}}
		m.bases[full] = n
		m.nodes = append(m.nodes, n)
	}
	s.node, s.baseNode = n, n
}

// materialise turns a stage whose filesystem is a named context into one with a node, for those
// that need layers: stages based on it, and the target.
func (m *maker) materialise(s *stage) error {
	if s.context == nil || s.node != nil {
		return nil
	}
	name := *s.context
	n := &Node{Name: "[context " + name + "] FROM " + name, Span: s.span,
		Op: &CopyOp{From: Origin{Kind: FromContext, Context: name}, Items: []CopyItem{{Pattern: "/", Required: true}}, Dest: "/"}}
	n.History = s.remember(m, "FROM "+name+" # buildkit", true)
	m.step(s, n)
	return nil
}
