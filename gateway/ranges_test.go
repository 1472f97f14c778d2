// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"testing"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/storetest"
)

// putMultipart seals parts straight into the store, as the multipart wire will.
func (w *world) putMultipart(key string, attr envelope.Attr, parts ...[]byte) {
	w.t.Helper()
	u, err := envelope.NewMultipart(envelope.SealConfig{Key: w.ring, Location: envelope.Location{Bucket: "data", Key: key}, Attr: attr})
	if err != nil {
		w.t.Fatal(err)
	}
	var list []envelope.Part
	var body bytes.Buffer
	for i, plain := range parts {
		p, err := u.SealPart(2*i+1, int64(len(plain))) // numbers with gaps
		if err != nil {
			w.t.Fatal(err)
		}
		if _, err := io.Copy(&body, p.Reader(bytes.NewReader(plain))); err != nil {
			w.t.Fatal(err)
		}
		part := p.Part()
		part.Checksum = make([]byte, 8)
		list = append(list, part)
	}
	tail, err := u.Tail(list, envelope.Digests{CRC64NVME: [8]byte{1, 2, 3}})
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := io.Copy(&body, tail.Reader()); err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.mem.Put(context.Background(), key, &body, store.PutOptions{Size: tail.StoredSize(), Metadata: u.Metadata()}); err != nil {
		w.t.Fatal(err)
	}
}

// rangeOf gives what a Range header asks of an object: the bytes and the
// status, 416 where there are none (S3.md, "Ranges").
func rangeOf(plain []byte, a, b int64, form string) (int, []byte) {
	size := int64(len(plain))
	switch form {
	case "a-b":
		if a >= size {
			return 416, nil
		}
		return 206, plain[a:min(b+1, size)]
	case "a-":
		if a >= size {
			return 416, nil
		}
		return 206, plain[a:]
	}
	switch {
	case b == 0:
		return 416, nil
	case size == 0: // no Content-Range can name the last bytes of nothing
		return 200, nil
	}
	return 206, plain[size-min(b, size):]
}

func TestRangesAgainstPlaintext(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	c := w.client("/writer")
	objects := map[string][]byte{}
	for _, size := range []int{0, 1, 65535, 65536, 65537, 131072, 300_001} {
		key := fmt.Sprintf("put-%d", size)
		objects[key] = noise(uint64(size), size)
		w.put(c, "/data/"+key, objects[key])
	}
	const least = 5 << 20 // FORMAT.md §9: but for the last part
	one, two, three := noise(1, least), noise(2, least+70_001), noise(3, 12_345)
	w.putMultipart("multi-3", envelope.Attr{ContentType: "model/x"}, one, two, three)
	objects["multi-3"] = bytes.Join([][]byte{one, two, three}, nil)
	w.putMultipart("multi-1", envelope.Attr{}, three)
	objects["multi-1"] = three
	w.putMultipart("multi-0", envelope.Attr{}, nil)
	objects["multi-0"] = nil

	r := rand.New(rand.NewPCG(7, 7))
	for key, plain := range objects {
		w.do(c, http.MethodGet, "/data/"+key, nil).wantBody(t, http.StatusOK, plain)
		size := int64(len(plain))
		edges := []int64{0, 1, 65535, 65536, 65537, size - 65536, size - 1, size, size + 1, size + 1000, least - 1, least, least + 65536, 2 * least}
		for range 14 {
			a, b := pick(r, edges, size), pick(r, edges, size)
			a, b = max(0, a), max(0, b)
			w.checkRange(c, key, plain, min(a, b), max(a, b))
		}
	}
	w.endedOnce()
}

func pick(r *rand.Rand, edges []int64, size int64) int64 {
	if r.IntN(2) == 0 {
		return edges[r.IntN(len(edges))]
	}
	return r.Int64N(size + 2)
}

func (w *world) checkRange(c *http.Client, key string, plain []byte, a, b int64) {
	w.t.Helper()
	for form, header := range map[string]string{
		"a-b": fmt.Sprintf("bytes=%d-%d", a, b), "a-": fmt.Sprintf("bytes=%d-", a), "-b": fmt.Sprintf("bytes=-%d", b-a),
	} {
		if form == "-b" {
			b -= a
		}
		status, want := rangeOf(plain, a, b, form)
		got := w.do(c, http.MethodGet, "/data/"+key, nil, "Range", header)
		head := w.do(c, http.MethodHead, "/data/"+key, nil, "Range", header)
		if form == "-b" {
			b += a
		}
		if head.status != status || got.status != status || got.err != nil {
			w.t.Fatalf("%s %s: GET %d %s %v, HEAD %d, want %d", key, header, got.status, got.body, got.err, head.status, status)
		}
		if status == 416 {
			if cr := got.header.Get("Content-Range"); cr != fmt.Sprintf("bytes */%d", len(plain)) {
				w.t.Fatalf("%s %s: Content-Range %q", key, header, cr)
			}
			continue
		}
		if !bytes.Equal(got.body, want) {
			w.t.Fatalf("%s %s: %d other bytes, want %d", key, header, len(got.body), len(want))
		}
		if head.header.Get("Content-Length") != strconv.Itoa(len(want)) || head.header.Get("Content-Range") != got.header.Get("Content-Range") {
			w.t.Fatalf("%s %s: HEAD says %v", key, header, head.header)
		}
	}
}

