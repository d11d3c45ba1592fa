// Package layer turns layer tars into directories and directories into layer tars.
//
// A directory here is an overlay layer: whiteouts are character devices 0:0, opaque directories
// carry the overlay's xattr, owners are on disk or recorded (rootless/ownership). A tar here is an
// OCI layer (image-spec, layer.md): whiteouts are ".wh." files. Apply takes hostile input; WriteTar
// gives the same bytes for the same tree whatever kind of user built it.
package layer

import (
	"io"
	"time"

	"github.com/dhow-containers/dhow/rootless/ownership"
)

// TarOptions guide WriteTar.
type TarOptions struct {
	// Links are the recorded owners of the tree's symlinks.
	Links ownership.Links
	// Epoch, when not nil, is the latest modification time written (SOURCE_DATE_EPOCH).
	Epoch *time.Time
	// Native tells that owners are on disk (idmap.Mapping.Native).
	Native bool
	// Userxattr tells that the overlay's xattrs are user.overlay.*, not trusted.overlay.*.
	Userxattr bool
}

// WriteTar writes the tree at dir as a layer tar.
func WriteTar(w io.Writer, dir string, o TarOptions) error { return nil }

// ApplyOptions guide Apply.
type ApplyOptions struct {
	// Tree keeps the owners; its Links are filled.
	Tree *ownership.Tree
	// Userxattr as in TarOptions.
	Userxattr bool
	// Whiteouts false takes ".wh." names literally (a plain archive, not a layer).
	Whiteouts bool
}

// Applied reports what Apply met.
type Applied struct {
	// Implied are directories no entry described; their owner and mode are those of the layers
	// below. Slash-separated, parents first.
	Implied []string
	// Root tells whether an entry described the root directory.
	Root bool
}
