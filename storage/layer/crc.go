package layer

import (
	"encoding/binary"
	"hash/crc64"

	split "github.com/vbatts/tar-split/tar/storage"
)

// crc is the CRC-64 that tar-split keeps of the content of each file: hash/crc64 with its ISO
// polynomial, several times as fast. That one is x⁶⁴+x⁴+x³+x+1, so few terms that no tables are needed:
// to advance by 64 bits is to multiply by x⁶⁴ = x⁴+x³+x+1, which is three shifts. To advance by 256 is
// to multiply by the fourth power of that, which over GF(2) has as few terms, x¹⁶+x¹²+x⁴+1; so four words
// at a time have nothing to do with each other. Bits are reflected: multiplying shifts right.
type crc struct{ sum uint64 }

func (c *crc) Reset() { c.sum = 0 }

const crcStep = 32

// Write never fails.
func (c *crc) Write(p []byte) (int, error) {
	n := len(p)
	if n >= 2*crcStep {
		var a, b, d, e uint64
		a = ^c.sum
		for len(p) >= 2*crcStep {
			w := p[:crcStep]
			a = by256(a ^ binary.LittleEndian.Uint64(w))
			b = by256(b ^ binary.LittleEndian.Uint64(w[8:]))
			d = by256(d ^ binary.LittleEndian.Uint64(w[16:]))
			e = by256(e ^ binary.LittleEndian.Uint64(w[24:]))
			p = p[crcStep:]
		}
		// The last four bring the words together.
		a = by64(a ^ binary.LittleEndian.Uint64(p))
		a = by64(a ^ b ^ binary.LittleEndian.Uint64(p[8:]))
		a = by64(a ^ d ^ binary.LittleEndian.Uint64(p[16:]))
		a = by64(a ^ e ^ binary.LittleEndian.Uint64(p[24:]))
		c.sum = ^a
		p = p[crcStep:]
	}
	c.sum = crc64.Update(c.sum, split.CRCTable, p)
	return n, nil
}

// append appends the checksum as hash.Hash64 does.
func (c *crc) append(b []byte) []byte { return binary.BigEndian.AppendUint64(b, c.sum) }

// by64 multiplies by x⁶⁴.
func by64(t uint64) uint64 {
	// What the shifts push out has 64 degrees more, and comes in again.
	return times(t) ^ times(t<<63^t<<61^t<<60)
}

// by256 multiplies by x²⁵⁶.
func by256(t uint64) uint64 {
	return t ^ t>>4 ^ t>>12 ^ t>>16 ^ times(t<<60^t<<52^t<<48)
}

// times multiplies by x⁴+x³+x+1.
func times(t uint64) uint64 { return t ^ t>>1 ^ t>>3 ^ t>>4 }
