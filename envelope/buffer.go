// SPDX-License-Identifier: Apache-2.0

package envelope

import "sync"

// The sizes that buffers come in, in bytes: one stored segment, four of them
// (what is read from a source at once), eight (what is written at once).
// Measured: larger ones are not faster, smaller ones cost more calls.
const (
	oneSegment  = storedSegment
	readBatch   = 4 * storedSegment
	writeBatch  = aheadPieces * storedSegment
	bufferSizes = 3
)

var (
	classes = [bufferSizes]int{oneSegment, readBatch, writeBatch}
	pools   [bufferSizes]sync.Pool
)

// buffer is pooled memory. Its content is whatever was there before, which
// may be another object's plaintext: only what has been written since may be
// read.
type buffer struct {
	b     []byte
	class int
}

// getBuffer returns a buffer of at least n bytes, or the largest.
func getBuffer(n int64) *buffer {
	class := 0
	for class < bufferSizes-1 && int64(classes[class]) < n {
		class++
	}
	if b, ok := pools[class].Get().(*buffer); ok {
		return b
	}
	return &buffer{make([]byte, classes[class]), class}
}

// put gives the buffer back. Nothing may use it or a slice of it afterwards.
func (b *buffer) put() {
	if b != nil {
		pools[b.class].Put(b)
	}
}
