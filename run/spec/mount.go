package spec

// Mount is one mount a person or an image asks for.
type Mount struct {
	// Type is "bind", "tmpfs" or "volume". Make takes only the first two: whoever knows the volumes
	// turns a volume into a bind of its directory (keeping Volume).
	Type   string
	Source string // bind: a host path; volume: its name, empty for an anonymous one
	Target string // absolute path in the container
	// ReadOnly mounts it so, with everything below it.
	ReadOnly bool
	// Options are further mount(8) options: "noexec", "rprivate", "size=64m", "mode=1777".
	Options []string

	// CreateSource makes a missing bind source a directory, as docker does for -v.
	CreateSource bool
	// NonRecursive binds only the mount itself, not what is mounted below it.
	NonRecursive bool
	// NoCopy keeps a new volume empty instead of filling it from the image.
	NoCopy bool
	// Labels and Driver options for a volume that this mount creates.
	Labels, VolumeOptions map[string]string
	// Volume says that a bind is a volume's directory, by name; such files are ours, and owners are
	// recorded on them.
	Volume string
	// Anonymous says that the volume was made for this container alone.
	Anonymous bool
}
