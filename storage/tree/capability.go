package tree

import "encoding/binary"

// File capabilities (capabilities(7), linux/capability.h): revision 2 is magic and two pairs of
// words, revision 3 has the host's id of the namespace's root behind them, which means nothing on
// another host.
const (
	capRevisionMask = 0xff000000
	capRevision2    = 0x02000000
	capRevision3    = 0x03000000
	capSize2        = 20
	capSize3        = 24
)

// PortableCapability gives the revision 2 form of a security.capability value; what is not of
// revision 3 is returned as it is.
func PortableCapability(value []byte) []byte {
	if len(value) != capSize3 {
		return value
	}
	magic := binary.LittleEndian.Uint32(value)
	if magic&capRevisionMask != capRevision3 {
		return value
	}
	out := append([]byte(nil), value[:capSize2]...)
	binary.LittleEndian.PutUint32(out, magic&^capRevisionMask|capRevision2)
	return out
}

// CapabilityRoot gives the id, in this process's namespace, of the root for whom a security.capability
// value of revision 3 counts; false for what is not of revision 3.
func CapabilityRoot(value []byte) (uid uint32, ok bool) {
	if len(value) != capSize3 || binary.LittleEndian.Uint32(value)&capRevisionMask != capRevision3 {
		return 0, false
	}
	return binary.LittleEndian.Uint32(value[capSize2:]), true
}
