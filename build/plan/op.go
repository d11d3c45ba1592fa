package plan

import (
	"os"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/dhow-containers/dhow/dockerfile"
	"github.com/dhow-containers/dhow/storage/image"
)

// Op is what a step does: *BaseOp, *RunOp, *CopyOp or *WorkdirOp. The exported fields of an Op are
// part of its cache key unless tagged `key:"-"`: a field that is added is counted without anybody
// thinking of it.
type Op interface{ op() }

// BaseOp gives the filesystem of an image. It makes no layer of its own.
type BaseOp struct {
	Ref    string        `key:"-"` // with tag, normalised: "docker.io/library/golang:1.26"
	Digest digest.Digest `key:"-"` // of the manifest (for this platform, or of the index that was asked for)
	// DiffIDs are the image's layers, base first. They alone are its content, so they are the key.
	DiffIDs  []digest.Digest
	ID       string `key:"-"` // what the Resolver called it
	Platform Platform
}

// PipesDir is the directory of the mounted scripts.
const PipesDir = dockerfile.PipesDir

// RunOp runs a command in the parent's filesystem.
type RunOp struct {
	Args []string // complete: the shell is prepended
	Env  []string // "KEY=value", ARG and ENV, in the order they were set
	// Proxy are the predefined proxy variables given by --build-arg, "http_proxy=…" in both cases.
	// They reach the process and are in neither history nor key.
	Proxy []string `key:"-"`
	Cwd   string
	User  string // as USER says; "" is root
	// Mounts are in the order written; the later one lies over the earlier.
	Mounts  []Mount
	Network string // "default", "none" or "host"
	Hosts   []Host // --add-host
	// Hostname is BUILDKIT_SANDBOX_HOSTNAME; "" leaves the choice to the runner.
	Hostname string
	// Script is a heredoc with a shebang: a file to mount read-only at PipesDir + Script.Name, mode
	// 0755. Args runs it.
	Script *Inline
	Shell  []string `key:"-"` // the SHELL in force, as a hint for messages; Args has it already
}

// CopyOp puts files into the parent's filesystem: COPY and ADD.
type CopyOp struct {
	From  Origin // where the patterns of Items are looked for
	Items []CopyItem
	// Dest is absolute; a trailing "/" (or "/.") says it is a directory.
	Dest string
	// Chown is "user[:group]" by name or number, resolved in the parent's filesystem; "" keeps the
	// owners of files from a stage or image and means 0:0 for all others.
	Chown string
	Chmod *Chmod // nil keeps the modes; 0644 for inline files, 0600 for URLs
	// Link makes a layer that does not depend on the parent: it is made on an empty filesystem,
	// Dest follows no symlink of the parent, and Chown is numeric.
	Link    bool
	Exclude []string // patterns relative to each source directory
	Add     bool
	// Epoch is the time every file gets; nil keeps the source's.
	Epoch *time.Time
}

// CopyItem is one source: exactly one of Pattern, URL and Inline is set.
type CopyItem struct {
	// Pattern is absolute within From and clean but for a trailing "/" or "/.", which do not
	// matter. It may hold wildcards of filepath.Match. A directory's contents are copied, not
	// itself.
	Pattern string
	// Parents is set for --parents: Pattern is then the pivot directory, and this is what to take
	// below it, with its directories.
	Parents string
	// Required says a source must match; a Pattern with wildcards may match nothing.
	Required bool
	// Unpack extracts local archives instead of copying them.
	Unpack bool
	URL    *URL
	Inline *Inline
}

// URL is a remote file of ADD.
type URL struct {
	Address  string
	Filename string        // its name when Dest is a directory
	Checksum digest.Digest // "" when not given
	Unpack   bool
}

// Inline is a file written in the Dockerfile; its mode is 0644, or 0755 for a RunOp's Script.
type Inline struct {
	Name string
	Data string
}

// WorkdirOp makes a directory with its parents, mode 0755. Nothing changes if it is there.
type WorkdirOp struct {
	Path  string // absolute and clean
	User  string // owner of what is made, as USER says; "" is root
	Epoch *time.Time
}

// Origin says which filesystem is read.
type Origin struct {
	Kind    OriginKind
	Context string // for FromContext: its name; "" is the main one
	Node    *Node  // for FromNode; also in the step's Inputs, and its place there is in the key
}

// OriginKind tells what an Origin is.
type OriginKind int

const (
	FromNothing OriginKind = iota // an empty filesystem
	FromContext                   // a build context
	FromNode                      // a stage or an image: the filesystem of a Node
)

// Mount is one --mount of a RUN step.
type Mount struct {
	Type string // "bind", "cache", "secret" or "tmpfs"
	// Target is absolute and clean, never "/"; "" for a secret that is only a variable.
	Target string
	// From and Source name what a bind shows, or what a new cache begins with. Source is absolute
	// and clean; "/" is the whole.
	From     Origin
	Source   string
	ReadOnly bool
	// Size limits a tmpfs, in bytes; 0 is no limit.
	Size int64
	// ID names a cache (never empty; hostile: hash it) or a secret. A cache's ID and Sharing are not
	// in the key: what a step makes may not depend on what a cache happens to hold.
	ID      string
	Sharing string // of a cache: "shared", "private" or "locked"
	// Required fails the step when the secret was not given.
	Required bool
	Env      string // a secret's variable; "" for none
	// Mode, UID and GID of a secret's file (default 0400, 0, 0) or of a new cache directory
	// (default 0755, 0, 0).
	Mode     os.FileMode // permission bits and setuid, setgid, sticky as octal numbers
	UID, GID uint32
}

// Host is an --add-host entry.
type Host struct {
	Name string
	IP   string `key:"-"` // or "host-gateway"; not in the key, as in BuildKit
}

func (*BaseOp) op()    {}
func (*RunOp) op()     {}
func (*CopyOp) op()    {}
func (*WorkdirOp) op() {}

// Base is what a Resolver found out about an image.
type Base struct {
	// Ref is the full reference: "docker.io/library/golang:1.26".
	Ref    string
	Digest digest.Digest
	ID     string // of the image in the store, for whoever executes BaseOp
	Config image.Config
}
