// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// wholeReads are ways to read a stream to its end. The first never gives a
// stream room for two segments, so that they are made one by one.
var wholeReads = map[string]func(r io.Reader) ([]byte, error){
	"one by one": func(r io.Reader) ([]byte, error) { return readBy(r, SegmentSize+100) },
	"few":        func(r io.Reader) ([]byte, error) { return readBy(r, 5*storedSegment+1) },
	"many":       func(r io.Reader) ([]byte, error) { return readBy(r, 40*storedSegment) },
	"written": func(r io.Reader) ([]byte, error) {
		var b bytes.Buffer
		_, err := r.(io.WriterTo).WriteTo(&b)
		return b.Bytes(), err
	},
}

// readBy reads with a buffer of n bytes until r fails, with io.EOF as nil.
func readBy(r io.Reader, n int) (all []byte, err error) {
	buf := make([]byte, n)
	for {
		got, err := r.Read(buf)
		all = append(all, buf[:got]...)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
	}
}

// onFourProcs runs a test as on a machine of four processors, so that segments
// are shared where they can be.
func onFourProcs(t *testing.T) {
	t.Helper()
	before := runtime.GOMAXPROCS(4)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
}

// TestSharedTamper changes each segment of a body in turn: all before it comes
// out, the segment is named, and nothing behind it comes out.
func TestSharedTamper(t *testing.T) {
	onFourProcs(t)
	const segments = 34
	plain := noise(segments * SegmentSize)
	o, stored := sealedObject(t, plain)
	for i := range segments {
		bad := flipped(stored, i*storedSegment+(i*7919)%storedSegment)
		for name, read := range wholeReads {
			got, err := read(o.OpenAll(onlyReader{bytes.NewReader(bad)}, int64(len(bad))))
			wantFault(t, err, ruleSegment)
			if !bytes.Equal(got, plain[:i*SegmentSize]) {
				t.Fatalf("%s: %d bytes came out before segment %d", name, len(got), i)
			}
			if want := fmt.Sprintf("segment %d of part 1", i); err == nil || !strings.Contains(err.Error(), want) {
				t.Fatalf("%s: error %v, want %q in it", name, err, want)
			}
		}
	}
}

// TestLots: only long streams are made by several goroutines, only on several
// processors, and only while these have not enough to do.
func TestLots(t *testing.T) {
	onFourProcs(t)
	defer streams.Store(0)
	for _, tc := range []struct {
		segments, procs, others, streams int
		want                             bool
	}{
		{40, 4, 0, 1, true},
		{40, 4, 7, 1, true},
		{40, 4, 8, 1, false},
		{40, 4, 0, 3, true},
		{40, 4, 0, 4, false},
		{40, 2, 3, 1, true},
		{40, 2, 4, 1, false},
		{40, 1, 0, 0, false},
		{4, 4, 0, 1, false},
		{5, 4, 0, 1, true},
	} {
		runtime.GOMAXPROCS(tc.procs)
		lots.Store(int32(tc.others))
		streams.Store(int32(tc.streams))
		o, stored := sealedObject(t, noise(tc.segments*SegmentSize-100))
		b := o.OpenAll(bytes.NewReader(stored), int64(len(stored))).lot(aheadPieces)
		if b != nil {
			b.drop()
		}
		if left := int(lots.Swap(0)); (b != nil) != tc.want || left != tc.others {
			t.Errorf("%+v: a lot: %t; %d are left", tc, b != nil, left-tc.others)
		}
	}
}

// TestLotsOfRange: a range that begins within a segment has lots as one that does not.
func TestLotsOfRange(t *testing.T) {
	onFourProcs(t)
	plain := noise(40 * SegmentSize)
	o, stored := sealedObject(t, plain)
	for _, off := range []int64{0, 1, 4711, SegmentSize - 1, SegmentSize} {
		n := int64(len(plain)) - off - 100
		cipherOff, cipherLen, err := o.Plan(off, n)
		if err != nil {
			t.Fatal(err)
		}
		r := o.OpenRange(bytes.NewReader(stored[cipherOff:][:cipherLen]), off, n)
		var got bytes.Buffer
		for _, pieces := range []int{1, 2} {
			if _, err := r.make(pieces).write(&got); err != nil {
				t.Fatal(err)
			}
		}
		b := r.lot(aheadPieces)
		if b == nil {
			t.Errorf("from %d on: no lot", off)
			continue
		}
		if _, err := b.write(&got); err != nil || !bytes.Equal(got.Bytes(), plain[off:][:got.Len()]) {
			t.Errorf("from %d on: other bytes, error %v", off, err)
		}
	}
}

