// SPDX-License-Identifier: Apache-2.0

package stream

import "crypto/rand"

// Sealer seals one message, front to back. It draws its own IV and counts its
// own positions: there is no way to seal twice under one IV and position,
// short of copying the Sealer, which nobody may.
type Sealer struct {
	m      *message
	header [HeaderSize]byte
	pos    uint64
	done   bool
}

// NewSealer starts a message under key (32 bytes or more), bound to aad.
// Both are copied or consumed before it returns.
func NewSealer(p Params, key, aad []byte) *Sealer {
	var iv [IVSize]byte
	rand.Read(iv[:]) // never fails: it ends the process instead
	m := newMessage(p, key, iv, append([]byte(nil), aad...))
	s := &Sealer{m: m}
	tag := m.tag(key)
	copy(s.header[copy(s.header[:], m.context):], tag[:])
	return s
}

// Header returns PARAMS | IV | tag.
func (s *Sealer) Header() [HeaderSize]byte { return s.header }

// IV returns the message's IV.
func (s *Sealer) IV() [IVSize]byte { return [IVSize]byte(s.header[paramsSize:]) }

// Inner appends the next inner segment to dst. plain must have exactly
// Params.Plain bytes and not overlap dst.
func (s *Sealer) Inner(dst, plain []byte) []byte {
	if len(plain) != s.m.plain {
		panic("stream: internal error: inner segment of wrong length")
	}
	return s.seal(dst, plain, inner, innerMark)
}

// Final appends the last segment to dst and ends the message. plain has at
// most Params.Plain bytes and must not overlap dst.
func (s *Sealer) Final(dst, plain []byte) []byte {
	if len(plain) > s.m.plain {
		panic("stream: internal error: final segment too long")
	}
	dst = s.seal(dst, plain, final, uint32(len(plain)+Overhead))
	s.done = true
	return dst
}

func (s *Sealer) seal(dst, plain []byte, k kind, mark uint32) []byte {
	pos := s.take(1)
	return s.m.own.seal(s.m.at(pos), dst, plain, label{pos, k, mark})
}

// take gives out n positions, each of them once, and returns the first.
func (s *Sealer) take(n int) uint64 {
	if s.done || s.pos+uint64(n) > maxSegments {
		panic("stream: internal error: segment after the end")
	}
	pos := s.pos
	s.pos += uint64(n)
	return pos
}
