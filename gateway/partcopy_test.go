// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/store/storetest"
)

// copyPartFrom copies a part and gives the line that completes it.
func (m *mpu) copyPartFrom(number int, source string, headers ...string) string {
	m.w.t.Helper()
	r := m.w.do(m.c, http.MethodPut, m.query(fmt.Sprintf("&partNumber=%d", number)), nil, append([]string{"x-amz-copy-source", source}, headers...)...)
	var doc struct {
		XMLName xml.Name `xml:"CopyPartResult"`
		ETag    string
	}
	if err := xml.Unmarshal(r.body, &doc); err != nil || r.status != http.StatusOK || doc.ETag == "" {
		m.w.t.Fatalf("copy of part %d: got %d %s", number, r.status, r.body)
	}
	return line(number, doc.ETag, "")
}

// TestUploadPartCopy: ranges of single and multipart objects, sealed again.
func TestUploadPartCopy(t *testing.T) {
	t.Parallel()
	w := newUploads(t, worldOptions{})
	c := w.client("/writer")
	single := noise(1, 6*mib+13)
	etag := w.put(c, "/data/single", single).header.Get("Etag")
	w.put(c, "/data/empty", nil)
	m := w.create(c, "/data/multi")
	multi := append(noise(2, 5*mib+1), noise(3, 100_000)...)
	m.mustComplete([]string{m.part(1, multi[:5*mib+1]), m.part(2, multi[5*mib+1:])})

	m = w.create(c, "/plain/copy") // under another keyring
	lines := []string{
		m.copyPartFrom(1, "/data/single", "x-amz-copy-source-if-match", etag),
		m.copyPartFrom(2, "data/multi", "x-amz-copy-source-range", fmt.Sprintf("bytes=1-%d", 5*mib+50_000)),
		m.copyPartFrom(3, "/data/multi", "x-amz-copy-source-range", "bytes=5242880-5242890"),
	}
	m.mustComplete(lines)
	want := slices.Concat(single, multi[1:5*mib+50_001], multi[5242880:5242891])
	w.do(c, http.MethodGet, "/plain/copy", nil).wantBody(t, http.StatusOK, want)
	m = w.create(c, "/data/nothing")
	m.mustComplete([]string{m.copyPartFrom(1, "/data/empty")})
	w.do(c, http.MethodGet, "/data/nothing", nil).wantBody(t, http.StatusOK, nil)

	m = w.create(c, "/data/refused")
	for name, tt := range map[string]struct {
		source  string
		headers []string
		status  int
		code    string
	}{
		"beyond the end": {"/data/single", []string{"x-amz-copy-source-range", "bytes=0-99999999"}, 400, "InvalidArgument"},
		"other tag":      {"/data/single", []string{"x-amz-copy-source-if-match", `"abc-1"`}, 412, "PreconditionFailed"},
		"not there":      {"/data/gone", nil, 404, "NoSuchKey"},
		"reserved":       {"/data/.sealgate/keyrings/x", nil, 403, "AccessDenied"},
		"no bucket":      {"/ghost/k", nil, 404, "NoSuchBucket"},
		"dot segment":    {"/data/a/../single", nil, 400, "InvalidArgument"},
		"encoded twice":  {"/data/%252e%252e/single", nil, 404, "NoSuchKey"},
	} {
		r := w.do(c, http.MethodPut, m.query("&partNumber=1"), nil, append([]string{"x-amz-copy-source", tt.source}, tt.headers...)...)
		if r.status != tt.status || r.code() != tt.code {
			t.Errorf("%s: got %d %s, want %d %s", name, r.status, r.body, tt.status, tt.code)
		}
	}
	w.endedOnce()
}

