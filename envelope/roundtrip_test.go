// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// edges are the lengths at which something changes.
var edges = []int{0, 1, 31, 65535, 65536, 65537, 131071, 131072, 131073, 4*65536 + 5, 5<<20 - 1, 5 << 20, 5<<20 + 1}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 8))
	sizes := edges
	for range 10 {
		sizes = append(sizes, r.IntN(1<<(1+r.IntN(22))))
	}
	for _, n := range sizes {
		plain := noise(n)
		meta, stored := sealed(t, plain)
		o := mustOpenHeader(t, meta)
		if o.PlainSize() != int64(n) || o.Multipart() || o.Ring() != testRing || o.RingVersion() != 3 {
			t.Fatalf("%d bytes: header says %d bytes, multipart %v, ring %s/%d", n, o.PlainSize(), o.Multipart(), o.Ring(), o.RingVersion())
		}
		all := o.OpenAll(bytes.NewReader(stored), int64(len(stored)))
		checkPlain(t, all, plain)
		if all.Manifest() == nil || all.Manifest().PlainSize != int64(n) {
			t.Fatalf("%d bytes: no manifest after the end", n)
		}
		for range 5 {
			off := r.Int64N(int64(n) + 1)
			checkRange(t, o, stored, plain, off, r.Int64N(int64(n)-off+1))
		}
	}
}

// TestRangeEdges reads around every segment's edge.
func TestRangeEdges(t *testing.T) {
	t.Parallel()
	plain := noise(3*SegmentSize + 100)
	o, stored := sealedObject(t, plain)
	var offs []int64
	for i := range int64(4) {
		offs = append(offs, max(0, i*SegmentSize-1), i*SegmentSize, i*SegmentSize+1)
	}
	for _, off := range append(offs, int64(len(plain))-1, int64(len(plain))) {
		for _, n := range []int64{0, 1, 2, SegmentSize - 1, SegmentSize, SegmentSize + 1, 2 * SegmentSize, 1 << 30} {
			checkRange(t, o, stored, plain, off, min(n, int64(len(plain))-off))
		}
	}
}

// checkRange opens a range from exactly the planned bytes.
func checkRange(t *testing.T, o *Object, stored, plain []byte, off, n int64) {
	t.Helper()
	cipherOff, cipherLen, err := o.Plan(off, n)
	if err != nil {
		t.Fatalf("planning %d bytes at %d: %v", n, off, err)
	}
	checkPlain(t, o.OpenRange(bytes.NewReader(stored[cipherOff:cipherOff+cipherLen]), off, n), plain[off:off+n])
}

// checkPlain reads r to its end.
func checkPlain(t *testing.T, r io.Reader, want []byte) {
	t.Helper()
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("reading %d bytes: %v (%s)", len(want), err, Fault(err))
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("got %d bytes, want %d others", len(got), len(want))
	}
}

// TestReaders reads both directions through awkward sources and in awkward
// pieces.
func TestReaders(t *testing.T) {
	t.Parallel()
	sources := map[string]func(io.Reader) io.Reader{
		"whole":         func(r io.Reader) io.Reader { return r },
		"half reads":    iotest.HalfReader,
		"data with EOF": iotest.DataErrReader,
		"one byte":      iotest.OneByteReader,
		"empty reads":   func(r io.Reader) io.Reader { return &hesitant{r: r} },
	}
	drains := map[string]func(io.Reader) ([]byte, error){
		"read all": io.ReadAll,
		"pieces": func(r io.Reader) ([]byte, error) {
			var b bytes.Buffer
			_, err := io.CopyBuffer(onlyWriter{&b}, onlyReader{r}, make([]byte, 1000))
			return b.Bytes(), err
		},
		"large pieces": func(r io.Reader) ([]byte, error) {
			var b bytes.Buffer
			_, err := io.CopyBuffer(onlyWriter{&b}, onlyReader{r}, make([]byte, 3*storedSegment+7))
			return b.Bytes(), err
		},
		"write to": func(r io.Reader) ([]byte, error) {
			var b bytes.Buffer
			_, err := r.(io.WriterTo).WriteTo(&b)
			return b.Bytes(), err
		},
	}
	plain := noise(2*SegmentSize + 17)
	for from, source := range sources {
		for how, drain := range drains {
			t.Run(from+"/"+how, func(t *testing.T) {
				t.Parallel()
				s := newTestSealer(t, int64(len(plain)))
				stored, err := drain(s.Reader(source(bytes.NewReader(plain)), noDigests))
				if err != nil || int64(len(stored)) != s.StoredSize() {
					t.Fatalf("sealing: %d bytes, error %v", len(stored), err)
				}
				o := mustOpenHeader(t, s.Metadata())
				got, err := drain(o.OpenAll(source(bytes.NewReader(stored)), s.StoredSize()))
				if err != nil || !bytes.Equal(got, plain) {
					t.Fatalf("opening: %d bytes, error %v (%s)", len(got), err, Fault(err))
				}
			})
		}
	}
}

