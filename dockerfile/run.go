package dockerfile

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// PipesDir is where the script of a RUN heredoc with a shebang is mounted, read-only.
const PipesDir = "/dev/pipes/"

// Run is RUN. A heredoc is already worked in: its text is the command, or, when it begins with
// "#!", Script is a file to be mounted in PipesDir with mode 0755 and Args names it.
type Run struct {
	head
	CommandLine
	Script   *Inline
	Title    string   // Code, and the first line of a heredoc in brackets
	Network  string   // default, none or host
	Security string   // sandbox or insecure
	Flags    []string // names of the flags used: "mount", "device"

	mu  sync.Mutex
	raw *instructions.RunCommand
}

// Mount is one --mount of a RUN, validated, its values expanded.
type Mount struct {
	Type           string // bind, cache, secret, tmpfs or ssh
	From           string // stage, image or context; "" is the main context (bind) or nothing
	Source, Target string
	ReadOnly       bool
	Required       bool
	SizeBytes      int64 // tmpfs; 0 is no limit
	ID             string
	Sharing        string // cache: "", shared, private or locked
	Env            *string
	Mode           *uint64
	UID, GID       *uint64
}

// Froms lists the From of each mount, before expansion: it may not hold variables.
func (r *Run) Froms() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, m := range instructions.GetMounts(r.raw) {
		out = append(out, m.From)
	}
	return out
}

// Mounts gives the mounts with every value passed through expand. It may be called again with
// another expand.
func (r *Run) Mounts(expand func(string) (string, error)) ([]Mount, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := len(instructions.GetMounts(r.raw))
	if before == 0 {
		return nil, nil
	}
	if err := r.raw.Expand(expand); err != nil {
		return nil, plain(err)
	}
	var out []Mount
	for _, m := range instructions.GetMounts(r.raw) {
		out = append(out, Mount{Type: string(m.Type), From: m.From, Source: m.Source, Target: m.Target,
			ReadOnly: m.ReadOnly, Required: m.Required, SizeBytes: m.SizeLimit, ID: m.CacheID,
			Sharing: string(m.CacheSharing), Env: m.Env, Mode: m.Mode, UID: m.UID, GID: m.GID})
	}
	return out, nil
}

func convertRun(c *instructions.RunCommand) (*Run, error) {
	r := &Run{head: headOf(c), raw: c, Title: c.String(), Network: instructions.GetNetwork(c),
		Security: instructions.GetSecurity(c), Flags: slices.Sorted(slices.Values(c.FlagsUsed)),
		CommandLine: CommandLine{slices.Clone(c.CmdLine), c.PrependShell}}
	if len(c.Files) == 0 {
		return r, nil
	}
	if len(c.CmdLine) != 1 || !c.PrependShell {
		return nil, fmt.Errorf("a heredoc needs the shell form of RUN")
	}
	first := c.Files[0]
	if parser.MustParseHeredoc(c.CmdLine[0]) == nil {
		// A command with heredocs: the shell gets them back as they were written.
		var b strings.Builder
		b.WriteString(c.CmdLine[0])
		for _, f := range c.Files {
			b.WriteString("\n" + f.Data + f.Name)
		}
		r.Args = []string{b.String()}
		return r, nil
	}
	data := first.Data
	if first.Chomp {
		data = parser.ChompHeredocContent(data)
	}
	r.Title += " (" + firstLine(first.Data) + ")"
	r.Args = []string{data}
	if strings.HasPrefix(data, "#!") {
		r.Script = &Inline{Name: first.Name, Data: data}
		r.Args = []string{PipesDir + first.Name}
	}
	return r, nil
}

// firstLine is BuildKit's summary of a heredoc.
func firstLine(doc string) string {
	doc = strings.TrimSpace(doc)
	line, _, more := strings.Cut(doc, "\n")
	line = strings.TrimSuffix(line, "\r")
	if more {
		line += "..."
	}
	return line
}
