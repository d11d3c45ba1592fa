// Package spec has the media types of encrypted layers, by which they are known and refused.
package spec

// See https://github.com/opencontainers/image-spec/pull/775.
const (
	MediaTypeLayerEnc                     = "application/vnd.oci.image.layer.v1.tar+encrypted"
	MediaTypeLayerGzipEnc                 = "application/vnd.oci.image.layer.v1.tar+gzip+encrypted"
	MediaTypeLayerZstdEnc                 = "application/vnd.oci.image.layer.v1.tar+zstd+encrypted"
	MediaTypeLayerNonDistributableEnc     = "application/vnd.oci.image.layer.nondistributable.v1.tar+encrypted"
	MediaTypeLayerNonDistributableGzipEnc = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip+encrypted"
	MediaTypeLayerNonDistributableZstdEnc = "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd+encrypted"
	// MediaTypeLayerNonDistributableZsdtEnc is an old misspelling.
	MediaTypeLayerNonDistributableZsdtEnc = MediaTypeLayerNonDistributableZstdEnc
)
