// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/storetest"
)

const (
	farKeys = "far/"   // what the keys of objects that are made up begin with
	farPart = 64 << 20 // bytes
)

// endless is a store where each key below farKeys is an object of zeros, that is
// sealed while it is read, once; the parts of uploads are counted and dropped.
type endless struct {
	*storetest.Mem

	key  *envelope.KeyringKey
	size int64

	mu     sync.Mutex // guards all below
	made   map[string]*madeUp
	stored map[string]int64 // bytes of parts, by upload
}

// madeUp is an object of which nobody holds the bytes.
type madeUp struct {
	meta  string
	parts []*envelope.PartSealer
	tail  *envelope.Tail
}

func newEndless(key *envelope.KeyringKey, size int64) *endless {
	return &endless{Mem: &storetest.Mem{}, key: key, size: size, made: map[string]*madeUp{}, stored: map[string]int64{}}
}

func (e *endless) makeUp(key string) (*madeUp, error) {
	u, err := envelope.NewMultipart(envelope.SealConfig{Key: e.key, Location: envelope.Location{Bucket: "models", Key: key}})
	if err != nil {
		return nil, err
	}
	o := &madeUp{meta: u.Metadata()}
	var parts []envelope.Part
	for left := e.size; left > 0; left -= farPart {
		p, err := u.SealPart(len(parts)+1, min(left, farPart))
		if err != nil {
			return nil, err
		}
		part := p.Part()
		part.Checksum = make([]byte, 8) // a range is not summed
		o.parts, parts = append(o.parts, p), append(parts, part)
	}
	o.tail, err = u.Tail(parts, envelope.Digests{})
	return o, err
}

// at gives the object at a key, which is there from the first question on.
func (e *endless) at(key string) (*madeUp, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if o, known := e.made[key]; known {
		return o, nil
	}
	o, err := e.makeUp(key)
	if err == nil {
		e.made[key] = o
	}
	return o, err
}

// Get implements store.Store: the whole of an object, or some of its tail.
func (e *endless) Get(ctx context.Context, key string, o store.GetOptions) (*store.Reader, error) {
	if !strings.HasPrefix(key, farKeys) { // a short last part, which waits for the end of its upload
		return e.Mem.Get(ctx, key, o)
	}
	made, err := e.at(key)
	if err != nil {
		return nil, err
	}
	obj := store.Object{Key: key, Size: made.tail.StoredSize(), ETag: "far", Metadata: made.meta}
	off, n, err := o.Resolve(obj.Size)
	if err != nil {
		return nil, err
	}
	r := &store.Reader{Object: obj, Off: off, Len: n}
	begin := obj.Size - made.tail.Size()
	if off == 0 {
		r.ReadCloser = io.NopCloser(io.MultiReader(&making{take: func() []*envelope.PartSealer { return e.take(made) }}, made.tail.Reader()))
		return r, nil
	}
	tail := made.tail.Reader()
	if _, err := io.CopyN(io.Discard, tail, off-begin); off < begin || err != nil {
		return nil, fmt.Errorf("reading %q from %d: only its tail can be read alone: %w", key, off, store.ErrRange)
	}
	r.ReadCloser = io.NopCloser(io.LimitReader(tail, n))
	return r, nil
}

// take gives the parts of an object, once: to whoever reads first.
func (e *endless) take(o *madeUp) []*envelope.PartSealer {
	e.mu.Lock()
	defer e.mu.Unlock()
	parts := o.parts
	o.parts = nil
	return parts
}

// making seals part after part. What has sealed it does not hold any more.
type making struct {
	take  func() []*envelope.PartSealer // nil once they were taken
	parts []*envelope.PartSealer
	now   io.Reader // nil between parts
}

// Read implements io.Reader.
func (m *making) Read(p []byte) (int, error) {
	if m.take != nil {
		m.parts, m.take = m.take(), nil
	}
	for {
		if m.now == nil {
			if len(m.parts) == 0 {
				return 0, io.EOF
			}
			m.now = m.parts[0].Reader(io.LimitReader(zeros{}, m.parts[0].Part().Size))
			m.parts[0], m.parts = nil, m.parts[1:]
		}
		n, err := m.now.Read(p)
		if err == io.EOF {
			m.now, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// zeros never end.
type zeros struct{}

// Read implements io.Reader.
func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// PutPart implements store.Multiparter.
func (e *endless) PutPart(_ context.Context, _, upload string, number int, body io.Reader, size int64) (string, error) {
	if n, err := io.Copy(io.Discard, body); n != size || err != nil {
		return "", fmt.Errorf("part %d: %d bytes of %d: %w", number, n, size, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stored[upload] += size
	return fmt.Sprintf("part-%d", number), nil
}

// CompleteMultipart implements store.Multiparter.
func (e *endless) CompleteMultipart(_ context.Context, key, upload string, parts []store.PartTag, _ store.CompleteOptions) (store.Object, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return store.Object{Key: key, Size: e.stored[upload], ETag: strings.Repeat("f", 32) + fmt.Sprintf("-%d", len(parts))}, nil
}
