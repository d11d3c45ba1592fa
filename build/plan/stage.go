package plan

import (
	"fmt"
	"math"
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
