package run

import (
	"context"
	"os"

	"github.com/dhow-containers/dhow/rootless/idmap"
	"github.com/dhow-containers/dhow/run/limit"
	"github.com/dhow-containers/dhow/storage"
	"github.com/dhow-containers/dhow/storage/progress"
)

// Options is one "run" as it was asked for. Flags that have a syntax of their own (-v, --mount, …)
// are given as they stand on the command line; Run reads them and names the flag in its error.
type Options struct {
	// Image is the reference or id; Args follow it on the command line.
	Image string
	Args  []string

	Name        string // empty: two random words
	Remove      bool   // --rm
	Interactive bool   // -i: stdin is the container's; otherwise the container reads nothing
	Terminal    bool   // -t
	// Detached says that the container is to run without the caller: Detach, and Create for a start
	// without -a.
	Detached bool
	CIDFile  string // --cidfile: the id is written there; must not exist

	Env           []string // -e: "NAME=value", or "NAME" to pass the caller's variable on
	EnvFiles      []string // --env-file
	Proxies       []string // "HTTP_PROXY=…" and its kin from configuration, weaker than both
	WorkingDir    string   // -w
	User          string   // -u
	GroupAdd      []string // --group-add
	Entrypoint    string   // --entrypoint
	EntrypointSet bool     // --entrypoint was given, perhaps empty
	Hostname      string   // -h
	Domainname    string
	Labels        []string // --label: "KEY=value" or "KEY"
	LabelFiles    []string // --label-file

	Volumes []string // -v
	// VolumesFrom are containers, "NAME[:ro]", whose volumes and binds the container gets too.
	VolumesFrom  []string
	VolumeDriver string   // "" or "local"
	Mounts       []string // --mount
	Tmpfs        []string // --tmpfs
	ReadOnly     bool     // --read-only
	ShmSize      string   // --shm-size: "64m"

	CapAdd, CapDrop []string
	SecurityOpt     []string // "no-new-privileges[:true|false]", "seccomp=unconfined|PATH|builtin"
	Init            bool
	// Privileged is --privileged; Devices are "/dev/x[:/dev/y][:rwm]".
	Privileged bool
	Devices    []string
	// Whose namespaces the container gets: "", "host", "container:NAME" and what else each has.
	PID, IPC, UTS, Userns string
	Annotations           []string // "key=value"
	// Attached are the streams of -a, for inspect; the caller has connected what it says.
	Attached []string

	// Of podman's flags: the caller's variables are the weakest, UnsetEnv are taken away, Umask is
	// octal, TimeoutSeconds is the payload's life (0: no limit), NoHosts leaves the image's /etc/hosts.
	HostEnv        bool
	UnsetEnv       []string
	Umask          string
	TimeoutSeconds int
	NoHosts        bool

	Ulimits     []string // "nofile=1024:4096"
	Sysctls     []string // "net.core.somaxconn=1024"
	StopSignal  string   // "SIGTERM", "15"
	StopTimeout *int     // --stop-timeout in seconds; nil is the image's, then 10
	LogDriver   string   // --log-driver: "", "json-file", "none"
	LogOptions  []string // --log-opt: "max-size=10m"

	Restart string // --restart: "", "no", "always", "on-failure[:N]", "unless-stopped"
	Health  Health

	Limits       limit.Flags // --memory, --cpus…
	CgroupParent string      // --cgroup-parent: a path in the hierarchy of control groups
	CgroupNS     string      // --cgroupns: "", "private" or "host"
	OOMScoreAdj  string      // --oom-score-adj: -1000 to 1000; empty leaves the caller's

	Network    string   // "", "bridge", "default", "private", "none", "host"
	AddHosts   []string // --add-host
	DNS        []string
	DNSSearch  []string
	DNSOptions []string
	Publish    []string // -p: "[[ip:][hostPort]:]containerPort[/proto]", ranges
	PublishAll bool     // -P: every exposed port, to a free one of the host
	Expose     []string // --expose: "80", "53/udp", ranges

	// Pull is "", "missing", "always" or "never"; Platform is "os/arch[/variant]".
	Pull     string
	Platform string
	Progress progress.Func

	// NoSigProxy keeps signals from being passed to the container (--sig-proxy=false).
	NoSigProxy bool

	// Stdin, Stdout and Stderr are the caller's; nil stands for those of this process.
	Stdin, Stdout, Stderr *os.File
	// Warn receives one line of advice ("the image's platform …"); nil drops it.
	Warn func(string)
	// Tell receives a line about work that takes long; nil drops it.
	Tell func(string)
	// Interruptible gives, for Run and RunAttached, the context of long work before there is a container,
	// and what ends it when it is done: from then on signals are the container's. Nil is Run's own context.
	Interruptible func() (context.Context, func())

	// Store holds the images; Dir is the directory of this mapping's store (paths.Store), in which
	// containers/ and volumes/ lie.
	Store   *storage.Store
	Dir     string
	Mapping idmap.Mapping
}
