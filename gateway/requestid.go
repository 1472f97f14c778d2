// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"time"
)

// Crockford's alphabet sorts as its values do, so request ids sort by time.
var crockford = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// NewRequestID gives 26 characters: 48 bits of milliseconds since 1970, then
// 82 random bits. It names a request in answers, records and logs; it grants
// nothing.
func NewRequestID(now time.Time) string {
	var b [17]byte // 136 bits; the first six of the 28 characters' bits are dropped below
	binary.BigEndian.PutUint64(b[:8], uint64(now.UnixMilli())<<14)
	var r [11]byte
	_, _ = rand.Read(r[:]) // crypto/rand never fails: it ends the process instead
	b[6] |= r[0] & 0x3f
	copy(b[7:], r[1:])
	return crockford.EncodeToString(b[:])[:26]
}