// hesitant returns nothing on every other call, as an io.Reader may.
type hesitant struct {
	r    io.Reader
	turn bool
}

func (h *hesitant) Read(p []byte) (int, error) {
	if h.turn = !h.turn; h.turn {
		return 0, nil
	}
	return h.r.Read(p)
}

// onlyWriter hides a destination's ReadFrom.
type onlyWriter struct{ io.Writer }

// TestManifestCarries: what finish returns comes back, and attributes too.
func TestManifestCarries(t *testing.T) {
	t.Parallel()
	plain := []byte("weights")
	sha := sha256.Sum256(plain)
	want := Digests{CRC64NVME: [8]byte{1, 2, 3}, SHA256: &sha, Client: Checksum{Algorithm: ChecksumSHA256, Sum: sha[:]}}
	attr := Attr{ContentType: "text/plain", User: []UserMeta{{"a", "1"}, {"b", ""}}, Checksum: want.Client}
	s, err := NewSealer(SealConfig{Key: testKey(), Location: testLocation, Size: 7, Attr: attr})
	if err != nil {
		t.Fatal(err)
	}
	stored, err := io.ReadAll(s.Reader(bytes.NewReader(plain), func() (Digests, error) { return want, nil }))
	if err != nil {
		t.Fatal(err)
	}
	o := mustOpenHeader(t, s.Metadata())
	if diff := cmp.Diff(attr, o.Attr()); diff != "" {
		t.Errorf("attributes differ (-want +got):\n%s", diff)
	}
	off, n, err := o.TailRange(int64(len(stored)))
	if err != nil {
		t.Fatal(err)
	}
	m, err := o.UseManifest(int64(len(stored)), stored[off:off+n])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, m.Digests); diff != "" {
		t.Errorf("digests differ (-want +got):\n%s", diff)
	}
	checkPlain(t, o.OpenAll(bytes.NewReader(stored), int64(len(stored))), plain)
}

// TestSealerSource: a source that is not what was declared fails the stream,
// so that no store takes the object.
func TestSealerSource(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection reset")
	finishErr := errors.New("checksum mismatch")
	for name, c := range map[string]struct {
		plain  io.Reader
		finish func() (Digests, error)
		want   error
	}{
		"short":        {bytes.NewReader(make([]byte, 99)), noDigests, io.ErrUnexpectedEOF},
		"empty":        {bytes.NewReader(nil), noDigests, io.ErrUnexpectedEOF},
		"long":         {bytes.NewReader(make([]byte, 101)), noDigests, ErrLength},
		"broken":       {io.MultiReader(bytes.NewReader(make([]byte, 50)), iotest.ErrReader(broken)), noDigests, broken},
		"broken late":  {io.MultiReader(bytes.NewReader(make([]byte, 100)), iotest.ErrReader(broken)), noDigests, broken},
		"finish fails": {bytes.NewReader(make([]byte, 100)), func() (Digests, error) { return Digests{}, finishErr }, finishErr},
		"bad digest": {bytes.NewReader(make([]byte, 100)), func() (Digests, error) {
			return Digests{Client: Checksum{Algorithm: ChecksumCRC32, Sum: []byte{1}}}, nil
		}, ErrParts},
		"stalled": {io.MultiReader(bytes.NewReader(make([]byte, 50)), stalledReader{}), noDigests, io.ErrNoProgress},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newTestSealer(t, 100).Reader(c.plain, c.finish)
			got, err := io.ReadAll(r)
			if !errors.Is(err, c.want) || int64(len(got)) >= StoredSize(100) {
				t.Errorf("got %d bytes and error %v, want %v", len(got), err, c.want)
			}
			if _, again := r.Read(make([]byte, 1)); !errors.Is(again, c.want) {
				t.Errorf("reading on gives %v: the error must stay", again)
			}
		})
	}
}

