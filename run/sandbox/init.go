package sandbox

// IsInit reports whether this process is libcontainer's init: main must then call Init before
// anything else.
func IsInit(argv []string) bool { return false }

// Init becomes the first process of a container; it does not return.
func Init() {}
