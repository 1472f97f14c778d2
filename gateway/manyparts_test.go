// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minio/crc64nvme"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/s3api"
	"github.com/sealgate/sealgate/gateway/state"
	"github.com/sealgate/sealgate/gateway/store"
)

// vast is a store that holds an object of 50 GB in the memory of a few parts: a
// part is the bytes that came, or what makes them when they are asked for.
type vast struct {
	store.Multiparter // staged parts, uploads

	mu     sync.Mutex               // guards all below
	parts  map[string]func() []byte // by tag
	sizes  map[string]int64
	object store.Object // the one that was completed
	list   []store.PartTag
}

func (v *vast) keep(tag string, size int64, bytes func() []byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.parts[tag], v.sizes[tag] = sync.OnceValue(bytes), size
}

func (v *vast) PutPart(ctx context.Context, key, upload string, number int, body io.Reader, size int64) (string, error) {
	b, err := io.ReadAll(store.NewExact(body, size))
	if err = errors.Join(err, ctx.Err()); err != nil {
		return "", err
	}
	tag := fmt.Sprintf("%016x%016x", crc64nvme.Checksum(b), number)
	v.keep(tag, size, func() []byte { return b })
	return tag, nil
}

func (v *vast) CompleteMultipart(ctx context.Context, key, upload string, parts []store.PartTag, _ store.CompleteOptions) (store.Object, error) {
	if err := store.CheckParts(parts); err != nil {
		return store.Object{}, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	o := store.Object{Key: key, ETag: fmt.Sprintf("%032x-%d", 7, len(parts)), LastModified: time.Now().UTC(), Metadata: v.object.Metadata}
	for _, p := range parts {
		size, ok := v.sizes[p.ETag]
		if !ok {
			return store.Object{}, store.ErrPart
		}
		o.Size += size
	}
	v.object, v.list = o, slices.Clone(parts)
	return o, v.AbortMultipart(ctx, key, upload)
}

func (v *vast) CreateMultipart(ctx context.Context, key, metadata string) (string, error) {
	v.mu.Lock()
	v.object.Metadata = metadata
	v.mu.Unlock()
	return v.Multiparter.CreateMultipart(ctx, key, metadata)
}

func (v *vast) Head(ctx context.Context, key string) (store.Object, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if key == v.object.Key && key != "" {
		return v.object, nil
	}
	return v.Multiparter.Head(ctx, key)
}

func (v *vast) Get(ctx context.Context, key string, o store.GetOptions) (*store.Reader, error) {
	obj, err := v.Head(ctx, key)
	if err != nil || obj.Size < 1<<30 {
		return v.Multiparter.Get(ctx, key, o)
	}
	if o.IfMatch != "" && o.IfMatch != obj.ETag {
		return nil, store.ErrPrecondition
	}
	off, n, err := o.Resolve(obj.Size)
	if err != nil {
		return nil, err
	}
	return &store.Reader{Object: obj, Off: off, Len: n, ReadCloser: io.NopCloser(&vastReader{v, off, n})}, nil
}

// vastReader reads a range, part by part.
type vastReader struct {
	v      *vast
	at, by int64
}

func (r *vastReader) Read(p []byte) (int, error) {
	if r.by == 0 {
		return 0, io.EOF
	}
	start := int64(0)
	for _, part := range r.v.list {
		size := r.v.sizes[part.ETag]
		if r.at < start+size {
			n := copy(p[:min(int64(len(p)), r.by)], r.v.parts[part.ETag]()[r.at-start:])
			r.at, r.by = r.at+int64(n), r.by-int64(n)
			return n, nil
		}
		start += size
	}
	return 0, io.ErrUnexpectedEOF
}

// manyParts is an upload of 10,000 parts of the least size, the last one short.
type manyParts struct {
	*mpu
	v     *vast
	plain []byte // of each part that nobody sent
	lines []string
}

const lastPart = "the end"

// fill notes the receipts of the parts that no client sends: as writePart does
// when the store has a part, but the bytes are sealed when somebody reads them.
func (m *manyParts) fill(t *testing.T, sent map[int]bool) {
	t.Helper()
	db, ctx := m.w.g.config.State, t.Context()
	row, err := db.Upload(ctx, m.id)
	if err != nil {
		t.Fatal(err)
	}
	u, err := envelope.ResumeUpload(row.Metadata, envelope.Location{Bucket: "data", Key: row.Key}, m.w.keys.Lookup)
	if err != nil {
		t.Fatal(err)
	}
	var sum [8]byte
	h := crc64nvme.New()
	_, _ = h.Write(m.plain) // a hash never fails
	h.Sum(sum[:0])
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for number := worker + 1; number <= store.MaxParts; number += 4 {
				if sent[number] {
					continue
				}
				if err := m.fillOne(ctx, u, number, sum); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func (m *manyParts) fillOne(ctx context.Context, u *envelope.Upload, number int, sum [8]byte) error {
	attempt, err := u.SealPart(number, int64(len(m.plain)))
	if err != nil {
		return err
	}
	etag := fmt.Sprintf("%032x", number)
	m.v.keep(etag, attempt.StoredSize(), func() []byte {
		b, _ := io.ReadAll(attempt.Reader(bytes.NewReader(m.plain))) // sealing what is in memory never fails
		return b
	})
	r := envelope.Receipt{Part: attempt.Part(), CRC64NVME: sum}
	sealed, err := u.SealReceipt(r, m.id, etag)
	if err != nil {
		return err
	}
	m.lines[number-1] = line(number, s3api.ETag(etag), "")
	return m.w.g.config.State.AddReceipt(ctx, state.Receipt{Upload: m.id, Number: number, ETag: etag, Sealed: sealed})
}

// TestTenThousandParts: an upload of as many parts as there can be, the short
// last one first, is listed page by page, completed, described and read like
// any other.
func TestTenThousandParts(t *testing.T) {
	t.Parallel()
	w := newUploads(t, worldOptions{})
	v := &vast{Multiparter: w.mem, parts: map[string]func() []byte{}, sizes: map[string]int64{}}
	snap := w.g.Current()
	w.g.Use(&Snapshot{Policy: snap.Policy, Keys: snap.Keys, Buckets: map[string]Bucket{"data": {Store: v, Conditional: true}}})
	c := w.client("/writer")
	m := &manyParts{mpu: w.create(c, "/data/vast"), v: v, plain: noise(1, envelope.MinPartSize), lines: make([]string, store.MaxParts)}
	m.lines[9_999] = m.part(10_000, []byte(lastPart))
	m.tryPart(10_001, []byte("x")).want(t, http.StatusBadRequest, "InvalidArgument")
	first := noise(2, envelope.MinPartSize+11)
	m.part(5_000, m.plain)
	m.lines[4_999] = m.part(5_000, first) // again, with other bytes
	m.lines[9_998] = m.part(9_999, m.plain)
	m.fill(t, map[int]bool{5_000: true, 9_999: true, 10_000: true})
	m.listed(t)
	m.refused(t)
	doc := m.mustComplete(m.lines)
	if again := m.mustComplete(m.lines); again != doc {
		t.Errorf("again: %+v, want %+v", again, doc)
	}
	total := int64(9_999*envelope.MinPartSize + 11 + len(lastPart))
	head := w.do(c, http.MethodHead, "/data/vast", nil, "x-amz-checksum-mode", "ENABLED")
	if head.header.Get("Content-Length") != fmt.Sprint(total) || head.header.Get("Etag") != doc.ETag || head.header.Get("x-amz-checksum-crc64nvme") != doc.ChecksumCRC64NVME {
		t.Errorf("HEAD: %v, want %d bytes, %+v", head.header, total, doc)
	}
	m.described(t, total)
	m.read(t, first, total)
	w.noUploads()
}

// partsPage is a page of either list of parts.
type partsPage struct {
	IsTruncated          bool
	NextPartNumberMarker int
	Part                 []struct {
		PartNumber int
		ETag       string
		Size       int64
	}
}

// each pages through a list of parts and demands that it is all of them.
func (m *manyParts) each(t *testing.T, limit int, page func(after int) partsPage) {
	t.Helper()
	number := 0
	for after := 0; ; {
		p := page(after)
		for _, part := range p.Part {
			number++
			size := int64(len(m.plain))
			switch number {
			case 5_000:
				size += 11
			case 10_000:
				size = int64(len(lastPart))
			}
			if part.PartNumber != number || part.Size != size || part.ETag != "" && !strings.Contains(m.lines[number-1], part.ETag) {
				t.Fatalf("part %d is listed as %+v, want %d bytes, %s", number, part, size, m.lines[number-1])
			}
		}
		if !p.IsTruncated {
			break
		}
		if after = p.NextPartNumberMarker; len(p.Part) != limit || after != number {
			t.Fatalf("a page of %d parts ends at %d, which should have %d and end at %d", len(p.Part), after, limit, number)
		}
	}
	if number != store.MaxParts {
		t.Errorf("%d parts are listed", number)
	}
}

func (m *manyParts) listed(t *testing.T) {
	t.Helper()
	for _, limit := range []int{1000, 333} {
		m.each(t, limit, func(after int) (p partsPage) {
			r := m.w.do(m.c, http.MethodGet, m.query(fmt.Sprintf("&max-parts=%d&part-number-marker=%d", limit, after)), nil)
			if err := xml.Unmarshal(r.body, &p); err != nil || r.status != http.StatusOK {
				t.Fatalf("ListParts after %d: %d %v", after, r.status, err)
			}
			return p
		})
	}
}

// refused lists end nothing: none of 10,000 parts is wrong in the next.
func (m *manyParts) refused(t *testing.T) {
	t.Helper()
	swapped := slices.Clone(m.lines)
	swapped[8_000], swapped[8_001] = swapped[8_001], swapped[8_000]
	m.complete(swapped).want(t, http.StatusBadRequest, "InvalidPartOrder")
	m.complete(append(slices.Clone(m.lines), line(10_001, "x", ""))).want(t, http.StatusBadRequest, "MalformedXML")
	wrong := slices.Clone(m.lines)
	wrong[7_777] = strings.Replace(wrong[7_776], "<PartNumber>7777<", "<PartNumber>7778<", 1)
	m.complete(wrong).want(t, http.StatusBadRequest, "InvalidPart")
	m.w.do(m.c, http.MethodHead, m.target, nil).want(t, http.StatusNotFound, "")
}

func (m *manyParts) described(t *testing.T, total int64) {
	t.Helper()
	m.each(t, 1000, func(after int) partsPage {
		r := m.w.do(m.c, http.MethodGet, m.target+"?attributes", nil, "x-amz-object-attributes", "ObjectParts,ObjectSize", "x-amz-part-number-marker", fmt.Sprint(after))
		var doc struct {
			ObjectParts struct {
				partsPage
				PartsCount int
			}
			ObjectSize int64
		}
		if err := xml.Unmarshal(r.body, &doc); err != nil || r.status != http.StatusOK || doc.ObjectSize != total || doc.ObjectParts.PartsCount != store.MaxParts {
			t.Fatalf("GetObjectAttributes after %d: %d, %d bytes, %d parts, %v", after, r.status, doc.ObjectSize, doc.ObjectParts.PartsCount, err)
		}
		return doc.ObjectParts.partsPage
	})
}

func (m *manyParts) read(t *testing.T, changed []byte, total int64) {
	t.Helper()
	for number, want := range map[int][]byte{1: m.plain, 4_999: m.plain, 5_000: changed, 9_998: m.plain, 9_999: m.plain, 10_000: []byte(lastPart)} {
		r := m.w.do(m.c, http.MethodGet, fmt.Sprintf("%s?partNumber=%d", m.target, number), nil)
		r.wantBody(t, http.StatusPartialContent, want)
		if n := r.header.Get("x-amz-mp-parts-count"); n != "10000" {
			t.Errorf("part %d of %s", number, n)
		}
	}
	m.w.do(m.c, http.MethodGet, m.target+"?partNumber=10001", nil).want(t, http.StatusBadRequest, "InvalidArgument")
	ends := slices.Concat(m.plain[len(m.plain)-9:], []byte(lastPart))
	m.w.do(m.c, http.MethodGet, m.target, nil, "Range", "bytes=-16").wantBody(t, http.StatusPartialContent, ends)
	seam := int64(4_999 * envelope.MinPartSize)
	r := m.w.do(m.c, http.MethodGet, m.target, nil, "Range", fmt.Sprintf("bytes=%d-%d", seam-3, seam+2))
	r.wantBody(t, http.StatusPartialContent, slices.Concat(m.plain[len(m.plain)-3:], changed[:3]))
	if got := r.header.Get("Content-Range"); got != fmt.Sprintf("bytes %d-%d/%d", seam-3, seam+2, total) {
		t.Errorf("Content-Range %s", got)
	}
}
