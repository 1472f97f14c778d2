// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"crypto/subtle"
	"slices"
)

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
	return o.m.own().open(o.m.at(pos), dst, segment, label{pos, k, mark})
}

// Inners is Inner for each of the segments, one or more, that segments holds
// from pos on, by as many goroutines as that is worth. dst grows once. On
// ErrAuth it has the plaintext of those before the first that does not open,
// and nothing of any after that.
func (o *Opener) Inners(dst, segments []byte, pos uint64) ([]byte, error) {
	size := o.m.plain + Overhead
	all := len(segments) / size
	if all == 0 || len(segments)%size != 0 || pos > maxSegments-uint64(all) {
		return dst, ErrAuth
	}
	dst = slices.Grow(dst, all*o.m.plain)
	for len(segments) > 0 {
		n := o.m.together(pos, len(segments)/size)
		good := o.inners(dst[len(dst):][:n*o.m.plain], segments[:n*size], pos)
		if dst = dst[:len(dst)+good*o.m.plain]; good < n {
			return dst, ErrAuth
		}
		segments, pos = segments[n*size:], pos+uint64(n)
	}
	return dst, nil
}

// Want is how many segments the next call of Inners had best be given, at most.
func (o *Opener) Want() int { return o.m.team.want() }

// inners opens segments of one AEAD into out, and returns how many there are
// before the first that does not open.
func (o *Opener) inners(out, segments []byte, pos uint64) (good int) {
	plain, aead := o.m.plain, o.m.at(pos)
	good = o.m.team.each(len(out)/plain, func(w *worker, i int) bool {
		segment := segments[i*(plain+Overhead):][:plain+Overhead]
		_, err := w.open(aead, out[i*plain:][:0:plain], segment, label{pos + uint64(i), inner, innerMark})
		return err == nil
	})
	// What opened behind one that did not is of a message that is not whole.
	clear(out[good*plain:])
	return good
}
