// SPDX-License-Identifier: Apache-2.0

package stream

import "crypto/subtle"

// Opener opens segments of one message at any position. It is for one
// goroutine.
//
// FLOE's random access is safe only for a reader that knows the message's
// authenticated length: the caller must know which position is final from
// elsewhere, and ask for it with Final.
type Opener struct{ m *message }

// NewOpener starts from a header. It returns ErrAuth if the parameters are
// not exactly p, or key and aad are not those of the message.
func NewOpener(p Params, key, header, aad []byte) (*Opener, error) {
	params := p.encode()
	if len(header) != HeaderSize || [paramsSize]byte(header) != params {
		return nil, ErrAuth
	}
	o := NewOpenerIV(p, key, [IVSize]byte(header[paramsSize:]), aad)
	tag := o.m.tag(key)
	if subtle.ConstantTimeCompare(tag[:], header[paramsSize+IVSize:]) != 1 {
		return nil, ErrAuth
	}
	return o, nil
}

// NewOpenerIV starts from an IV which, like key and aad, the caller knows to
// be authentic, so that there is no tag to check.
func NewOpenerIV(p Params, key []byte, iv [IVSize]byte, aad []byte) *Opener {
	return &Opener{newMessage(p, key, iv, append([]byte(nil), aad...))}
}

// Inner appends the plaintext of the inner segment at pos to dst, which must
// not overlap segment. On ErrAuth nothing is appended, though memory between
// dst's length and its capacity may have been overwritten.
func (o *Opener) Inner(dst, segment []byte, pos uint64) ([]byte, error) {
	if len(segment) != o.m.plain+Overhead {
		return dst, ErrAuth
	}
	return o.open(dst, segment, pos, inner, innerMark)
}

// Final is Inner for the last segment.
func (o *Opener) Final(dst, segment []byte, pos uint64) ([]byte, error) {
	if len(segment) < Overhead || len(segment) > o.m.plain+Overhead {
		return dst, ErrAuth
	}
	return o.open(dst, segment, pos, final, uint32(len(segment)))
}

func (o *Opener) open(dst, segment []byte, pos uint64, k kind, mark uint32) ([]byte, error) {
	if pos >= maxSegments {
		return dst, ErrAuth
	}
	return o.m.own.open(o.m.at(pos), dst, segment, label{pos, k, mark})
}
