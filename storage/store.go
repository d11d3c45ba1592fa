// Package storage keeps images and their layers, and brings them to and from registries and
// archives.
//
// Images and layers lie in the formats of go.podman.io/storage (overlay driver) under a directory
// of dhow's own; no other package knows that library or go.podman.io/image. Everything that writes
// goes through the library; the run path (Lookup, Chain) reads its files directly, because opening
// the library costs more than starting a container may.
//
// Layout under Options.Dir (made by rootless/paths):
//
//	storage/     the library's graph root: overlay, overlay-images, overlay-layers
//	run/         its run root
//	lock         taken shared by whoever is about to use layers, exclusively by whoever removes some
//	leases/      one locked file a process, naming the layers it is using without an image
//	ballast/     room held back for removals on a full disk
//	pins.json    layers the build cache refers to
//	mapped/      images with the owners a container with a user namespace of its own has, see Below
//	mounts/      images mounted for people to look at, by id
//	tmp/         spooled blobs, staged layers and tar-split data, by lease
//	turn.lock    held by the one who waits for lock alone (journal.TakeShared)
//	adopt.lock   one layer is put in place at a time
//	blobs/       indexes that were brought whole, and all they consist of, by digest
//	manifests/   lists of images made here to be pushed
//	cache/blobs  which blobs registries are known to have (image/v5's cache)
//
// Locks are taken in the order lock, mapped/lock, library; who holds lock exclusively only tries the second. Layers are ordered base first everywhere.
package storage

import (
	"syscall"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/dhow-containers/dhow/rootless/idmap"
	"github.com/dhow-containers/dhow/rootless/ownership"
	"github.com/dhow-containers/dhow/storage/image"
	"github.com/dhow-containers/dhow/storage/registry"
)

// Options says which store to open.
type Options struct {
	// Dir is the directory of this mapping's store, as rootless/paths.Store gives it.
	Dir string
	// Mapping is the id mapping of this process; it decides how owners are kept on disk.
	Mapping idmap.Mapping
	// Registry says where configuration, policy and credentials are found. The zero value stands
	// for registry.FromEnvironment(os.Getenv, …) of this process.
	Registry *registry.Settings
	// AsCaller is registry.Settings.AsCaller where Registry is nil.
	AsCaller *syscall.SysProcAttr
	// Note is told what became of an image, in docker's words ("pull", "tag", "delete"), with further
	// names and values; nil tells nobody.
	Note func(action, id string, more ...string)
}

// ImageConfig is the configuration document of an image.
type ImageConfig = image.Config

// Image is one image of the store.
type Image struct {
	ID      string   // 64 hex digits: the digest of the config
	Names   []string // full references, "docker.io/library/alpine:3.20"
	Digests []string // "docker.io/library/alpine@sha256:…": under which digests it was pulled or pushed
	// Indexes are the digests of the indexes it came in, Targets the one each name stands for; a name
	// that stands for the image alone is not in it.
	Indexes []digest.Digest
	Targets map[string]digest.Digest
	// Index is the one the name it was looked up by stands for, "" for none.
	Index digest.Digest
	// Packed tells that its layers are blobs of an index that was brought whole: it can not run before
	// Unpack. Only LookupFor gives such images.
	Packed bool
	// Digest is that of RawManifest.
	Digest      digest.Digest
	Created     time.Time
	Size        int64   // bytes of all layers, uncompressed
	Layers      []Layer // base first
	Config      ImageConfig
	RawConfig   []byte
	RawManifest []byte
}

// Layer is one layer of the store.
type Layer struct {
	ID     string // 64 hex digits; derived from the chain of diff ids up to it
	DiffID digest.Digest
	Dir    string          // the directory with its files
	Links  ownership.Links // owners of symlinks where the disk can not hold them
	Size   int64           // bytes of its uncompressed tar; not filled in an Image (see LayerSizes)
}
