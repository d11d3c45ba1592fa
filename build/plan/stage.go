package plan

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/dhow-containers/dhow/dockerfile"
	"github.com/dhow-containers/dhow/storage/image"
)

const scratch = "scratch"

// stage is a stage while it is planned, or an image that COPY --from or a mount names, which is
// treated as a stage without instructions.
type stage struct {
	index    int // in the Dockerfile; -1 for an image
	text     dockerfile.Stage
	span     dockerfile.Span
	name     string // as progress prints it; "" for the only stage
	baseName string // expanded, and normalised once it is known to be an image
	written  string // expanded, as the Dockerfile has it
	base     *stage // nil when it begins with an image, a context or nothing
	platform Platform
	override string // the named context that replaces this whole stage
	commands []command
	deps     []*stage // what COPY and mounts read

	total, count int // steps, and those named so far
	resolved     bool
	triggered    bool // the triggers of base have been taken over
	done         bool // dispatched; others may read it

	// The state an instruction changes and the next one sees.
	image                                    image.Config // without Env and History, which are kept apart
	imageEnv                                 *vars        // ENV alone
	env                                      *vars        // ENV and ARG
	dir                                      string
	args                                     []dockerfile.ArgDef // ARGs so far, for the history of RUN
	history                                  *history
	node                                     *Node
	baseNode                                 *Node
	context                                  *string // its filesystem is this named context
	workdirSet                               bool
	lastCmd, lastEntrypoint, lastHealthcheck dockerfile.Span
}

// command is an instruction with the stages it reads.
type command struct {
	in      dockerfile.Instruction
	sources []*stage // for COPY the one of --from, for RUN one per mount; nil entries for none
	onbuild bool
}

// history is a list that stages based on each other share: entry by entry, last first.
type history struct {
	entry image.History
	prev  *history
	n     int
}

// readStages expands the FROM lines and finds which stage stands on which.
func (m *maker) readStages() error {
	for i, text := range m.file.Stages {
		s := &stage{index: i, text: text, span: text.Head.Span, name: text.Name, platform: m.platform}
		checks := m.checks.At(text.Head)
		base, used, err := m.words.Expand(text.Base, m.globals)
		m.undeclared(checks, s.span, used)
		if err == nil && base == "" {
			err = fmt.Errorf("base name (%s) should not be blank", text.Base)
		}
		if err != nil {
			return m.file.Wrap(s.span, err)
		}
		s.baseName = base
		if text.Platform != "" {
			if err := m.stagePlatform(s, checks); err != nil {
				return m.file.Wrap(s.span, err)
			}
		}
		if s.name == "" {
			s.name = fmt.Sprintf("stage-%d", i)
		}
		m.addStage(s)
		for _, in := range text.Instructions {
			s.commands = append(s.commands, command{in: in})
			switch in.(type) {
			case *dockerfile.Add, *dockerfile.Copy, *dockerfile.Run, *dockerfile.Workdir:
				s.total++
			}
		}
		if s.base == nil && s.baseName != scratch {
			s.total++
		}
	}
	return nil
}

// addStage registers s under its name and finds the stage it stands on among the earlier ones.
func (m *maker) addStage(s *stage) {
	m.stages = append(m.stages, s)
	if s.text.Name != "" {
		if key, ok := m.contextFor(s.text.Name); ok {
			s.override = key
		}
	}
	if s.override == "" {
		s.base = m.byName[s.baseName]
	}
	if s.text.Name != "" {
		m.byName[strings.ToLower(s.text.Name)] = s
	}
}

func (m *maker) undeclared(checks *dockerfile.Checks, at dockerfile.Span, used dockerfile.Used) {
	for _, name := range used.Missing {
		if !m.declared[name] {
			checks.UndefinedArgInFrom(at, name, m.globals.Keys())
		}
	}
}

// stagePlatform reads --platform of a FROM line. Another platform than this machine's is refused
// only when the stage turns out to be needed.
func (m *maker) stagePlatform(s *stage, checks *dockerfile.Checks) error {
	text, used, err := m.words.Expand(s.text.Platform, m.globals)
	m.undeclared(checks, s.span, used)
	if err != nil {
		return fmt.Errorf("platform %s: %w", s.text.Platform, err)
	}
	if text == "" {
		return fmt.Errorf("empty platform value from expression %s", s.text.Platform)
	}
	p, err := ParsePlatform(text)
	if err != nil {
		return err
	}
	target, _ := m.globals.Get("TARGETPLATFORM")
	if len(used.Missing) == 0 && slices.Equal(used.Found, []string{"TARGETPLATFORM"}) && text == target {
		checks.RedundantTargetPlatform(s.span, s.text.Platform)
	}
	if len(used.Found)+len(used.Missing) == 0 && !strings.Contains(s.text.Name, p.OS) && !strings.Contains(s.text.Name, p.Architecture) {
		checks.PlatformConst(s.span, text)
	}
	s.platform = p
	return nil
}

// linkStages finds what COPY --from and the mounts of every stage read.
func (m *maker) linkStages() error {
	for _, s := range m.ownStages() {
		for i := range s.commands {
			if err := m.linkCommand(s, &s.commands[i]); err != nil {
				return m.file.Wrap(s.commands[i].in.Head().Span, err)
			}
		}
	}
	if len(m.stages) == 1 {
		m.stages[0].name = ""
	}
	return nil
}

