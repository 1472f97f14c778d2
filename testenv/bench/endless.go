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
	farKey  = "far"    // the object that is made up
	farPart = 64 << 20 // bytes
)

// endless is a store with one object, of zeros, that is sealed while it is read,
// once; the parts of uploads are counted and dropped.
type endless struct {
	*storetest.Mem

	meta  string
	parts []*envelope.PartSealer
	tail  *envelope.Tail

	mu     sync.Mutex // guards all below
	stored int64      // bytes of parts
}

func newEndless(key *envelope.KeyringKey, size int64) (*endless, error) {
	u, err := envelope.NewMultipart(envelope.SealConfig{Key: key, Location: envelope.Location{Bucket: "models", Key: farKey}})
	if err != nil {
		return nil, err
	}
	e := &endless{Mem: &storetest.Mem{}, meta: u.Metadata()}
	var parts []envelope.Part
	for left := size; left > 0; left -= farPart {
		p, err := u.SealPart(len(parts)+1, min(left, farPart))
		if err != nil {
			return nil, err
		}
		part := p.Part()
		part.Checksum = make([]byte, 8) // a range is not summed
		e.parts, parts = append(e.parts, p), append(parts, part)
	}
	e.tail, err = u.Tail(parts, envelope.Digests{})
	return e, err
}

// Get implements store.Store: the whole of the object, or some of its tail.
func (e *endless) Get(ctx context.Context, key string, o store.GetOptions) (*store.Reader, error) {
	if key != farKey { // a short last part, which waits for the end of its upload
		return e.Mem.Get(ctx, key, o)
	}
	obj := store.Object{Key: key, Size: e.tail.StoredSize(), ETag: "far", Metadata: e.meta}
	off, n, err := o.Resolve(obj.Size)
	if err != nil {
		return nil, err
	}
	r := &store.Reader{Object: obj, Off: off, Len: n}
	begin := obj.Size - e.tail.Size()
	if off == 0 {
		r.ReadCloser = io.NopCloser(io.MultiReader(&making{parts: e.parts}, e.tail.Reader()))
		return r, nil
	}
	tail := e.tail.Reader()
	if _, err := io.CopyN(io.Discard, tail, off-begin); off < begin || err != nil {
		return nil, fmt.Errorf("reading %q from %d: only its tail can be read alone: %w", key, off, store.ErrRange)
	}
	r.ReadCloser = io.NopCloser(io.LimitReader(tail, n))
	return r, nil
}

// making seals part after part.
type making struct {
	parts []*envelope.PartSealer
	now   io.Reader // nil between parts
}

// Read implements io.Reader.
func (m *making) Read(p []byte) (int, error) {
	for {
		if m.now == nil {
			if len(m.parts) == 0 {
				return 0, io.EOF
			}
			m.now = m.parts[0].Reader(io.LimitReader(zeros{}, m.parts[0].Part().Size))
			m.parts = m.parts[1:]
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
func (e *endless) PutPart(_ context.Context, _, _ string, number int, body io.Reader, size int64) (string, error) {
	if n, err := io.Copy(io.Discard, body); n != size || err != nil {
		return "", fmt.Errorf("part %d: %d bytes of %d: %w", number, n, size, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stored += size
	return fmt.Sprintf("part-%d", number), nil
}

// CompleteMultipart implements store.Multiparter.
func (e *endless) CompleteMultipart(_ context.Context, key, _ string, parts []store.PartTag, _ store.CompleteOptions) (store.Object, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return store.Object{Key: key, Size: e.stored, ETag: strings.Repeat("f", 32) + fmt.Sprintf("-%d", len(parts))}, nil
}
