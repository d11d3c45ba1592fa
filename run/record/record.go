// Package record keeps what is known of containers on disk: one directory each, so that ps, rm and
// what comes later can tell of containers that another process runs or ran.
//
//	containers/
//	  names/NAME        symlink to the id: a name is taken when the link is made
//	  ID/config.json    Container, written once before the start
//	  ID/state.json     State, replaced at every change
//	  ID/lock           held (flock) by the monitor for as long as the container runs
//	  ID/turn.N         held for one of its runs, where a restart policy makes several
//	  ID/upper, work, merged   the writable layer (storage/working)
//
// The lock is the truth about running: a record that says "running" while its lock is free belongs to
// a monitor that was killed, and is read as exited with status 137. Nothing here is flushed: a record
// lost in a power cut belongs to a container that died in it.
package record

import (
	"time"

	"github.com/dhow-containers/dhow/run/limit"
	"github.com/dhow-containers/dhow/run/network/port"
	"github.com/dhow-containers/dhow/run/spec"
	"github.com/dhow-containers/dhow/storage/image"
)

// Status is where a container stands.
type Status string

const (
	Created    Status = "created"
	Running    Status = "running"
	Restarting Status = "restarting" // it has ended and is about to be started again
	Exited     Status = "exited"
)

// Active tells whether the container has a monitor: it runs, or is about to again.
func (s State) Active() bool { return s.Status == Running || s.Status == Restarting }

// Container is what was wished of a container; it does not change after its creation.
type Container struct {
	ID      string    `json:"id"` // 64 hex digits
	Name    string    `json:"name"`
	Created time.Time `json:"created"`

	Image   string `json:"image"`   // as it was asked for
	ImageID string `json:"imageID"` // 64 hex digits
	// Layers are the ids of the layers below the writable one, base first.
	Layers []string `json:"layers"`

	Args       []string          `json:"args"` // entrypoint and command
	Entrypoint []string          `json:"entrypoint,omitempty"`
	Env        []string          `json:"env,omitempty"`
	WorkingDir string            `json:"workingDir,omitempty"`
	User       string            `json:"user,omitempty"`
	Hostname   string            `json:"hostname,omitempty"`
	Labels     map[string]string `json:"labels,omitempty"`
	Mounts     []Mount           `json:"mounts,omitempty"`
	Network    string            `json:"network,omitempty"`
	// Publish are the ports to be opened on the host at every start; Exposed are all the container's
	// ports that are known, published or not.
	Publish    []port.Mapping `json:"publish,omitempty"`
	Exposed    []port.Port    `json:"exposed,omitempty"`
	StopSignal string         `json:"stopSignal,omitempty"`

	// StopTimeout is how long stop waits before it kills, in seconds; nil means 10, -1 for ever.
	StopTimeout *int `json:"stopTimeout,omitempty"`
	// LogDriver is "json-file" or "none"; LogOptions are its options as they were given.
	LogDriver  string            `json:"logDriver,omitempty"`
	LogOptions map[string]string `json:"logOptions,omitempty"`

	// Limits are what the container may use of the machine; they change with Book.Amend. CgroupParent
	// is where its control group is made, empty where it is found.
	Limits       limit.Limits `json:"limits,omitzero"`
	CgroupParent string       `json:"cgroupParent,omitempty"`
	CgroupNS     string       `json:"cgroupNS,omitempty"` // "host"; empty is private
	OOMScoreAdj  int          `json:"oomScoreAdj,omitempty"`

	Terminal bool `json:"terminal,omitempty"`
	// StdinOnce closes the payload's stdin when the first one who attaches to it has ended.
	StdinOnce  bool `json:"stdinOnce,omitempty"`
	OpenStdin  bool `json:"openStdin,omitempty"`
	AutoRemove bool `json:"autoRemove,omitempty"`
	// Restart says when its monitor starts it again.
	Restart Restart `json:"restart,omitzero"`
	// Healthcheck is how it is looked at; nil for never.
	Healthcheck *image.Healthcheck `json:"healthcheck,omitempty"`

	ReadOnly bool `json:"readOnly,omitempty"`
	Init     bool `json:"init,omitempty"`

	CapAdd      []string `json:"capAdd,omitempty"`
	CapDrop     []string `json:"capDrop,omitempty"`
	SecurityOpt []string `json:"securityOpt,omitempty"`

	// KeepID are the ids under which it sees the caller; nil for those of dhow's namespace.
	KeepID *spec.KeepID `json:"keepID,omitempty"`
	// KeptUser tells that nobody named User: it is the caller as KeepID has it.
	KeptUser bool `json:"keptUser,omitempty"`

	Asked Asked `json:"asked,omitzero"`
}

// Mount is one mount a person or the image asked for.
type Mount struct {
	Type     string `json:"type"` // bind, volume, tmpfs, image
	Name     string `json:"name,omitempty"`
	Source   string `json:"source,omitempty"`
	Target   string `json:"target"`
	ReadOnly bool   `json:"readOnly,omitempty"`
	// Anonymous volumes were made for the container and go with it.
	Anonymous bool `json:"anonymous,omitempty"`
	// Options are mount(8)'s; Mode those of -v as they were given.
	Options      []string `json:"options,omitempty"`
	Mode         string   `json:"mode,omitempty"`
	NonRecursive bool     `json:"nonRecursive,omitempty"`
	Subpath      string   `json:"subpath,omitempty"`
	// ImageID and Layers are those of a mounted image, which can not be removed meanwhile.
	ImageID string   `json:"imageID,omitempty"`
	Layers  []string `json:"layers,omitempty"`
}

// State is what changes.
type State struct {
	Status Status `json:"status"`
	Pid    int    `json:"pid,omitempty"` // of the container's first process, on the host
	// StartTime is the kernel's start time of Pid in clock ticks since boot (proc_pid_stat(5), field
	// 22): with it a reused pid is told from the container's.
	StartTime uint64 `json:"startTime,omitempty"`
	Monitor   int    `json:"monitor,omitempty"` // pid of the dhow process
	// MonitorStart is the start time of Monitor, as StartTime; 0 when it was not noted.
	MonitorStart uint64    `json:"monitorStart,omitempty"`
	Started      time.Time `json:"started,omitzero"`
	Finished     time.Time `json:"finished,omitzero"`
	ExitCode     int       `json:"exitCode"`
	Error        string    `json:"error,omitempty"`     // why it could not be started
	OOMKilled    bool      `json:"oomKilled,omitempty"` // the kernel killed a process of it because its memory was used up
	// Cgroup is the container's control group while it runs (rootless/cgroup), empty when it has none.
	Cgroup string `json:"cgroup,omitempty"`
	// Paused says that the group is frozen. It is read from the kernel, not from the record.
	Paused bool `json:"-"`
	// Restarts is how often its monitor has started it again, the start that is awaited included.
	Restarts int `json:"restarts,omitempty"`
	// Stopped says that a person ended it.
	Stopped bool `json:"stopped,omitempty"`
	// Ports are the open ones of the host, and the exposed ones, while the container runs.
	Ports []port.Binding `json:"ports,omitempty"`
}