// TestRangeCostsOneCall holds the architecture to its word: one call to the
// store for a range or the whole of an object from one PUT.
func TestRangeCostsOneCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	c := w.client("/writer")
	w.put(c, "/data/k", noise(5, 500_000))
	tests := []struct {
		name   string
		header []string
		want   int
	}{
		{"whole", nil, 1},
		{"range", []string{"Range", "bytes=70000-70010"}, 1},
		{"range to the end", []string{"Range", "bytes=70000-"}, 1},
		{"range in checksum mode", []string{"Range", "bytes=70000-70010", "x-amz-checksum-mode", "ENABLED"}, 1},
		{"suffix", []string{"Range", "bytes=-10"}, 2},
	}
	for _, tt := range tests {
		before := w.store.Calls(storetest.Any)
		if r := w.do(c, http.MethodGet, "/data/k", nil, tt.header...); r.status/100 != 2 || r.err != nil {
			t.Fatalf("%s: %d %v", tt.name, r.status, r.err)
		}
		if got := w.store.Calls(storetest.Any) - before; got != tt.want {
			t.Errorf("%s: %d calls to the store, want %d", tt.name, got, tt.want)
		}
	}
}

func TestIfRangeAndParts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	c := w.client("/writer")
	plain := noise(9, 150_000)
	etag := w.put(c, "/data/k", plain).header.Get("Etag")
	w.put(c, "/data/empty", nil)
	w.do(c, http.MethodGet, "/data/k", nil, "Range", "bytes=3-9", "If-Range", etag).wantBody(t, http.StatusPartialContent, plain[3:10])
	w.do(c, http.MethodGet, "/data/k", nil, "Range", "bytes=3-9", "If-Range", `"00-1"`).wantBody(t, http.StatusOK, plain)
	w.do(c, http.MethodGet, "/data/k?partNumber=1", nil).wantBody(t, http.StatusPartialContent, plain)
	w.do(c, http.MethodGet, "/data/k?partNumber=2", nil).want(t, 416, "InvalidPartNumber")
	w.do(c, http.MethodGet, "/data/empty?partNumber=1", nil).wantBody(t, http.StatusOK, nil)
	w.do(c, http.MethodGet, "/data/empty", nil).wantBody(t, http.StatusOK, nil)
	w.do(c, http.MethodGet, "/data/empty", nil, "Range", "bytes=0-0").want(t, 416, "InvalidRange")
}

func TestChecksumsOfAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	c := w.client("/writer")
	w.put(c, "/data/k", []byte("123456789"), "x-amz-checksum-crc32", "y/Q5Jg==")
	r := w.do(c, http.MethodGet, "/data/k", nil, "x-amz-checksum-mode", "ENABLED")
	if got := r.header.Get("X-Amz-Checksum-Crc32"); got != "y/Q5Jg==" || r.status != 200 {
		t.Errorf("checksum from the header: got %d %q", r.status, got)
	}
	if r := w.do(c, http.MethodGet, "/data/k", nil, "x-amz-checksum-mode", "ENABLED", "Range", "bytes=0-3"); r.header.Get("X-Amz-Checksum-Crc32") != "" {
		t.Error("a part names the checksum of the whole")
	}
	w.put(c, "/data/plain", []byte("123456789"))
	r = w.do(c, http.MethodHead, "/data/plain", nil, "x-amz-checksum-mode", "ENABLED")
	if got := r.header.Get("X-Amz-Checksum-Crc64nvme"); got != "rosUhgp5mIg=" || r.status != 200 {
		t.Errorf("CRC64NVME from the manifest: got %d %q", r.status, got)
	}
	w.do(c, http.MethodPut, "/data/bad", []byte("12345678"), "x-amz-checksum-crc32", "y/Q5Jg==").want(t, 400, "BadDigest")
	w.do(c, http.MethodGet, "/data/bad", nil).want(t, 404, "NoSuchKey")
	w.endedOnce()
}
