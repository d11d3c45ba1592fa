package run

import (
	"errors"
	"path"
	"strings"
)

// SplitCopyArgument tells the container and the path of an operand of cp; the container is "" for a path
// of the host. A colon of a host's path hides behind "/" or "./", as in docker.
func SplitCopyArgument(arg string) (container, file string) {
	if strings.HasPrefix(arg, "/") {
		return "", arg
	}
	container, file, ok := strings.Cut(arg, ":")
	if !ok || strings.HasPrefix(container, ".") {
		return "", arg
	}
	return container, file
}

var (
	errCopyDir       = errors.New("cannot copy directory")
	errNoSuchDir     = errors.New("no such directory")
	errNotDirectory  = errors.New("not a directory")
	errPointNoDir    = errors.New("extraction point is not a directory")
	errRootReadOnly  = errors.New("container rootfs is marked read-only")
	errMountReadOnly = errors.New("mounted volume is marked read-only")
)

// copySource is what is copied: Base is its last name, "." for what is in a directory.
type copySource struct {
	Base string
	Dir  bool
}

// copyTarget is what stands at the path copied to, which keeps its trailing "/" or "/.".
type copyTarget struct {
	Path        string
	Exists, Dir bool
}

// placeOf tells the directory to copy to and the name there, "" for the directory itself (moby/go-archive,
// PrepareArchiveCopy).
func placeOf(src copySource, dst copyTarget) (dir, name string, err error) {
	parent, base := splitLast(dst.Path)
	switch {
	case dst.Exists && dst.Dir:
		if src.Base == "." || src.Base == "/" {
			return dst.Path, "", nil
		}
		return dst.Path, src.Base, nil
	case dst.Exists && src.Dir:
		return "", "", errCopyDir
	case !dst.Exists && !src.Dir && assertsDir(dst.Path):
		return "", "", errNoSuchDir
	}
	if base == "." { // "/new/." names the directory to be made
		parent, base = splitLast(parent)
	}
	return parent, base, nil
}

// splitLast cuts the last name off a path, which is cleaned first; a trailing "." that is meant stays.
func splitLast(p string) (dir, base string) {
	clean := path.Clean(p)
	if meansContents(p) && clean != "." {
		return clean, "."
	}
	return path.Dir(clean), path.Base(clean)
}

// cleanKept cleans an absolute path and keeps the trailing "/" or "/." that says it is a directory.
func cleanKept(p string) string {
	clean := path.Join("/", p)
	switch {
	case meansContents(p):
		return strings.TrimSuffix(clean, "/") + "/."
	case strings.HasSuffix(p, "/") && clean != "/":
		return clean + "/"
	}
	return clean
}

func meansContents(p string) bool { return p == "." || strings.HasSuffix(p, "/.") }

func assertsDir(p string) bool { return strings.HasSuffix(p, "/") || meansContents(p) }
