// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"bytes"
	"testing"
)

var (
	small   = Params{Segment: 64}
	testKey = bytes.Repeat([]byte{9}, 32)
	testAAD = []byte("aad")
)

// sealMessage returns header and segments of a message of the given plaintext.
func sealMessage(p Params, plain []byte) (header []byte, segments [][]byte) {
	s := NewSealer(p, testKey, testAAD)
	for len(plain) > p.Plain() {
		segments = append(segments, s.Inner(nil, plain[:p.Plain()]))
		plain = plain[p.Plain():]
	}
	segments = append(segments, s.Final(nil, plain))
	h := s.Header()
	return h[:], segments
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, p := range []Params{small, {Segment: 64, rotation: 1}, {Segment: 65568}} {
		for _, n := range []int{0, 1, p.Plain() - 1, p.Plain(), p.Plain() + 1, 9 * p.Plain()} {
			plain := bytes.Repeat([]byte{1, 2, 3}, n/3+1)[:n]
			header, segments := sealMessage(p, plain)
			o, err := NewOpener(p, testKey, header, testAAD)
			if err != nil {
				t.Fatal(err)
			}
			got, err := openAll(o, bytes.Join(segments, nil), p.Segment)
			if err != nil || !bytes.Equal(got, plain) {
				t.Errorf("segment %d, %d bytes: got %d bytes, error %v", p.Segment, n, len(got), err)
			}
		}
	}
}

func TestHeaderRefused(t *testing.T) {
	t.Parallel()
	header, _ := sealMessage(small, nil)
	for i := range header {
		bad := bytes.Clone(header)
		bad[i] ^= 1
		if _, err := NewOpener(small, testKey, bad, testAAD); err == nil {
			t.Errorf("header with byte %d changed was accepted", i)
		}
	}
	for name, open := range map[string]func() (*Opener, error){
		"other key":    func() (*Opener, error) { return NewOpener(small, make([]byte, 32), header, testAAD) },
		"other aad":    func() (*Opener, error) { return NewOpener(small, testKey, header, []byte("aae")) },
		"other params": func() (*Opener, error) { return NewOpener(Params{Segment: 128}, testKey, header, testAAD) },
		"short":        func() (*Opener, error) { return NewOpener(small, testKey, header[:HeaderSize-1], testAAD) },
		"long":         func() (*Opener, error) { return NewOpener(small, testKey, append(header, 0), testAAD) },
	} {
		if _, err := open(); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestSegmentRefused(t *testing.T) {
	t.Parallel()
	header, seg := sealMessage(small, make([]byte, 3*small.Plain()))
	o, err := NewOpener(small, testKey, header, testAAD)
	if err != nil {
		t.Fatal(err)
	}
	for i := range seg[0] {
		bad := bytes.Clone(seg[0])
		bad[i] ^= 0x80
		if _, err := o.Inner(nil, bad, 0); err == nil {
			t.Errorf("segment with byte %d changed was accepted", i)
		}
	}
	// A full final segment has the length of an inner one: only the mark and
	// the AAD tell them apart.
	asInner := append([]byte{0xFF, 0xFF, 0xFF, 0xFF}, seg[2][4:]...)
	asFinal := append([]byte{0, 0, 0, byte(small.Segment)}, seg[1][4:]...)
	for name, open := range map[string]func() ([]byte, error){
		"moved":             func() ([]byte, error) { return o.Inner(nil, seg[0], 1) },
		"inner as final":    func() ([]byte, error) { return o.Final(nil, asFinal, 1) },
		"final as inner":    func() ([]byte, error) { return o.Inner(nil, asInner, 2) },
		"final, inner mark": func() ([]byte, error) { return o.Final(nil, asInner, 2) },
		"cut":               func() ([]byte, error) { return o.Inner(nil, seg[0][:63], 0) },
		"cut final":         func() ([]byte, error) { return o.Final(nil, seg[2][:63], 2) },
		"tiny final":        func() ([]byte, error) { return o.Final(nil, seg[2][:3], 2) },
		"past the end":      func() ([]byte, error) { return o.Inner(nil, seg[0], maxSegments) },
	} {
		if _, err := open(); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

// TestFreshIV: two attempts to seal the same bytes share nothing.
func TestFreshIV(t *testing.T) {
	t.Parallel()
	a, b := NewSealer(small, testKey, testAAD), NewSealer(small, testKey, testAAD)
	if a.IV() == b.IV() {
		t.Error("two sealers drew one IV")
	}
	if bytes.Equal(a.m.key, b.m.key) {
		t.Error("two sealers derived one message key")
	}
}

// TestSealerMisuse: a Sealer cannot be made to use a position twice, nor to
// write what an opener would refuse.
func TestSealerMisuse(t *testing.T) {
	t.Parallel()
	panics(t, map[string]func(s *Sealer){
		"after the end": func(s *Sealer) { s.Final(s.Final(nil, nil), nil) },
		"inner short":   func(s *Sealer) { s.Inner(nil, make([]byte, small.Plain()-1)) },
		"final long":    func(s *Sealer) { s.Final(nil, make([]byte, small.Plain()+1)) },
		"too many":      func(s *Sealer) { s.pos = maxSegments; s.Final(nil, nil) },
	})
}

// panics wants each misuse of a new Sealer to panic.
func panics(t *testing.T, misuses map[string]func(s *Sealer)) {
	t.Helper()
	for name, misuse := range misuses {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			defer func() {
				if recover() == nil {
					t.Error("did not panic")
				}
			}()
			misuse(NewSealer(small, testKey, testAAD))
		})
	}
}

func TestNoAllocationPerSegment(t *testing.T) {
	p := Params{Segment: 4096}
	s := NewSealer(p, testKey, testAAD)
	plain, dst := make([]byte, p.Plain()), make([]byte, 0, p.Segment)
	if n := testing.AllocsPerRun(100, func() { s.Inner(dst, plain) }); n > 0 {
		t.Errorf("sealing allocates %v times a segment", n)
	}
	header, segments := sealMessage(p, make([]byte, 2*p.Plain()))
	o, err := NewOpener(p, testKey, header, testAAD)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { _, err = o.Inner(dst, segments[0], 0) }); n > 0 || err != nil {
		t.Errorf("opening allocates %v times a segment (error %v)", n, err)
	}
}