type stalledReader struct{}

func (stalledReader) Read([]byte) (int, error) { return 0, nil }

// TestFinishOnce: finish runs once, and only after the whole plaintext.
func TestFinishOnce(t *testing.T) {
	t.Parallel()
	calls, plain := 0, bytes.NewReader(make([]byte, SegmentSize+1))
	s := newTestSealer(t, SegmentSize+1)
	_, err := io.ReadAll(s.Reader(plain, func() (Digests, error) {
		calls++
		if plain.Len() != 0 {
			t.Errorf("finish called with %d bytes unread", plain.Len())
		}
		return Digests{}, nil
	}))
	if err != nil || calls != 1 {
		t.Errorf("finish called %d times, error %v", calls, err)
	}
}

// TestSingleUse: neither kind of sealer gives out a second body.
func TestSingleUse(t *testing.T) {
	t.Parallel()
	s := newTestSealer(t, 0)
	s.Reader(bytes.NewReader(nil), noDigests)
	if _, err := io.ReadAll(s.Reader(bytes.NewReader(nil), noDigests)); !errors.Is(err, ErrUsed) {
		t.Errorf("second body of a Sealer: %v, want ErrUsed", err)
	}
	p, err := newTestUpload(t).SealPart(1, 0)
	if err != nil {
		t.Fatal(err)
	}
	p.Reader(bytes.NewReader(nil))
	if _, err := p.Reader(bytes.NewReader(nil)).(io.WriterTo).WriteTo(io.Discard); !errors.Is(err, ErrUsed) {
		t.Errorf("second body of a PartSealer: %v, want ErrUsed", err)
	}
}

// TestFresh: two attempts to seal the same object share no id, key or IV.
func TestFresh(t *testing.T) {
	t.Parallel()
	a, b := newTestSealer(t, 5), newTestSealer(t, 5)
	if a.ObjectID() == b.ObjectID() || *a.dek() == *b.dek() || a.floe.IV() == b.floe.IV() || a.Metadata() == b.Metadata() {
		t.Error("two attempts share something")
	}
}

func TestSealLimits(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{-1, MaxPutSize + 1} {
		if _, err := NewSealer(SealConfig{Key: testKey(), Location: testLocation, Size: size}); !errors.Is(err, ErrTooLarge) {
			t.Errorf("sealing %d bytes: %v, want ErrTooLarge", size, err)
		}
	}
	if s := newTestSealer(t, MaxPutSize); s.StoredSize() > 5*gib {
		t.Errorf("the largest object takes %d stored bytes", s.StoredSize())
	}
}

func TestPlanRefuses(t *testing.T) {
	t.Parallel()
	o, stored := sealedObject(t, make([]byte, 10))
	for _, r := range [][2]int64{{-1, 1}, {0, 11}, {10, 1}, {11, 0}, {0, -1}, {5, 1<<63 - 1}} {
		if _, _, err := o.Plan(r[0], r[1]); !errors.Is(err, ErrRange) {
			t.Errorf("planning %v: %v, want ErrRange", r, err)
		}
		if _, err := io.ReadAll(o.OpenRange(bytes.NewReader(stored), r[0], r[1])); !errors.Is(err, ErrRange) {
			t.Errorf("opening %v: %v, want ErrRange", r, err)
		}
	}
}
