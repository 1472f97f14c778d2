// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"bytes"
	"errors"
	"io"
	"sync/atomic"
	"testing"
)

// watched counts what is read of a stored body, and may panic in the middle.
type watched struct {
	io.Reader
	read    atomic.Int64
	panicAt int64
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if total := w.read.Add(int64(n)); w.panicAt > 0 && total > w.panicAt {
		panic("watched: here")
	}
	return n, err
}

// stuck takes pieces until there were so many, and then fails.
type stuck struct {
	left int
	err  error
}

func (s *stuck) Write(p []byte) (int, error) {
	if s.left--; s.left < 0 {
		return 0, s.err
	}
	return len(p), nil
}

// The source belongs to the caller again when WriteTo returns, however that was.
func TestAheadReadsNoMoreAfterItsEnd(t *testing.T) {
	t.Parallel()
	plain := noise(60 * SegmentSize)
	full := errors.New("full")
	for _, writes := range []int{0, 1, 2, 3, 5} {
		o, stored := sealedObject(t, plain)
		src := &watched{Reader: bytes.NewReader(stored)}
		_, err := o.OpenAll(src, int64(len(stored))).WriteTo(&stuck{writes, full})
		if !errors.Is(err, full) {
			t.Fatalf("after %d writes: %v, want the writer's error", writes, err)
		}
		read := src.read.Load()
		// What is made while the failing write goes on, and one batch more.
		if most := int64((writes + 4) * aheadPieces * storedSegment); read > most {
			t.Errorf("after %d writes %d bytes were read, at most %d can have been wanted", writes, read, most)
		}
		if src.Reader.(*bytes.Reader).Len() != len(stored)-int(read) {
			t.Errorf("after %d writes something still reads", writes)
		}
	}
}

// A panic of the source is the caller's, who can take it back: in another
// goroutine it would end the process.
func TestAheadPanicsInTheCaller(t *testing.T) {
	t.Parallel()
	plain := noise(60 * SegmentSize)
	for _, at := range []int64{1, 20 * storedSegment} {
		o, stored := sealedObject(t, plain)
		r := o.OpenAll(&watched{Reader: bytes.NewReader(stored), panicAt: at}, int64(len(stored)))
		got := func() (got any) {
			defer func() { got = recover() }()
			_, _ = r.WriteTo(io.Discard)
			return nil
		}()
		if got != "watched: here" {
			t.Errorf("at %d: %v, want the panic of the source", at, got)
		}
	}
}

// What was verified before a fault is written before the fault is told.
func TestAheadWritesWhatIsBeforeAFault(t *testing.T) {
	t.Parallel()
	plain := noise(60 * SegmentSize)
	for _, segment := range []int{0, 1, 2, 8, 9, 10, 33, 58} {
		o, stored := sealedObject(t, plain)
		stored = flipped(stored, segment*storedSegment+40)
		var to bytes.Buffer
		_, err := o.OpenAll(bytes.NewReader(stored), int64(len(stored))).WriteTo(&to)
		wantFault(t, err, ruleSegment)
		if !bytes.Equal(to.Bytes(), plain[:segment*SegmentSize]) {
			t.Errorf("segment %d: %d bytes were written, want those before it", segment, to.Len())
		}
	}
}

// After a fault nothing comes any more, though more may have been made.
func TestAheadFaultIsFinal(t *testing.T) {
	t.Parallel()
	plain := noise(100 * SegmentSize)
	for _, segment := range []int{0, 1, 3, 20, 60} {
		o, stored := sealedObject(t, plain)
		stored = flipped(stored, segment*storedSegment+40)
		r := o.OpenAll(bytes.NewReader(stored), int64(len(stored)))
		if _, err := r.WriteTo(io.Discard); Fault(err) != ruleSegment {
			t.Fatalf("segment %d: %v", segment, err)
		}
		n, err := r.Read(make([]byte, 4*SegmentSize))
		if n > 0 || Fault(err) != ruleSegment {
			t.Errorf("segment %d: %d bytes and %v after the fault", segment, n, err)
		}
		if m := r.Manifest(); m != nil {
			t.Errorf("segment %d: a body with a fault has a manifest", segment)
		}
	}
}

// A writer that fails, at the first piece or later, is the end of the stream: what
// comes behind the gap is nobody's.
func TestAheadWriterFaultIsFinal(t *testing.T) {
	t.Parallel()
	plain := noise(60 * SegmentSize)
	full := errors.New("full")
	for _, writes := range []int{0, 1, 3} {
		o, stored := sealedObject(t, plain)
		r := o.OpenAll(bytes.NewReader(stored), int64(len(stored)))
		if _, err := r.WriteTo(&stuck{writes, full}); !errors.Is(err, full) {
			t.Fatalf("after %d writes: %v", writes, err)
		}
		if n, err := r.Read(make([]byte, 4*SegmentSize)); n > 0 || !errors.Is(err, full) {
			t.Errorf("after %d writes: %d bytes and %v", writes, n, err)
		}
	}
}
