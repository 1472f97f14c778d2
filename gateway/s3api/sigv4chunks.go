// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
)

// chunkChain verifies the signatures of the chunks of a payload (S3.md,
// "Payloads"). Each covers the one before it, so that no chunk can be left
// out, moved, or sent twice. A nil chain takes everything.
type chunkChain struct {
	key   []byte
	stamp string
	last  string // the signature before this chunk, in hex
	sent  string // the one that this chunk came with, in hex
	sum   hash.Hash
}

func newChunkChain(v *Verified) *chunkChain {
	return &chunkChain{key: v.key, stamp: v.stamp, last: hex.EncodeToString(v.seed[:]), sum: sha256.New()}
}

// begin goes to the next chunk, which came with that signature.
func (c *chunkChain) begin(sig string) {
	if c == nil {
		return
	}
	c.sent = sig
	c.sum.Reset()
}

// write takes data of the chunk.
func (c *chunkChain) write(p []byte) {
	if c != nil {
		_, _ = c.sum.Write(p) // a hash.Hash never fails
	}
}

var emptySum = hexSum("")

// end verifies the chunk once all its data was written.
func (c *chunkChain) end() error {
	if c == nil {
		return nil
	}
	return c.check("AWS4-HMAC-SHA256-PAYLOAD\n"+c.stamp+c.last+"\n"+emptySum+"\n"+hex.EncodeToString(c.sum.Sum(nil)), c.sent)
}

// trailer verifies the signature of the trailer after the last chunk.
func (c *chunkChain) trailer(a Algorithm, value, sig string) error {
	if c == nil {
		return nil
	}
	lines := ""
	if a != ChecksumNone {
		lines = a.header() + ":" + value + "\n"
	}
	return c.check("AWS4-HMAC-SHA256-TRAILER\n"+c.stamp+c.last+"\n"+hexSum(lines), sig)
}

func (c *chunkChain) check(text, sig string) error {
	want := hex.EncodeToString(mac(c.key, text))
	if !hmac.Equal([]byte(want), []byte(sig)) {
		return NewError("SignatureDoesNotMatch", "the signature of a chunk of the payload, or of its trailer, does not match")
	}
	c.last = want
	return nil
}
