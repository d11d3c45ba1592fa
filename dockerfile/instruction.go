package dockerfile

import (
	"strings"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// Instruction is one line of a stage as written, nothing expanded. The concrete types are *Add,
// *Arg, *Cmd, *Copy, *Entrypoint, *Env, *Expose, *Healthcheck, *Label, *Maintainer, *Onbuild,
// *Run, *Shell, *StopSignal, *User, *Volume and *Workdir.
type Instruction interface {
	// Head gives keyword, text, place and comments.
	Head() Head
}

// Head is what every instruction has.
type Head struct {
	Keyword  string   // as written: "RUN", "run"
	Code     string   // the whole instruction on one line, continuations joined
	Span     Span     // heredoc bodies included
	Comments []string // the comment lines right above, without "#"
}

// Name is the keyword in capitals.
func (h Head) Name() string { return strings.ToUpper(h.Keyword) }

// Pair is KEY=value of ENV and LABEL.
type Pair struct {
	Key, Value string
	Legacy     bool // written "KEY value", without "="
}

// ArgDef is one name of an ARG line. Value is nil without a default.
type ArgDef struct {
	Key   string
	Value *string
	Doc   string
}

// CommandLine is the command of RUN, CMD and ENTRYPOINT. With Shell set, Args are the words after
// the shell, still to be joined and prefixed by it.
type CommandLine struct {
	Args  []string
	Shell bool
}

// Inline is a file written in the Dockerfile itself (a heredoc).
type Inline struct {
	Name   string
	Data   string
	Expand bool // $variables in Data are expanded
}

// Sources are the operands of ADD and COPY.
type Sources struct {
	Paths   []string
	Inlines []Inline
	Dest    string
}

type (
	// Add is ADD.
	Add struct {
		head
		Sources
		Chown, Chmod, Checksum string
		Link                   bool
		Exclude                []string
		KeepGitDir, Unpack     *bool // nil when not given
	}
	// Copy is COPY. From is a stage, an index, an image or a context; "" is the main context.
	Copy struct {
		head
		Sources
		From, Chown, Chmod string
		Link, Parents      bool
		Exclude            []string
	}
	// Arg is ARG.
	Arg struct {
		head
		Args []ArgDef
	}
	// Env is ENV.
	Env struct {
		head
		Pairs []Pair
	}
	// Label is LABEL.
	Label struct {
		head
		Pairs []Pair
	}
	// Cmd is CMD.
	Cmd struct {
		head
		CommandLine
	}
	// Entrypoint is ENTRYPOINT. Args is nil for ENTRYPOINT [].
	Entrypoint struct {
		head
		CommandLine
	}
	// Expose is EXPOSE; Ports may hold variables and ranges.
	Expose struct {
		head
		Ports []string
	}
	// Healthcheck is HEALTHCHECK. Test is {"NONE"}, {"CMD", …} or {"CMD-SHELL", command}.
	Healthcheck struct {
		head
		Test                                          []string
		Interval, Timeout, StartPeriod, StartInterval time.Duration
		Retries                                       int
	}
	// Maintainer is MAINTAINER.
	Maintainer struct {
		head
		Author string
	}
	// Onbuild is ONBUILD; Trigger is the instruction to run later, heredocs included.
	Onbuild struct {
		head
		Trigger string
	}
	// Shell is SHELL.
	Shell struct {
		head
		Shell []string
	}
	// StopSignal is STOPSIGNAL.
	StopSignal struct {
		head
		Signal string
	}
	// User is USER.
	User struct {
		head
		User string
	}
	// Volume is VOLUME.
	Volume struct {
		head
		Paths []string
	}
	// Workdir is WORKDIR.
	Workdir struct {
		head
		Path string
	}
)

// head lets the types above embed a Head and keep the method name for themselves.
type head struct{ h Head }

func (h head) Head() Head { return h.h }

// code is what every BuildKit command offers besides its own fields.
type coded interface {
	instructions.Command
	String() string
}

func headOf(c coded) head {
	return head{Head{Keyword: c.Name(), Code: c.String(), Span: spanOf(c.Location()), Comments: c.Comments()}}
}