func (m *maker) linkCommand(s *stage, c *command) error {
	switch in := c.in.(type) {
	case *dockerfile.Copy:
		if in.From == "" {
			return nil
		}
		expanded, _, err := m.words.Expand(in.From, newVars())
		if err != nil {
			return err
		}
		if expanded != in.From {
			return fmt.Errorf("variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround")
		}
		src, err := m.source(in.From, in.Head().Span)
		if err != nil {
			return err
		}
		c.sources = []*stage{src}
		s.deps = append(s.deps, src)
	case *dockerfile.Run:
		for _, from := range in.Froms() {
			if from == "" {
				// BuildKit counts the empty source as a stage of its own, which shows in the names.
				from = scratch
			}
			src, ok := m.byName[strings.ToLower(from)]
			if !ok {
				src = m.imageStage(from, in.Head().Span)
			}
			c.sources = append(c.sources, src)
			s.deps = append(s.deps, src)
		}
	}
	return nil
}

// source finds a stage by number or name, or makes one of the image that name means.
func (m *maker) source(from string, at dockerfile.Span) (*stage, error) {
	if i, err := strconv.Atoi(from); err == nil {
		if i < 0 || i >= len(m.ownStages()) {
			return nil, fmt.Errorf("invalid stage index %d: the Dockerfile has the stages 0 to %d", i, len(m.ownStages())-1)
		}
		return m.stages[i], nil
	}
	if s, ok := m.byName[strings.ToLower(from)]; ok {
		return s, nil
	}
	return m.imageStage(from, at), nil
}

func (m *maker) imageStage(name string, at dockerfile.Span) *stage {
	s := &stage{index: -1, baseName: name, span: at, platform: m.platform}
	m.addStage(s)
	return s
}

// reachable lists what target needs, in the order of m.stages.
func (m *maker) reachable(target *stage) []*stage {
	seen := map[*stage]bool{}
	todo := []*stage{target}
	if m.opts.AllStages {
		todo = append(todo, m.ownStages()...)
	}
	for len(todo) > 0 {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if s == nil || seen[s] {
			continue
		}
		seen[s] = true
		if s.override == "" { // a replaced stage needs nothing of what it says
			todo = append(append(todo, s.base), s.deps...)
		}
	}
	var out []*stage
	for _, s := range m.stages {
		if seen[s] {
			out = append(out, s)
		}
	}
	return out
}

// begin takes over the state of the stage below, which is dispatched.
func (s *stage) begin(m *maker) error {
	if s.base == nil {
		return nil
	}
	b := s.base
	c := b.image.Config
	if err := m.spend(len(b.imageEnv.keys) + len(b.env.keys) + len(c.Labels) + len(c.ExposedPorts) + len(c.Volumes) + len(b.args) + 1); err != nil {
		return err
	}
	s.image, s.imageEnv, s.env = b.image.Clone(), b.imageEnv.clone(), b.env.clone()
	s.image.Config.OnBuild = nil
	s.platform, s.dir, s.history, s.node, s.baseNode = b.platform, b.dir, b.history, b.node, b.baseNode
	s.workdirSet = b.workdirSet
	s.args = append(s.args, b.args...)
	return nil
}

// shown is the name of the stage for people.
func (s *stage) shown() string {
	switch {
	case s.name != "":
		return s.name
	case s.text.Name != "":
		return s.text.Name
	case s.index >= 0:
		return fmt.Sprintf("stage-%d", s.index)
	}
	return s.baseName
}

// title is BuildKit's "[stage 2/5] text" of the stage's next step, on one line and without what
// could drive a terminal.
func (s *stage) title(text string, onbuild bool) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case r < 0x20 || r >= 0x7f && r < 0xa0:
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	if s.total == 0 {
		return text
	}
	s.count++
	width := int(1 + math.Log10(float64(s.total)))
	out := fmt.Sprintf("%*d/%d] ", width, s.count, s.total)
	if s.name != "" {
		out = s.name + " " + out
	}
	if onbuild {
		out += "ONBUILD "
	}
	return "[" + out + text
}

// finished is the configuration of the image the stage would make, layers left out.
func (s *stage) finished(m *maker) image.Config {
	img := s.image.Clone()
	img.Created = nil
	img.RootFS = image.RootFS{Type: "layers"}
	img.Config.Env = s.imageEnv.list()
	if img.OS == "" {
		img.OS = s.platform.OS
	}
	if img.Architecture == "" {
		img.Architecture, img.Variant = s.platform.Architecture, s.platform.Variant
	}
	if s.history != nil {
		img.History = make([]image.History, s.history.n)
		for h := s.history; h != nil; h = h.prev {
			img.History[h.n-1] = h.entry
		}
	}
	return img
}

// remember adds an entry to the history and returns it.
func (s *stage) remember(m *maker, createdBy string, layer bool) image.History {
	h := image.History{CreatedBy: createdBy, Comment: "buildkit.dockerfile.v0", EmptyLayer: !layer, Created: m.epoch}
	s.push(h)
	return h
}

func (s *stage) push(h image.History) {
	n := 1
	if s.history != nil {
		n = s.history.n + 1
	}
	s.history = &history{h, s.history, n}
}

// step makes the next node on top of the stage.
func (m *maker) step(s *stage, n *Node) {
	n.Parent, n.Stage, n.NoCache = s.node, s.shown(), m.opts.NoCache
	m.nodes = append(m.nodes, n)
	s.node = n
}
