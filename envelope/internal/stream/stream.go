// SPDX-License-Identifier: Apache-2.0

// Package stream implements FLOE (c2sp.org/FLOE), the segmented AEAD of
// FORMAT §8, and nothing else: AES-256-GCM segments under keys derived with
// HKDF-Expand-SHA384. It knows neither objects nor parts.
//
// Nonces are random and stored in the segments. That is the only form of GCM
// which Go's FIPS mode accepts, and it costs 1 to 3 % of speed.
package stream

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha512"
	"encoding/binary"
	"errors"
)

const (
	// IVSize is the length of the message's IV in bytes.
	IVSize = 32
	// TagSize is the length of the header tag in bytes.
	TagSize = 32
	// HeaderSize is the length of PARAMS | IV | tag in bytes.
	HeaderSize = paramsSize + IVSize + TagSize
	// Overhead is how much longer a segment is than its plaintext:
	// mark 4 | nonce 12 | tag 16.
	Overhead = markSize + gcmOverhead

	paramsSize     = 10
	markSize       = 4
	gcmOverhead    = 12 + 16
	messageKeySize = 48
	segmentKeySize = 32

	// innerMark stands where the last segment has its length.
	innerMark = 0xFFFFFFFF

	// rotation: a new segment key every 2^20 segments.
	rotation = 20
	// maxSegments bounds a message, by the FLOE specification.
	maxSegments = 1 << 40
)

// ErrAuth is the one error for data that does not open.
var ErrAuth = errors.New("stream: message does not verify")

// Params fixes the shape of a message. Both sides take it from constants,
// never from the message.
type Params struct {
	// Segment is the stored length of an inner segment in bytes, Overhead included.
	Segment int
	// rotation replaces the number of low position bits that share a segment
	// key. The known answers need it; 0 means the standard 20.
	rotation int
}

// Plain is the plaintext length of an inner segment in bytes.
func (p Params) Plain() int { return p.Segment - Overhead }

func (p Params) encode() (b [paramsSize]byte) {
	// AEAD id 0 and KDF id 0 are the zero bytes in front.
	binary.BigEndian.PutUint32(b[2:], uint32(p.Segment))
	binary.BigEndian.PutUint32(b[6:], IVSize)
	return b
}

// message holds what the segments of one message share. The AEAD is cached
// for the run of positions that use it, so a message is for one goroutine, but the
// runs that it gives out are for others.
type message struct {
	plain, rotation int
	context         []byte // PARAMS | IV
	aad             []byte
	key             []byte // message key
	aead            cipher.AEAD
	run             uint64 // position>>rotation that aead is for
	own             worker
}

func newMessage(p Params, key []byte, iv [IVSize]byte, aad []byte) *message {
	params := p.encode()
	m := &message{plain: p.Plain(), rotation: p.rotation, aad: aad}
	if m.rotation == 0 {
		m.rotation = rotation
	}
	m.context = append(append(make([]byte, 0, paramsSize+IVSize), params[:]...), iv[:]...)
	m.key = m.derive(key, "MESSAGE_KEY:", messageKeySize)
	return m
}

// derive is FLOE_KDF: HKDF-Expand-SHA384(key, PARAMS | IV | purpose | AAD, n).
func (m *message) derive(key []byte, purpose string, n int) []byte {
	info := string(m.context) + purpose + string(m.aad)
	out, err := hkdf.Expand(sha512.New384, key, info, n)
	if err != nil {
		panic("stream: internal error: " + err.Error()) // n is a constant far below the limit
	}
	return out
}

func (m *message) tag(key []byte) [TagSize]byte {
	return [TagSize]byte(m.derive(key, "HEADER_TAG:", TagSize))
}

// at returns the AEAD for a position.
func (m *message) at(pos uint64) cipher.AEAD {
	if run := pos >> m.rotation; m.aead == nil || run != m.run {
		m.aead, m.run = m.newAEAD(run<<m.rotation), run
	}
	return m.aead
}

// together returns how many of n positions from pos on use the same AEAD.
func (m *message) together(pos uint64, n int) int {
	return int(min(uint64(n), 1<<m.rotation-pos&(1<<m.rotation-1)))
}

func (m *message) newAEAD(pos uint64) cipher.AEAD {
	purpose := string(binary.BigEndian.AppendUint64([]byte("DEK:"), pos))
	block, err := aes.NewCipher(m.derive(m.key, purpose, segmentKeySize))
	if err == nil {
		var aead cipher.AEAD
		if aead, err = cipher.NewGCMWithRandomNonce(block); err == nil {
			return aead
		}
	}
	panic("stream: internal error: " + err.Error()) // 32-byte AES keys are always accepted
}

// kind is the last byte of a segment's AAD.
type kind byte

const (
	inner kind = 0
	final kind = 1
)

// label is what a segment says of itself: the mark in front, the rest in its AAD.
type label struct {
	pos  uint64
	kind kind
	mark uint32
}

// worker is what one goroutine has to itself.
type worker struct{ segmentAAD [9]byte }

// additional returns the AAD of a segment. The array lives in the worker so
// that passing it to the AEAD costs no allocation.
func (w *worker) additional(l label) []byte {
	binary.BigEndian.PutUint64(w.segmentAAD[:], l.pos)
	w.segmentAAD[8] = byte(l.kind)
	return w.segmentAAD[:]
}

func (w *worker) seal(aead cipher.AEAD, dst, plain []byte, l label) []byte {
	dst = binary.BigEndian.AppendUint32(dst, l.mark)
	return aead.Seal(dst, nil, plain, w.additional(l)) //nolint:gosec // G407: this AEAD draws its nonce itself and takes none
}

func (w *worker) open(aead cipher.AEAD, dst, segment []byte, l label) ([]byte, error) {
	if binary.BigEndian.Uint32(segment) != l.mark {
		return dst, ErrAuth
	}
	out, err := aead.Open(dst, nil, segment[markSize:], w.additional(l))
	if err != nil {
		return dst, ErrAuth
	}
	return out, nil
}
