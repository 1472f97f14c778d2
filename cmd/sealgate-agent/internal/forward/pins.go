// SPDX-License-Identifier: Apache-2.0

package forward

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"

	"github.com/sealgate/sealgate/gateway/s3api"
)

// pins remembers which object stood behind an ETag that went to a client, so
// that the pieces of one object, read in many requests, are of one object
// (AGENT.md, "How it fails"). It forgets the older half when full.
type pins struct {
	mu       sync.Mutex
	now, old map[pin]string // to x-sealgate-object
}

// pin is the SHA-256 of bucket, key and ETag.
type pin [sha256.Size]byte

// maxPins bounds one half; a pin takes about 120 bytes.
const maxPins = 16_384

func pinOf(bucket, key, etag string) pin {
	b := make([]byte, 0, 256)
	for _, part := range []string{bucket, key} { // with lengths, so that no two names run together alike
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(part))), part...)
	}
	return sha256.Sum256(append(b, etag...))
}

// check pins an object to its ETag; false when the ETag stood for another.
func (p *pins) check(at s3api.Resource, etag, object string) bool {
	k := pinOf(at.Bucket, at.Key, etag)
	p.mu.Lock()
	defer p.mu.Unlock()
	was, known := p.now[k]
	if !known {
		was, known = p.old[k]
	}
	if known && was != object {
		return false
	}
	if len(p.now) >= maxPins || p.now == nil {
		p.old, p.now = p.now, make(map[pin]string)
	}
	p.now[k] = object
	return true
}
