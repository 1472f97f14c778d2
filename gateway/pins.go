// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"

	"github.com/sealgate/sealgate/envelope"
)

// pins remembers which object stood behind an ETag that was given out, so
// that a store cannot mix two genuine versions of one key under one ETag
// (FORMAT.md §15). It forgets the older half when full.
type pins struct {
	mu       sync.Mutex
	now, old map[pin]envelope.ID
}

// pin is the SHA-256 of bucket, key and ETag: keys of a kilobyte take no more
// memory than short ones.
type pin [sha256.Size]byte

// maxPins bounds one half; a pin takes about 100 bytes.
const maxPins = 32_768

func pinOf(bucket, key, etag string) pin {
	b := make([]byte, 0, 256)
	for _, part := range []string{bucket, key} { // with lengths, so that no two names run together alike
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(part))), part...)
	}
	return sha256.Sum256(append(b, etag...))
}

// check pins an object to its ETag; false when the ETag stood for another.
func (p *pins) check(bucket, key, etag string, id envelope.ID) bool {
	k := pinOf(bucket, key, etag)
	p.mu.Lock()
	defer p.mu.Unlock()
	was, known := p.now[k]
	if !known {
		was, known = p.old[k]
	}
	if known && was != id {
		return false
	}
	if len(p.now) >= maxPins || p.now == nil {
		p.old, p.now = p.now, make(map[pin]envelope.ID)
	}
	p.now[k] = id
	return true
}
