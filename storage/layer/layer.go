// Package layer turns layer tars into directories and directories into layer tars.
//
// A directory here is an overlay layer: whiteouts are character devices 0:0, opaque directories
// carry the overlay's xattr, owners are on disk or recorded (rootless/ownership). A tar here is an
// OCI layer (image-spec, layer.md): whiteouts are ".wh." files. Apply takes hostile input and stays
// inside its directory by descriptors (openat2(2), RESOLVE_IN_ROOT); WriteTar gives the same bytes
// for the same tree whatever kind of user built it.
//
// Extended attributes that travel are security.capability and user.*; those of dhow and of the
// overlay, and all others, are left out in both directions, as no two hosts agree on them.
package layer

import (
	"errors"
	"strings"

	"github.com/dhow-containers/dhow/rootless/ownership"
)

const (
	whiteoutPrefix = ".wh."
	// metaPrefix marks what AUFS kept for itself in old images; only the opaque marker means
	// something.
	metaPrefix   = ".wh..wh."
	opaqueMarker = ".wh..wh..opq"

	capabilityXattr = "security.capability"
	paxXattrPrefix  = "SCHILY.xattr."
)

// ErrRefused is wrapped by the errors of Apply about entries no honest layer has.
var ErrRefused = errors.New("refused")

// opaqueXattr is the overlay's mark of a directory that hides what is below it.
func opaqueXattr(userxattr bool) string {
	if userxattr {
		return "user.overlay.opaque"
	}
	return "trusted.overlay.opaque"
}

// portable reports whether an xattr travels in layer tars.
func portable(name string) bool {
	if name == capabilityXattr {
		return true
	}
	return strings.HasPrefix(name, "user.") && !ownership.IsInternalXattr(name)
}
