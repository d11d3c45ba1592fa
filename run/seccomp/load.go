package seccomp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/dhow-containers/dhow/storage/given"
)

// maxProfile bounds a profile file in bytes; Docker's own has 15,000.
const maxProfile = 4 << 20

// Load reads the Docker-format profile at path and gives what holds of it for this host and the
// bounding set caps. It gives nil for an empty profile, which means no filter.
func Load(path string, caps []string) (*specs.LinuxSeccomp, error) {
	text, err := readProfile(path)
	if err != nil {
		return nil, err
	}
	p, err := Parse(text)
	if err == nil {
		var out *specs.LinuxSeccomp
		if out, err = p.Resolve(ThisHost(), caps); err == nil {
			return out, nil
		}
	}
	return nil, fmt.Errorf("seccomp profile %q: %w", path, err)
}

func readProfile(path string) ([]byte, error) {
	text, err := given.Read(path, maxProfile)
	var at *fs.PathError
	if errors.As(err, &at) {
		return nil, fmt.Errorf("opening seccomp profile %q: %w", path, at.Err)
	}
	if err != nil {
		return nil, fmt.Errorf("seccomp profile: %w", err)
	}
	return text, nil
}

// Parse reads a profile in Docker's JSON format. Errors tell the line.
func Parse(text []byte) (*Profile, error) {
	p := &Profile{}
	err := json.Unmarshal(text, p)
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case err == nil:
		return p, p.check()
	case errors.As(err, &syntax):
		return nil, fmt.Errorf("line %d: %w", lineAt(text, syntax.Offset), err)
	case errors.As(err, &kind):
		return nil, fmt.Errorf("line %d: %q can not be a %s", lineAt(text, kind.Offset), kind.Field, kind.Value)
	}
	return nil, err
}

func lineAt(text []byte, offset int64) int {
	return 1 + bytes.Count(text[:min(int(offset), len(text))], []byte("\n"))
}

var (
	actions = []specs.LinuxSeccompAction{
		specs.ActKill, specs.ActKillProcess, specs.ActKillThread, specs.ActTrap, specs.ActErrno,
		specs.ActTrace, specs.ActAllow, specs.ActLog,
	}
	operators = []specs.LinuxSeccompOperator{
		specs.OpNotEqual, specs.OpLessThan, specs.OpLessEqual, specs.OpEqualTo, specs.OpGreaterEqual,
		specs.OpGreaterThan, specs.OpMaskedEqual,
	}
)

// check finds what libcontainer would refuse, or take for something else, when it is too late for
// a message that names the place.
func (p *Profile) check() error {
	switch {
	case len(p.Architectures) > 0 && len(p.ArchMap) > 0:
		return errors.New(`"architectures" and "archMap" exclude each other`)
	case p.ListenerPath != "":
		return errors.New(`"listenerPath" is not supported`)
	case p.DefaultAction == "" && len(p.Syscalls) > 0:
		return errors.New(`"defaultAction" is missing`)
	case p.DefaultAction != "":
		if err := checkAction(p.DefaultAction); err != nil {
			return fmt.Errorf(`"defaultAction": %w`, err)
		}
	}
	for i, g := range p.Syscalls {
		if err := g.check(); err != nil {
			return fmt.Errorf("rule %d of %q: %w", i+1, "syscalls", err)
		}
	}
	return nil
}

func (g group) check() error {
	switch {
	case g.Name != "" && len(g.Names) > 0:
		return errors.New(`"name" and "names" exclude each other`)
	case g.Name == "" && len(g.Names) == 0:
		return errors.New(`"names" is missing`)
	case slices.Contains(g.Names, ""):
		return errors.New(`"names" has an empty name`)
	}
	if err := checkAction(g.Action); err != nil {
		return err
	}
	for _, a := range g.Args {
		if a.Index > 5 {
			return fmt.Errorf("argument %d: system calls have arguments 0 to 5", a.Index)
		}
		if !slices.Contains(operators, a.Op) {
			return fmt.Errorf("unknown operator %q", a.Op)
		}
	}
	return nil
}

func checkAction(a specs.LinuxSeccompAction) error {
	if a == specs.ActNotify {
		return fmt.Errorf("%s needs a listener, which a profile can not give", a)
	}
	if !slices.Contains(actions, a) {
		return fmt.Errorf("unknown action %q", a)
	}
	return nil
}

// KernelVersion is the first two numbers of a kernel's release. In JSON it is the string "4.8".
type KernelVersion struct{ Major, Minor int }

func (v KernelVersion) less(w KernelVersion) bool {
	return v.Major < w.Major || v.Major == w.Major && v.Minor < w.Minor
}

// UnmarshalJSON reads "major.minor".
func (v *KernelVersion) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	parsed, ok := parseKernel(s)
	if !ok || strings.Count(s, ".") != 1 {
		return fmt.Errorf("kernel version %q is not of the form \"4.8\"", s)
	}
	*v = parsed
	return nil
}

// MarshalJSON writes "major.minor".
func (v KernelVersion) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%q", fmt.Sprintf("%d.%d", v.Major, v.Minor)), nil
}

// parseKernel reads the start of a release such as "6.1.0-18-amd64".
func parseKernel(release string) (KernelVersion, bool) {
	major, rest, ok := strings.Cut(release, ".")
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(rest)
	}
	a, err1 := strconv.Atoi(major)
	b, err2 := strconv.Atoi(rest[:end])
	return KernelVersion{a, b}, ok && err1 == nil && err2 == nil && a >= 0
}
