// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

// shapes are messages of several segments, some under several keys.
var shapes = []Params{small, {Segment: 64, rotation: 1}, {Segment: 64, rotation: 3}, {Segment: 4096}}

// sealRuns seals plain in runs, all of them at the same time.
func sealRuns(s *Sealer, plain []byte) []byte {
	var all [][]byte
	var done sync.WaitGroup
	for size := s.m.plain; len(plain) > 0; {
		n := s.Together(len(plain) / size)
		r, from, i := s.Run(n), plain[:n*size], len(all)
		all, plain = append(all, make([]byte, 0, n*(size+Overhead))), plain[n*size:]
		to := all[i]
		all[i] = to[:cap(to)]
		done.Go(func() { r.Seal(to, from) })
	}
	done.Wait()
	return slices.Concat(all...)
}

// openRuns opens segments in runs of at most n, until one is refused.
func openRuns(o *Opener, segments []byte, pos uint64, n int) (plain []byte, err error) {
	size := o.m.plain + Overhead
	for len(segments) > 0 && err == nil {
		r := o.Run(pos, min(n, len(segments)/size))
		plain, err = r.Open(plain, segments[:r.Len()*size])
		segments, pos = segments[r.Len()*size:], pos+uint64(r.Len())
	}
	return plain, err
}

// TestRuns: segments in runs are the same message as one by one.
func TestRuns(t *testing.T) {
	t.Parallel()
	for _, p := range shapes {
		for n := 1; n < 40; n++ {
			plain := make([]byte, n*p.Plain())
			_, _ = rand.NewChaCha8([32]byte{byte(n)}).Read(plain) // never fails
			s := NewSealer(p, testKey, testAAD)
			segments := sealRuns(s, plain)
			header, last := s.Header(), s.Final(nil, []byte("end"))
			o, err := NewOpener(p, testKey, header[:], testAAD)
			if err != nil {
				t.Fatal(err)
			}
			one, err := openAll(o, append(bytes.Clone(segments), last...), p.Segment)
			if err != nil || !bytes.Equal(one, slices.Concat(plain, []byte("end"))) {
				t.Fatalf("sealed in runs, opened one by one: %d bytes, error %v", len(one), err)
			}
			if all, err := openRuns(o, segments, 0, 8); err != nil || !bytes.Equal(all, plain) {
				t.Fatalf("opened in runs: %d bytes, error %v", len(all), err)
			}
		}
	}
}

// TestRunsRefused: whichever segment is changed, those before it come out and
// nothing else is in the memory behind.
func TestRunsRefused(t *testing.T) {
	t.Parallel()
	const n = 24
	for _, p := range shapes {
		plain := bytes.Repeat([]byte{1}, n*p.Plain())
		s := NewSealer(p, testKey, testAAD)
		segments := sealRuns(s, plain)
		header := s.Header()
		o, err := NewOpener(p, testKey, header[:], testAAD)
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			bad := bytes.Clone(segments)
			bad[i*p.Segment+i*97%p.Segment] ^= 1
			got, err := openRuns(o, bad, 0, n)
			if !errors.Is(err, ErrAuth) || len(got) != i*p.Plain() {
				t.Fatalf("segment %d changed: %d bytes, error %v", i, len(got), err)
			}
			if !bytes.Equal(got, plain[:len(got)]) || bytes.Contains(got[:cap(got)][len(got):], []byte{1}) {
				t.Fatalf("segment %d changed: what came out is not what was before it", i)
			}
		}
	}
}

// TestRunMisuse: no segment in other places, of other lengths, twice or behind
// the last.
func TestRunMisuse(t *testing.T) {
	t.Parallel()
	s := NewSealer(small, testKey, testAAD)
	segments := sealRuns(s, make([]byte, 8*small.Plain()))
	header := s.Header()
	o, err := NewOpener(small, testKey, header[:], testAAD)
	if err != nil {
		t.Fatal(err)
	}
	moved := append(bytes.Clone(segments[64:]), segments[:64]...)
	for name, c := range map[string]struct {
		run  *OpenRun
		from []byte
	}{
		"moved":        {o.Run(1, 8), segments},
		"reordered":    {o.Run(0, 8), moved},
		"none":         {o.Run(0, 8), nil},
		"cut":          {o.Run(0, 8), segments[:len(segments)-1]},
		"too many":     {o.Run(0, 7), segments},
		"past the end": {o.Run(maxSegments-7, 8), segments},
		"beyond":       {o.Run(maxSegments, 8), segments},
		"far beyond":   {o.Run(1<<64-8, 8), segments},
	} {
		if got, err := c.run.Open(nil, c.from); !errors.Is(err, ErrAuth) || len(got) > 0 {
			t.Errorf("%s: %d bytes, error %v", name, len(got), err)
		}
	}
	for _, pos := range []uint64{maxSegments, maxSegments + 1, 1<<64 - 8} {
		if n := o.Run(pos, 8).Len(); n != 0 {
			t.Errorf("a run of %d at %d, beyond the end", n, pos)
		}
	}
	segment := make([]byte, small.Plain())
	panics(t, map[string]func(s *Sealer){
		"after the end": func(s *Sealer) { s.Final(nil, nil); s.Run(1) },
		"short":         func(s *Sealer) { s.Run(2).Seal(nil, make([]byte, 2*small.Plain()-1)) },
		"none":          func(s *Sealer) { s.Run(0).Seal(nil, nil) },
		"too many":      func(s *Sealer) { s.pos = maxSegments - 1; s.Run(2) },
		"several keys":  func(*Sealer) { NewSealer(Params{Segment: 64, rotation: 1}, testKey, testAAD).Run(3) },
		"twice": func(s *Sealer) {
			r := s.Run(1)
			r.Seal(nil, segment)
			r.Seal(nil, segment)
		},
	})
}
