// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// withProcs runs a test as on a machine of n processors.
func withProcs(t *testing.T, n int) {
	t.Helper()
	before := runtime.GOMAXPROCS(n)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
}

// eager makes a team ask for help in the next call.
func eager(t *team) { t.alone, t.rest = time.Hour, 0 }

// TestTeamShares: others do take segments, at the same time, and each segment is
// taken once.
func TestTeamShares(t *testing.T) {
	withProcs(t, 4)
	var tm team
	eager(&tm)
	var taken [MinShared]atomic.Int32
	met := make(chan bool)
	good := tm.each(MinShared, func(_ *worker, i int) bool {
		taken[i].Add(1)
		switch i {
		case 0:
			select {
			case met <- true:
			case <-time.After(time.Minute):
				t.Error("nobody took the second segment while the first was in work")
			}
		case 1:
			select {
			case <-met:
			case <-time.After(time.Minute):
			}
		}
		return true
	})
	for i := range taken {
		if n := taken[i].Load(); n != 1 {
			t.Errorf("segment %d was taken %d times", i, n)
		}
	}
	if good != MinShared || atWork.Load() != 0 {
		t.Errorf("%d of %d are good, %d workers are left", good, MinShared, atWork.Load())
	}
}

// TestTeamAlone: nobody is woken for few segments, on one processor, while all
// processors are at work, before it is known what it takes alone, and for a while
// after help did not pay.
func TestTeamAlone(t *testing.T) {
	withProcs(t, 2)
	var tm team
	wantAlone := func(why string, n int, want bool) {
		t.Helper()
		if size := tm.size(n); (size == 1) != want {
			t.Errorf("%s: %d goroutines for %d segments", why, size, n)
		}
	}
	wantAlone("at first", 100, true)
	tm.judge(false, 1000)
	wantAlone("when that is known", MinShared, false)
	wantAlone("few", MinShared-1, true)
	atWork.Add(1)
	wantAlone("while another is at work", 100, true)
	atWork.Add(-1)
	pauses := 0
	for range 10 {
		tm.judge(true, 876)
		for tm.size(100) == 1 {
			pauses++
		}
	}
	if pauses != 0+1+3+7+15+5*maxPause {
		t.Errorf("%d calls without help that did not pay", pauses)
	}
	tm.judge(true, 875)
	wantAlone("after help did pay", 100, false)
	tm.judge(false, 900)
	tm.judge(true, 875)
	wantAlone("after it did not pay once", 100, false)
	tm.judge(true, 875)
	wantAlone("after it took less alone", 100, true)
	tm.rest = 0
	runtime.GOMAXPROCS(1)
	wantAlone("on one processor", 100, true)
}

// TestTeamFirstFailure: whoever fails when, what counts is the first failure, and
// all before it has been done.
func TestTeamFirstFailure(t *testing.T) {
	withProcs(t, 4)
	var tm team
	for round := range 2000 {
		r := rand.New(rand.NewPCG(1, uint64(round)))
		n := 1 + r.IntN(40)
		bad, first := make([]bool, n), n
		for i := n - 1; i >= 0; i-- {
			if bad[i] = r.IntN(8) == 0; bad[i] {
				first = i
			}
		}
		done := make([]bool, n)
		eager(&tm)
		good := tm.each(n, func(_ *worker, i int) bool {
			done[i] = true
			runtime.Gosched()
			return !bad[i]
		})
		if good != first {
			t.Fatalf("the first failure of %d is %d, not %d", n, first, good)
		}
		for i := range good {
			if !done[i] {
				t.Fatalf("segment %d before the failure %d was left out", i, good)
			}
		}
	}
}

// runs are messages of several segments, some under several keys.
var runs = []Params{small, {Segment: 64, rotation: 1}, {Segment: 64, rotation: 3}, {Segment: 4096}}

