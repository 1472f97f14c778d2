// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/state"
	"github.com/sealgate/sealgate/gateway/store"
)

const mib = 1 << 20

// newUploads is a world with a state database.
func newUploads(t testing.TB, o worldOptions) *world {
	t.Helper()
	o.state = openState(t)
	return newWorld(t, o)
}

func openState(t testing.TB) *state.DB {
	t.Helper()
	db, err := state.Open(context.Background(), state.Config{Path: filepath.Join(t.TempDir(), "state.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() }) // what was written is durable already
	return db
}

// mpu is one upload as a client sees it.
type mpu struct {
	w      *world
	c      *http.Client
	target string // /BUCKET/KEY
	id     string
	object string // X-Sealgate-Object of Create
}

func (w *world) create(c *http.Client, target string, headers ...string) *mpu {
	w.t.Helper()
	r := w.do(c, http.MethodPost, target+"?uploads", nil, headers...)
	var doc struct {
		Bucket, Key string
		UploadID    string `xml:"UploadId"`
	}
	if err := xml.Unmarshal(r.body, &doc); err != nil || r.status != http.StatusOK || doc.UploadID == "" {
		w.t.Fatalf("Create: got %d %s %v", r.status, r.body, err)
	}
	return &mpu{w, c, target, doc.UploadID, r.header.Get("X-Sealgate-Object")}
}

func (m *mpu) query(more string) string {
	return m.target + "?uploadId=" + url.QueryEscape(m.id) + more
}

func (m *mpu) tryPart(number int, body []byte, headers ...string) reply {
	m.w.t.Helper()
	return m.w.do(m.c, http.MethodPut, m.query(fmt.Sprintf("&partNumber=%d", number)), body, headers...)
}

// part sends a part and gives the line that completes it.
func (m *mpu) part(number int, body []byte, headers ...string) string {
	m.w.t.Helper()
	r := m.tryPart(number, body, headers...)
	if r.err != nil || r.status != http.StatusOK {
		m.w.t.Fatalf("part %d: got %d %s %v", number, r.status, r.body, r.err)
	}
	return line(number, r.header.Get("Etag"), "")
}

func line(number int, etag, sum string) string {
	return fmt.Sprintf("<Part><PartNumber>%d</PartNumber><ETag>%s</ETag>%s</Part>", number, etag, sum)
}

func (m *mpu) complete(lines []string, headers ...string) reply {
	m.w.t.Helper()
	body := "<CompleteMultipartUpload>" + strings.Join(lines, "") + "</CompleteMultipartUpload>"
	return m.w.do(m.c, http.MethodPost, m.query(""), []byte(body), headers...)
}

// completed is what a Complete that succeeded says.
type completed struct {
	XMLName           xml.Name `xml:"CompleteMultipartUploadResult"`
	Location, ETag    string
	ChecksumCRC64NVME string
	ChecksumCRC32     string
	ChecksumSHA256    string
	ChecksumType      string
}

func (m *mpu) mustComplete(lines []string, headers ...string) completed {
	m.w.t.Helper()
	r := m.complete(lines, headers...)
	var doc completed
	if err := xml.Unmarshal(r.body, &doc); err != nil || r.status != http.StatusOK || r.err != nil {
		m.w.t.Fatalf("Complete: got %d %s %v", r.status, r.body, r.err)
	}
	if got := r.header.Get("X-Sealgate-Object"); got != m.object {
		m.w.t.Errorf("Complete names object %q, Create said %q", got, m.object)
	}
	return doc
}

// TestMultipart: parts of any size, in any order, from several clients at once,
// make one object whose size and tag agree everywhere.
func TestMultipart(t *testing.T) {
	t.Parallel()
	const least = envelope.MinPartSize
	for name, c := range map[string]struct{ numbers, sizes []int }{
		"one empty part":   {[]int{1}, []int{0}},
		"one small part":   {[]int{3}, []int{100}},
		"one large part":   {[]int{1}, []int{least + 70_000}},
		"number 10,000":    {[]int{1, 10_000}, []int{least, least + 5}},
		"10,000 alone":     {[]int{10_000}, []int{7}},
		"9,999 and 10,000": {[]int{9_999, 10_000}, []int{least, 1}},
		"odd sizes":        {[]int{2, 5, 9}, []int{least + 1, least + 65_535, 65_537}},
		"empty last part":  {[]int{1, 2}, []int{least + 3, 0}},
		"full segments":    {[]int{1, 2, 3}, []int{least, least, least}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newUploads(t, worldOptions{})
			c1, c2 := w.client("/writer"), w.client("/writer")
			m := w.create(c1, "/data/dir/big", "Content-Type", "model/x", "x-amz-meta-mine", "yes")
			var plain []byte
			lines := make([]string, len(c.numbers))
			for i, n := range c.sizes {
				plain = append(plain, noise(uint64(c.numbers[i]), n)...)
			}
			var wg sync.WaitGroup
			for i := range slices.Backward(c.numbers) { // the short last one comes first
				at := 0
				for _, n := range c.sizes[:i] {
					at += n
				}
				other := &mpu{w, []*http.Client{c1, c2}[i%2], m.target, m.id, m.object}
				wg.Go(func() { lines[i] = other.part(c.numbers[i], plain[at:at+c.sizes[i]]) })
			}
			wg.Wait()
			if r := w.do(c1, http.MethodGet, "/data/dir/big", nil); r.status != http.StatusNotFound {
				t.Errorf("before Complete: got %d", r.status)
			}
			doc := m.mustComplete(lines)
			w.checkWhole(c1, m, doc, plain)
			w.endedOnce()
			w.noUploads()
		})
	}
}

// checkWhole reads a completed object in every way.
func (w *world) checkWhole(c *http.Client, m *mpu, doc completed, plain []byte) {
	w.t.Helper()
	for range 2 { // cold and warm
		r := w.do(c, http.MethodGet, m.target, nil)
		r.wantBody(w.t, http.StatusOK, plain)
		head := w.do(c, http.MethodHead, m.target, nil)
		for _, r := range []reply{r, head} {
			if r.header.Get("Etag") != doc.ETag || r.header.Get("Content-Length") != fmt.Sprint(len(plain)) || r.header.Get("X-Sealgate-Object") != m.object {
				w.t.Errorf("headers %v, Complete said %+v", r.header, doc)
			}
			if r.header.Get("Content-Type") != "model/x" || r.header["X-Amz-Meta-Mine"] == nil {
				w.t.Errorf("metadata is gone: %v", r.header)
			}
		}
		for _, span := range [][2]int{{0, 0}, {65_535, 65_536}, {envelope.MinPartSize - 1, envelope.MinPartSize}, {len(plain) - 2, len(plain) - 1}} {
			if span[0] < 0 || span[1] >= len(plain) {
				continue
			}
			r := w.do(c, http.MethodGet, m.target, nil, "Range", fmt.Sprintf("bytes=%d-%d", span[0], span[1]))
			r.wantBody(w.t, http.StatusPartialContent, plain[span[0]:span[1]+1])
		}
	}
	bucket, key, _ := strings.Cut(m.target[1:], "/")
	list := w.do(c, http.MethodGet, "/"+bucket+"?list-type=2&prefix="+key, nil)
	if !bytes.Contains(list.body, fmt.Appendf(nil, "<Size>%d</Size>", len(plain))) || !bytes.Contains(list.body, []byte(strings.Trim(doc.ETag, `"`))) {
		w.t.Errorf("listing: %s", list.body)
	}
}

// noUploads demands that nothing is left: no open upload, no staged object.
func (w *world) noUploads() {
	w.t.Helper()
	list, err := w.mem.List(context.Background(), listAll)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, o := range list.Objects {
		if strings.HasPrefix(o.Key, stagingPrefix) {
			w.t.Errorf("left behind: %s", o.Key)
		}
	}
	if rows, _, err := w.g.config.State.Uploads(context.Background(), state.UploadQuery{Bucket: "data", Max: 10}); err != nil || len(rows) > 0 {
		w.t.Errorf("open uploads: %v, %v", rows, err)
	}
}

var listAll = store.ListOptions{Prefix: store.Reserved}
