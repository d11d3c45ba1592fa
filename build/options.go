package build

import (
	"io"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/dhow-containers/dhow/rootless/idmap"
	"github.com/dhow-containers/dhow/storage"
	"github.com/dhow-containers/dhow/storage/progress"
)

// Options say what to build. They are made at the door and passed down unchanged.
type Options struct {
	// Context is a directory, or "-" for Stdin: a tar (plain, gzip, bzip2, xz or zstd) or the text
	// of a Dockerfile, told apart by content.
	Context string
	// Dockerfile is the value of -f: a path, "-" for Stdin, or "" for the context's Containerfile
	// or Dockerfile.
	Dockerfile string
	Stdin      io.Reader
	// Contexts are the values of --build-context by name: a directory or "docker-image://REF".
	Contexts map[string]string

	Target    string            // stage to build; "" is the last
	BuildArgs map[string]string // --build-arg, already resolved against the environment
	Labels    map[string]string // --label
	Secrets   []Secret          // --secret
	Platform  string            // "os/arch[/variant]"; "" is the host's
	Network   string            // --network for every RUN that names none: "" (private), none, host
	AddHosts  []string          // --add-host, "name:ip" or "name=ip"
	NoCache   bool              // make every step again
	Pull      storage.PullPolicy
	// Epoch clamps the times of files and history (SOURCE_DATE_EPOCH); nil keeps them.
	Epoch *time.Time

	Tags    []string // names of the result
	IIDFile string   // file to receive the image id, "" for none

	// Jobs bounds how many steps run at once; 0 is the number of processors, at least two.
	Jobs     int
	Progress progress.Func

	Store *storage.Store
	// Dir is the directory of this mapping's store (paths.Store); the cache lives below it.
	Dir     string
	Mapping idmap.Mapping
}

// Secret is one --secret: its value comes from a file or an environment variable of the caller and
// is read when a step asks for it.
type Secret struct {
	ID   string
	File string // path, "" when Env is set
	Env  string // name of a variable of the caller
}

// Result is what a build made.
type Result struct {
	ImageID string        // 64 hex digits
	Digest  digest.Digest // of the manifest
	Names   []string      // full references it is known by now
}