// TestInners: many segments at once are the same message as one by one.
func TestInners(t *testing.T) {
	withProcs(t, 4)
	for _, p := range runs {
		for n := 1; n < 40; n++ {
			plain := make([]byte, n*p.Plain())
			_, _ = rand.NewChaCha8([32]byte{byte(n)}).Read(plain) // never fails
			s := NewSealer(p, testKey, testAAD)
			if n%2 == 0 {
				eager(&s.m.team)
			}
			segments := s.Inners([]byte("before"), plain)[len("before"):]
			header, last := s.Header(), s.Final(nil, []byte("end"))
			o, err := NewOpener(p, testKey, header[:], testAAD)
			if err != nil {
				t.Fatal(err)
			}
			one, err := openAll(o, append(bytes.Clone(segments), last...), p.Segment)
			if err != nil || !bytes.Equal(one, slices.Concat(plain, []byte("end"))) {
				t.Fatalf("sealed together, opened one by one: %d bytes, error %v", len(one), err)
			}
			eager(&o.m.team)
			all, err := o.Inners([]byte("before"), segments, 0)
			if err != nil || string(all[:6]) != "before" || !bytes.Equal(all[6:], plain) {
				t.Fatalf("opened together: %d bytes, error %v", len(all), err)
			}
		}
	}
}

// TestInnersRefused: whichever segment is changed, those before it come out and
// nothing else is in the memory behind.
func TestInnersRefused(t *testing.T) {
	withProcs(t, 4)
	const n = 24
	for _, p := range runs {
		plain := bytes.Repeat([]byte{1}, n*p.Plain())
		s := NewSealer(p, testKey, testAAD)
		segments := s.Inners(nil, plain)
		header := s.Header()
		o, err := NewOpener(p, testKey, header[:], testAAD)
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			bad := bytes.Clone(segments)
			bad[i*p.Segment+i*97%p.Segment] ^= 1
			eager(&o.m.team)
			got, err := o.Inners(make([]byte, 0, n*p.Plain()), bad, 0)
			if !errors.Is(err, ErrAuth) || len(got) != i*p.Plain() {
				t.Fatalf("segment %d changed: %d bytes, error %v", i, len(got), err)
			}
			if !bytes.Equal(got, plain[:len(got)]) || bytes.Contains(got[:cap(got)][len(got):], []byte{1}) {
				t.Fatalf("segment %d changed: what came out is not what was before it", i)
			}
		}
	}
}

// TestInnersMisuse: no segment in other places, of other lengths or behind the
// last.
func TestInnersMisuse(t *testing.T) {
	t.Parallel()
	s := NewSealer(small, testKey, testAAD)
	segments := s.Inners(nil, make([]byte, 8*small.Plain()))
	header := s.Header()
	o, err := NewOpener(small, testKey, header[:], testAAD)
	if err != nil {
		t.Fatal(err)
	}
	moved := append(bytes.Clone(segments[64:]), segments[:64]...)
	for name, open := range map[string]func() ([]byte, error){
		"moved":        func() ([]byte, error) { return o.Inners(nil, segments, 1) },
		"reordered":    func() ([]byte, error) { return o.Inners(nil, moved, 0) },
		"none":         func() ([]byte, error) { return o.Inners(nil, nil, 0) },
		"cut":          func() ([]byte, error) { return o.Inners(nil, segments[:len(segments)-1], 0) },
		"past the end": func() ([]byte, error) { return o.Inners(nil, segments, maxSegments-7) },
		"far past it":  func() ([]byte, error) { return o.Inners(nil, segments, 1<<64-8) },
	} {
		if got, err := open(); !errors.Is(err, ErrAuth) || len(got) > 0 {
			t.Errorf("%s: %d bytes, error %v", name, len(got), err)
		}
	}
	panics(t, map[string]func(s *Sealer){
		"after the end": func(s *Sealer) { s.Inners(s.Final(nil, nil), make([]byte, small.Plain())) },
		"short":         func(s *Sealer) { s.Inners(nil, make([]byte, 2*small.Plain()-1)) },
		"none":          func(s *Sealer) { s.Inners(nil, nil) },
		"too many":      func(s *Sealer) { s.pos = maxSegments - 1; s.Inners(nil, make([]byte, 2*small.Plain())) },
	})
}