// TestCopiedPartNeedsTheRightToRead: the source is decided on, and recorded, by
// itself.
func TestCopiedPartNeedsTheRightToRead(t *testing.T) {
	t.Parallel()
	w := newUploads(t, worldOptions{})
	w.put(w.client("/writer"), "/data/secret", []byte("not yours"))
	m := w.create(w.client("/blind"), "/data/drop/k")
	calls := w.store.Calls(storetest.Any)
	r := w.do(m.c, http.MethodPut, m.query("&partNumber=1"), nil, "x-amz-copy-source", "/data/secret")
	r.want(t, http.StatusForbidden, "AccessDenied")
	if e := w.lastDenial(); e.Key != "secret" || e.Decision != "deny" || e.Action != "UploadPartCopy" {
		t.Errorf("recorded %+v", e)
	}
	if n := w.store.Calls(storetest.Any); n != calls {
		t.Errorf("the store was called %d times", n-calls)
	}
}

// TestDamagedSourceIsNoPart: what does not verify does not get into an object.
func TestDamagedSourceIsNoPart(t *testing.T) {
	t.Parallel()
	w := newUploads(t, worldOptions{})
	c := w.client("/writer")
	w.put(c, "/data/k", noise(1, 300_000))
	m := w.create(c, "/data/copy")
	w.store.Add(storetest.Rule{Op: storetest.Get, Key: "k", Body: storetest.Flip(200_000, 1)})
	r := w.do(c, http.MethodPut, m.query("&partNumber=1"), nil, "x-amz-copy-source", "/data/k")
	r.want(t, http.StatusInternalServerError, "InternalError")
	if parts := w.do(c, http.MethodGet, m.query(""), nil); bytes.Contains(parts.body, []byte("<Part>")) {
		t.Errorf("a part is there: %s", parts.body)
	}
	if strings.Contains(string(r.body), "secret") {
		t.Error(string(r.body))
	}
}

// TestReadByPart: parts are counted as they stand in the object.
func TestReadByPart(t *testing.T) {
	t.Parallel()
	w := newUploads(t, worldOptions{})
	c := w.client("/writer")
	m := w.create(c, "/data/k")
	plain := [][]byte{noise(1, 5*mib+5), noise(2, 5*mib), {}}
	m.mustComplete([]string{m.part(2, plain[0]), m.part(7, plain[1]), m.part(9, plain[2])})
	off := 0
	for i, want := range plain {
		for range 2 { // cold and warm
			r := w.do(c, http.MethodGet, fmt.Sprintf("/data/k?partNumber=%d", i+1), nil)
			r.wantBody(t, http.StatusPartialContent, want)
			head := w.do(c, http.MethodHead, fmt.Sprintf("/data/k?partNumber=%d", i+1), nil)
			for _, r := range []reply{r, head} {
				if r.header.Get("X-Amz-Mp-Parts-Count") != "3" || r.header.Get("Content-Length") != fmt.Sprint(len(want)) {
					t.Errorf("part %d: %v", i+1, r.header)
				}
				if span := fmt.Sprintf("bytes %d-%d/%d", off, off+len(want)-1, 10*mib+5); len(want) > 0 && r.header.Get("Content-Range") != span {
					t.Errorf("part %d: %v, want %s", i+1, r.header, span)
				}
			}
		}
		off += len(want)
	}
	w.do(c, http.MethodGet, "/data/k?partNumber=4", nil).want(t, http.StatusRequestedRangeNotSatisfiable, "InvalidPartNumber")
	if r := w.do(c, http.MethodHead, "/data/k?partNumber=4", nil); r.status != http.StatusRequestedRangeNotSatisfiable {
		t.Errorf("HEAD of part 4: got %d", r.status)
	}
}