// TestLotsAtOnce: while one is in work, another is, and what comes out is in order.
func TestLotsAtOnce(t *testing.T) {
	onFourProcs(t)
	plain := noise(100 * SegmentSize)
	o, stored := sealedObject(t, plain)
	most := atomic.Int32{}
	for deadline := time.Now().Add(time.Minute); most.Load() < 2 && time.Now().Before(deadline); {
		got, err := wholeReads["written"](o.OpenAll(readFunc{bytes.NewReader(stored), func() { most.Store(max(most.Load(), lots.Load())) }}, int64(len(stored))))
		if err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("%d bytes, error %v", len(got), err)
		}
	}
	if most.Load() < 2 {
		t.Errorf("at most %d lots were in work at once", most.Load())
	}
}

// readFunc calls f before each read.
type readFunc struct {
	r io.Reader
	f func()
}

func (r readFunc) Read(b []byte) (int, error) {
	r.f()
	return r.r.Read(b)
}

// TestSourceLends: whatever is taken in turn, lent or not, and however it comes,
// nothing is lost, and what was lent stays as it was.
func TestSourceLends(t *testing.T) {
	t.Parallel()
	plain := noise(9 << 20)
	for _, piece := range []int{1000, 16 << 10, 77777, 1 << 20} {
		src := newSource(pieces{bytes.NewReader(plain), piece}, int64(len(plain)))
		var lent [][]byte
		for i, count := range []int{4, 8, 8, 1, 0, 0, 8, 4, 0, 8, 2, 1, 8, 8} {
			if count == 0 {
				b, err := src.next(SegmentSize)
				if err != nil {
					t.Fatal(err)
				}
				lent = append(lent, bytes.Clone(b))
				continue
			}
			from, b := src.lend(SegmentSize, count, func() bool { return false })
			if from == nil || len(b) != count*SegmentSize {
				t.Fatalf("call %d: %d bytes for %d segments", i, len(b), count)
			}
			lent = append(lent, b)
		}
		if all := slices.Concat(lent...); !bytes.Equal(all, plain[:len(all)]) {
			t.Errorf("in pieces of %d: bytes were lost or exchanged", piece)
		}
	}
}

// TestSourceLendsWhatCame: a source that fails has what came before, and whoever
// stops it does not wait for more than one read.
func TestSourceLendsWhatCame(t *testing.T) {
	t.Parallel()
	plain := noise(5*SegmentSize + 100)
	never := func() bool { return false }
	src := newSource(io.MultiReader(bytes.NewReader(plain), failing{errSource}), 20*SegmentSize)
	if _, b := src.lend(SegmentSize, 8, never); !bytes.Equal(b, plain[:5*SegmentSize]) {
		t.Errorf("%d bytes were lent before the failure", len(b))
	}
	if from, _ := src.lend(SegmentSize, 8, never); from != nil {
		t.Error("less than a segment was lent")
	}
	if _, err := src.next(SegmentSize); !errors.Is(err, errSource) {
		t.Errorf("after it: %v", err)
	}
	reads := 0
	src = newSource(pieces{bytes.NewReader(plain), 1000}, 5*SegmentSize)
	if from, _ := src.lend(SegmentSize, 4, func() bool { reads++; return reads > 3 }); from != nil || src.hi != 3000 {
		t.Errorf("%d bytes were read after it was stopped at 3000", src.hi)
	}
	if b, err := src.next(SegmentSize); err != nil || !bytes.Equal(b, plain[:SegmentSize]) {
		t.Errorf("what came before the stop: %d bytes, error %v", len(b), err)
	}
}

// broken is a stored body in which something may be wrong.
type broken struct {
	bytes []byte
	err   error // after them, nil for io.EOF
	piece int   // most bytes given at once
}

