// Package paths says where dhow keeps its things.
//
// It takes the id mapping, the --root flag and the environment, and gives directories; it makes only
// the one directory a store lives in. It reads no configuration file and never needs a login session:
// a missing XDG_RUNTIME_DIR is an ordinary case (XDG Base Directory Specification 0.8).
package paths

import "github.com/dhow-containers/dhow/rootless/idmap"

// Dirs are the absolute places of one dhow installation for one caller.
type Dirs struct {
	// Data holds everything that must outlive a command; its stores stand below it.
	Data string
	// Runtime holds sockets and locks that may vanish at logout: $XDG_RUNTIME_DIR/dhow when that
	// directory exists and belongs to the caller, Data/run otherwise.
	Runtime string
	// Cache holds what can be lost at any time: $XDG_CACHE_HOME/dhow or Data/cache.
	Cache string
	// Source names what decided Data, for `info`: "--root", "XDG_DATA_HOME", "HOME", "passwd" or
	// "root".
	Source string
}

// Resolve finds the directories for the caller of m. rootFlag is the value of --root, empty when not
// given; a relative one is taken from the working directory. Nothing is created.
func Resolve(m idmap.Mapping, rootFlag string) (Dirs, error) {
	return resolve(m, rootFlag, hostEnv())
}

// Store gives the directory of everything that has owners under mapping m, created with mode 0700:
// Data/store-<8 hex>-<kind>. Its file "mapping" records the exact mapping; a directory whose record
// names another one is refused, so owners of two mappings never mix.
func Store(d Dirs, m idmap.Mapping) (string, error) { return store(d, m) }
