package spec

// Mount is one mount a person or an image asks for.
type Mount struct {
	// Type is "bind", "tmpfs", "volume" or "image". Make takes only the first two: whoever knows the
	// volumes and images turns one into a bind of its directory (keeping Volume).
	Type   string
	Source string // bind: a host path; volume: its name, empty for an anonymous one; image: its name
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
	// Foreign says that the volume is a directory of the host's: owners are not recorded in it.
	Foreign bool
	// Subpath is a path below the volume or image that is mounted instead of the whole.
	Subpath string
	// Layers are those of an image, base first, by id.
	Layers []string
	// Overlay mounts a writable layer over the source; what is written goes with the container's run.
	Overlay bool
	// Chown gives the source, with all in it, to the container's user.
	Chown bool
	// Mode are the options of -v as they were given, for inspect.
	Mode string
}
