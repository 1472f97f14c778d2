// SPDX-License-Identifier: Apache-2.0

package envelope

import "encoding/binary"

// appendU16 appends v, big-endian, as every integer of the format is.
func appendU16(b []byte, v uint16) []byte { return binary.BigEndian.AppendUint16(b, v) }

func appendU32(b []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(b, v) }

func appendU64(b []byte, v uint64) []byte { return binary.BigEndian.AppendUint64(b, v) }

// appendLP appends LP(s) of FORMAT §2: the length in four bytes, then s. It
// is what keeps concatenations injective: no two lists of fields share bytes.
func appendLP(b []byte, s string) []byte {
	return append(appendU32(b, uint32(len(s))), s...)
}

// cursor reads fields off the front of a buffer. The first read past the end
// sticks: later reads return zero values, so parsers check ok once, at the end.
type cursor struct {
	rest []byte
	bad  bool
}

// take returns the next n bytes, without copying.
func (c *cursor) take(n int) []byte {
	if c.bad || n < 0 || n > len(c.rest) {
		c.bad = true
		return make([]byte, max(0, min(n, maxField)))
	}
	b := c.rest[:n:n]
	c.rest = c.rest[n:]
	return b
}

// maxField bounds what take makes up after an error, so that a hostile length
// cannot make a parser allocate.
const maxField = 128

func (c *cursor) u8() uint8   { return c.take(1)[0] }
func (c *cursor) u16() uint16 { return binary.BigEndian.Uint16(c.take(2)) }
func (c *cursor) u32() uint32 { return binary.BigEndian.Uint32(c.take(4)) }
func (c *cursor) u64() uint64 { return binary.BigEndian.Uint64(c.take(8)) }

func (c *cursor) id() ID { return ID(c.take(16)) }

// lp reads LP(s) with len(s) <= limit.
func (c *cursor) lp(limit int) string {
	n := c.u32()
	if int64(n) > int64(limit) {
		c.bad = true
		return ""
	}
	return string(c.take(int(n)))
}

// done reports whether every read succeeded and nothing is left over.
func (c *cursor) done() bool { return !c.bad && len(c.rest) == 0 }