func (b broken) reader() io.Reader {
	r := io.Reader(bytes.NewReader(b.bytes))
	if b.err != nil {
		r = io.MultiReader(r, failing{b.err})
	}
	return pieces{r, b.piece}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

type pieces struct {
	r io.Reader
	n int
}

func (p pieces) Read(b []byte) (int, error) { return p.r.Read(b[:min(len(b), p.n)]) }

var errSource = errors.New("the source failed")

// randomly breaks a body, or not.
func randomly(r *rand.Rand, body []byte) broken {
	b := broken{bytes: bytes.Clone(body), piece: 1 + r.IntN(3<<20)}
	at := r.IntN(len(body) + 1)
	switch r.IntN(5) {
	case 0:
		b.bytes[min(at, len(body)-1)] ^= 1
	case 1:
		b.bytes = b.bytes[:at]
	case 2:
		b.bytes, b.err = b.bytes[:at], errSource
	case 3:
		b.bytes = append(b.bytes, 0)
	}
	return b
}

// TestSharedOpen: whatever is wrong with a body of several parts, and whatever is
// asked of it, segments opened many at a time give the bytes and the error of
// segments opened one by one.
func TestSharedOpen(t *testing.T) {
	onFourProcs(t)
	r := rand.New(rand.NewPCG(3, 3))
	u := newTestUpload(t)
	parts := []sealedPart{sealPart(t, u, 1, noise(5<<20+12345)), sealPart(t, u, 2, noise(6<<20)), sealPart(t, u, 5, noise(1<<20+SegmentSize+1))}
	body := complete(t, u, parts...)
	o, err := openMultipart(t, u.Metadata(), body)
	if err != nil {
		t.Fatal(err)
	}
	for range 25 {
		off := r.Int64N(o.PlainSize())
		n := r.Int64N(o.PlainSize() - off)
		cipherOff, cipherLen, err := o.Plan(off, n)
		if err != nil {
			t.Fatal(err)
		}
		part := randomly(r, body[cipherOff:][:max(1, cipherLen)])
		sameAsOneByOne(t, func() io.Reader { return o.OpenRange(part.reader(), off, n) })
		whole := randomly(r, body)
		sameAsOneByOne(t, func() io.Reader { return o.OpenAll(whole.reader(), int64(len(body))) })
	}
}

func sameAsOneByOne(t *testing.T, open func() io.Reader) {
	t.Helper()
	want, wantErr := wholeReads["one by one"](open())
	for name, read := range wholeReads {
		got, err := read(open())
		if !bytes.Equal(got, want) || fmt.Sprint(err) != fmt.Sprint(wantErr) {
			t.Fatalf("%s: %d bytes, error %v; one by one: %d bytes, error %v", name, len(got), err, len(want), wantErr)
		}
	}
}

// TestSharedSeal: segments sealed many at a time are an object that opens, and a
// source that fails is reported behind as many of them.
func TestSharedSeal(t *testing.T) {
	onFourProcs(t)
	r := rand.New(rand.NewPCG(5, 5))
	for range 20 {
		plain := noise(1 + r.IntN(4<<20))
		source := randomly(r, plain)
		var counts []string
		for name, read := range wholeReads {
			s := newTestSealer(t, int64(len(plain)))
			stored, err := read(s.Reader(source.reader(), noDigests))
			counts = append(counts, fmt.Sprint(len(stored), err))
			if counts[0] != counts[len(counts)-1] {
				t.Fatalf("%s: %v", name, counts)
			}
			if err == nil {
				opened := mustOpenHeader(t, s.Metadata()).OpenAll(bytes.NewReader(stored), int64(len(stored)))
				checkPlain(t, opened, source.bytes)
			}
		}
	}
}

// TestSharedAbandoned: readers that are left in the middle leave nobody at work,
// and their memory is not written to any more while others use it.
func TestSharedAbandoned(t *testing.T) {
	onFourProcs(t)
	plain := noise(5 << 20)
	o, stored := sealedObject(t, plain)
	before := runtime.NumGoroutine()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 6 {
				if i%2 == 0 {
					r := o.OpenAll(bytes.NewReader(stored), int64(len(stored)))
					_, _ = r.WriteTo(&fullAfter{n: 1 << 20})
					continue
				}
				got, err := wholeReads["written"](o.OpenAll(bytes.NewReader(stored), int64(len(stored))))
				if err != nil || !bytes.Equal(got, plain) {
					t.Errorf("%d bytes, error %v", len(got), err)
				}
			}
		})
	}
	wg.Wait()
	if l, s := lots.Load(), streams.Load(); l != 0 || s != 0 {
		t.Errorf("%d lots and %d streams are left", l, s)
	}
	for deadline := time.Now().Add(time.Minute); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}

// fullAfter takes n bytes and no more.
type fullAfter struct{ n int }

func (f *fullAfter) Write(b []byte) (int, error) {
	if f.n -= len(b); f.n < 0 {
		return 0, io.ErrShortWrite
	}
	return len(b), nil
}