// TestCallsOfReads: how often the store is asked for a multipart object.
func TestCallsOfReads(t *testing.T) {
	t.Parallel()
	for _, size := range []int{5 * mib, 5*mib + 1} { // whole segments or not
		w := newUploads(t, worldOptions{})
		c := w.client("/writer")
		m := w.create(c, "/data/k")
		whole := append(noise(1, size), noise(2, 900_000)...)
		m.mustComplete([]string{m.part(1, whole[:size]), m.part(2, whole[size:])})
		cold := 2 // the guess, which stays open, and the tail
		if size%65536 != 0 {
			cold = 3
		}
		for i, most := range []int{cold, 1, 1} {
			from := size - 10
			calls := w.store.Calls(storetest.Any)
			r := w.do(c, http.MethodGet, "/data/k", nil, "Range", fmt.Sprintf("bytes=%d-%d", from, from+99_999))
			r.wantBody(t, http.StatusPartialContent, whole[from:from+100_000])
			if n := w.store.Calls(storetest.Any) - calls; n > most {
				t.Errorf("parts of %d bytes, read %d: %d calls to the store, want %d", size, i, n, most)
			}
		}
		for target, header := range map[string][]string{"/data/k": {"Range", "bytes=-5"}, "/data/k?partNumber=2": nil, "/data/k?": nil} {
			calls := w.store.Calls(storetest.Any)
			r := w.do(c, http.MethodGet, target, nil, header...)
			if n := w.store.Calls(storetest.Any) - calls; n != 1 || r.status/100 != 2 {
				t.Errorf("warm %s %s: %d calls to the store, status %d", target, header, n, r.status)
			}
		}
	}
}

// TestRememberedManifestIsAGuess: what stands at the key now is read, whatever
// was there before.
func TestRememberedManifestIsAGuess(t *testing.T) {
	t.Parallel()
	w := newUploads(t, worldOptions{})
	c := w.client("/writer")
	m := w.create(c, "/data/k")
	m.mustComplete([]string{m.part(1, noise(1, 5*mib+1)), m.part(2, noise(2, 900))})
	read := func(want []byte) {
		t.Helper()
		w.do(c, http.MethodGet, "/data/k", nil).wantBody(t, http.StatusOK, want)
		w.do(c, http.MethodGet, "/data/k", nil, "Range", "bytes=65530-65540").wantBody(t, http.StatusPartialContent, want[65530:65541])
		w.do(c, http.MethodGet, "/data/k", nil, "Range", "bytes=-3").wantBody(t, http.StatusPartialContent, want[len(want)-3:])
	}
	read(append(noise(1, 5*mib+1), noise(2, 900)...))
	w.put(c, "/data/k", noise(3, 5*mib+901)) // as long
	read(noise(3, 5*mib+901))
	m = w.create(c, "/data/k")
	m.mustComplete([]string{m.part(1, noise(4, 5*mib+900)), m.part(2, noise(5, 1))})
	read(append(noise(4, 5*mib+900), noise(5, 1)...))
	w.put(c, "/data/k", noise(6, 70_000))
	read(noise(6, 70_000))
	w.do(c, http.MethodDelete, "/data/k", nil)
	w.do(c, http.MethodGet, "/data/k", nil, "Range", "bytes=0-1").want(t, http.StatusNotFound, "NoSuchKey")
	if r := w.do(c, http.MethodGet, "/data/k", nil, "If-None-Match", "*"); r.status != http.StatusNotFound {
		t.Errorf("got %d", r.status)
	}
}

// TestManifestsAreBounded: what was used last stays.
func TestManifestsAreBounded(t *testing.T) {
	t.Parallel()
	w := newUploads(t, worldOptions{})
	c := w.client("/writer")
	m := w.create(c, "/data/k")
	m.mustComplete([]string{m.part(1, noise(1, 900))})
	w.do(c, http.MethodGet, "/data/k", nil)
	place := placeOf("data", "k")
	known := w.g.manifests.guess(place)
	if known == nil {
		t.Fatal("a manifest that was read is not remembered")
	}
	fill := known.key
	for i := range maxManifests / manifestBase {
		fill.Stored = int64(i)
		if w.g.manifests.add(fill, placeOf("data", fmt.Sprint(i)), known.manifest); i%100 == 0 && w.g.manifests.of(known.key) == nil {
			t.Fatal("what is used is forgotten")
		}
	}
	if w.g.manifests.cost > maxManifests || len(w.g.manifests.byKey) != w.g.manifests.order.Len() || len(w.g.manifests.at) > len(w.g.manifests.byKey) {
		t.Errorf("%d bytes, %d and %d entries", w.g.manifests.cost, len(w.g.manifests.byKey), len(w.g.manifests.at))
	}
	if w.g.manifests.guess(placeOf("data", "0")) != nil {
		t.Error("the oldest is not forgotten")
	}
}
