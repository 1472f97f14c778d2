// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/s3api"
	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/storetest"
)

// TestSamePartAgain: each attempt has a key of its own, and the list says which
// one counts. What the store keeps of two attempts has nothing in common.
func TestSamePartAgain(t *testing.T) {
	t.Parallel()
	w := newUploads(t, worldOptions{})
	c := w.client("/writer")
	one, two := noise(1, 100_000), noise(2, 100_000)
	m := w.create(c, "/data/k")
	first, second := m.part(1, one), m.part(1, two)
	if first == second {
		t.Fatal("two attempts have one tag")
	}
	var stored [][]byte
	list, _ := w.mem.List(context.Background(), listAll)
	for _, o := range list.Objects {
		if strings.HasPrefix(o.Key, stagingPrefix) {
			body, err := w.mem.Get(context.Background(), o.Key, store.Whole())
			if err != nil {
				t.Fatal(err)
			}
			b, _ := io.ReadAll(body)
			stored = append(stored, b)
		}
	}
	if len(stored) != 2 {
		t.Fatalf("%d staged parts, want 2", len(stored))
	}
	same := 0
	for i := range stored[0] {
		if stored[0][i]^stored[1][i] == one[min(i, len(one)-1)]^two[min(i, len(two)-1)] {
			same++
		}
	}
	if same > len(stored[0])/100 {
		t.Errorf("%d of %d bytes share a keystream", same, len(stored[0]))
	}
	m.mustComplete([]string{first})
	w.do(c, http.MethodGet, "/data/k", nil).wantBody(t, http.StatusOK, one)
	w.noUploads()
}

// TestCompleteIsIdempotent: the same list again finds the object; another one
// finds nothing; an object that took its place is not taken for it.
func TestCompleteIsIdempotent(t *testing.T) {
	t.Parallel()
	w := newUploads(t, worldOptions{})
	c := w.client("/writer")
	m := w.create(c, "/data/k")
	lines := []string{m.part(1, noise(1, 6*mib)), m.part(2, noise(2, 10))}
	first := m.mustComplete(lines)
	if again := m.mustComplete(lines); again != first {
		t.Errorf("again: %+v, want %+v", again, first)
	}
	m.complete(lines[:1]).want(t, http.StatusNotFound, "NoSuchUpload")
	m.tryPart(3, []byte("x")).want(t, http.StatusNotFound, "NoSuchUpload")
	w.do(c, http.MethodDelete, m.query(""), nil).want(t, http.StatusNotFound, "NoSuchUpload")
	w.do(c, http.MethodGet, m.query(""), nil).want(t, http.StatusNotFound, "NoSuchUpload")
	w.put(c, "/data/k", []byte("newer"))
	m.complete(lines).want(t, http.StatusNotFound, "NoSuchUpload")
	w.do(c, http.MethodDelete, "/data/k", nil)
	m.complete(lines).want(t, http.StatusNotFound, "NoSuchUpload")
}

// TestConcurrentCompletes: of one list all succeed, with one object; whichever
// of two lists is first is the object.
func TestConcurrentCompletes(t *testing.T) {
	t.Parallel()
	w := newUploads(t, worldOptions{})
	c := w.client("/writer")
	whole := append(noise(1, 5*mib), noise(2, 77)...)
	m := w.create(c, "/data/k")
	a, b := m.part(1, whole[:5*mib]), m.part(2, whole[5*mib:])
	var mu sync.Mutex
	var wg sync.WaitGroup
	won := map[string]int{}
	for i := range 8 {
		wg.Go(func() {
			lines := []string{a, b}
			if i%2 == 1 {
				lines = []string{a}
			}
			r := m.complete(lines)
			mu.Lock()
			defer mu.Unlock()
			if r.status == http.StatusOK && !strings.Contains(string(r.body), "<Error>") {
				won[fmt.Sprint(len(lines))]++
			} else if r.code() != "OperationAborted" && r.code() != "NoSuchUpload" {
				t.Errorf("list of %d: got %d %s", len(lines), r.status, r.body)
			}
		})
	}
	wg.Wait()
	if len(won) != 1 {
		t.Fatalf("lists that were completed: %v, want one", won)
	}
	want := whole
	if won["1"] > 0 {
		want = whole[:5*mib]
	}
	if n := won["1"] + won["2"]; n != 4 {
		t.Errorf("%d of 4 Completes of the list that was first succeeded", n)
	}
	w.do(c, http.MethodGet, "/data/k", nil).wantBody(t, http.StatusOK, want)
	w.noUploads()
	w.endedOnce()
}

// TestLostAnswerOfComplete: what the store did, its answer lost, is found out
// by the object's id.
func TestLostAnswerOfComplete(t *testing.T) {
	t.Parallel()
	for name, rule := range map[string]storetest.Rule{
		"done, answer lost": {Op: storetest.CompleteMultipart, Times: 1, Lost: errBackend},
		"part, answer lost": {Op: storetest.PutPart, Skip: 1, Times: 1, Lost: errBackend},
		"not done":          {Op: storetest.CompleteMultipart, Times: 1, Err: errBackend},
		"staged part away":  {Op: storetest.Get, Times: 1, Err: errBackend},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newUploads(t, worldOptions{})
			c := w.client("/writer")
			m := w.create(c, "/data/k")
			plain := append(noise(1, 5*mib), noise(2, 99)...)
			w.store.Add(rule)
			lines := []string{m.part(1, plain[:5*mib]), m.part(2, plain[5*mib:])}
			r := m.complete(lines)
			done := name == "done, answer lost"
			if done != (r.status == http.StatusOK) || !done && r.code() != "ServiceUnavailable" {
				t.Fatalf("got %d %s", r.status, r.body)
			}
			if strings.Contains(string(r.body), secretWord) {
				t.Errorf("the answer tells where the store is: %s", r.body)
			}
			m.mustComplete(lines)
			w.do(c, http.MethodGet, "/data/k", nil).wantBody(t, http.StatusOK, plain)
			w.noUploads()
		})
	}
}

// TestStagedPartMustOpen: a staged part that the store changed does not get
// into an object.
func TestStagedPartMustOpen(t *testing.T) {
	t.Parallel()
	for name, rule := range map[string]storetest.Rule{
		"bit":      {Op: storetest.Get, Body: storetest.Flip(70_000, 1)},
		"cut":      {Op: storetest.Get, Body: storetest.Truncate(65_568)},
		"length":   {Op: storetest.Get, Object: func(o *store.Object) { o.Size -= 32 }},
		"swapped":  {Op: storetest.Get, Body: storetest.Swap(noise(9, 100_064))},
		"too long": {Op: storetest.Get, Body: storetest.Swap(noise(9, 200_064))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newUploads(t, worldOptions{})
			c := w.client("/writer")
			m := w.create(c, "/data/k")
			lines := []string{m.part(1, noise(1, 100_000))}
			w.store.Add(rule)
			m.complete(lines).want(t, http.StatusInternalServerError, "InternalError")
			if rec := w.last(); rec.outcome.Abort != audit.AbortIntegrity {
				t.Errorf("outcome %+v", rec.outcome)
			}
			w.store.Clear()
			w.do(c, http.MethodGet, "/data/k", nil).want(t, http.StatusNotFound, "NoSuchKey")
			m.mustComplete(lines) // the store has it again
			w.do(c, http.MethodGet, "/data/k", nil).wantBody(t, http.StatusOK, noise(1, 100_000))
		})
	}
}

// TestLostStagedPart: the client is told to begin anew, and may.
func TestLostStagedPart(t *testing.T) {
	t.Parallel()
	w := newUploads(t, worldOptions{})
	c := w.client("/writer")
	m := w.create(c, "/data/k")
	lines := []string{m.part(1, noise(1, 100))}
	list, _ := w.mem.List(context.Background(), store.ListOptions{Prefix: stagingPrefix})
	if err := w.mem.Delete(context.Background(), list.Objects[0].Key); err != nil {
		t.Fatal(err)
	}
	m.complete(lines).want(t, http.StatusBadRequest, "InvalidPart")
	w.do(c, http.MethodDelete, m.query(""), nil).want(t, http.StatusNoContent, "")
	w.noUploads()
	if n := w.mem.Uploads(); n > 0 {
		t.Errorf("%d uploads are left at the backend", n)
	}
}

func TestCompleteRefuses(t *testing.T) {
	t.Parallel()
	w := newUploads(t, worldOptions{})
	c := w.client("/writer")
	m := w.create(c, "/data/k")
	small, large, last := m.part(1, noise(1, 100)), m.part(2, noise(2, 5*mib)), m.part(3, noise(3, 1))
	for name, tt := range map[string]struct {
		lines   []string
		headers []string
		status  int
		code    string
	}{
		"small first":       {[]string{small, large}, nil, 400, "EntityTooSmall"},
		"out of order":      {[]string{last, large}, nil, 400, "InvalidPartOrder"},
		"twice":             {[]string{large, large}, nil, 400, "InvalidPartOrder"},
		"other tag":         {[]string{line(2, `"0123456789abcdef-1"`, "")}, nil, 400, "InvalidPart"},
		"tag of another":    {[]string{strings.Replace(large, "<PartNumber>2", "<PartNumber>3", 1)}, nil, 400, "InvalidPart"},
		"part not there":    {[]string{line(9, `"ab-1"`, "")}, nil, 400, "InvalidPart"},
		"none":              {nil, nil, 400, "MalformedXML"},
		"size":              {[]string{large, last}, []string{"x-amz-mp-object-size", "7"}, 400, "InvalidRequest"},
		"if-none-match":     {[]string{large}, []string{"If-None-Match", "*"}, 412, "PreconditionFailed"},
		"if-match":          {[]string{large}, []string{"If-Match", `"abc"`}, 412, "PreconditionFailed"},
		"type":              {[]string{large}, []string{"x-amz-checksum-type", "COMPOSITE"}, 400, "InvalidRequest"},
		"sum of a part":     {[]string{strings.Replace(large, "</Part>", "<ChecksumCRC64NVME>AAAAAAAAAAA=</ChecksumCRC64NVME></Part>", 1)}, nil, 400, "InvalidPart"},
		"another algorithm": {[]string{strings.Replace(large, "</Part>", "<ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part>", 1)}, nil, 400, "BadDigest"},
	} {
		w.put(c, "/data/k", []byte("before"))
		r := m.complete(tt.lines, tt.headers...)
		if r.status != tt.status || r.code() != tt.code {
			t.Errorf("%s: got %d %s, want %d %s", name, r.status, r.body, tt.status, tt.code)
		}
	}
	w.do(c, http.MethodGet, "/data/k", nil).wantBody(t, http.StatusOK, []byte("before"))
	m.mustComplete([]string{large, last}, "If-Match", w.do(c, http.MethodHead, "/data/k", nil).header.Get("Etag"))
	w.do(c, http.MethodGet, "/data/k", nil).wantBody(t, http.StatusOK, append(noise(2, 5*mib), noise(3, 1)...))
	w.noUploads()
	w.endedOnce()
}

// TestConditionsOfCreateHold: what a client demanded when it began is held to
// when it ends, also if it does not say so again.
func TestConditionsOfCreateHold(t *testing.T) {
	t.Parallel()
	w := newUploads(t, worldOptions{})
	c := w.client("/writer")
	m := w.create(c, "/data/k", "If-None-Match", "*")
	lines := []string{m.part(1, []byte("late"))}
	w.put(c, "/data/k", []byte("first"))
	m.complete(lines).want(t, http.StatusPreconditionFailed, "PreconditionFailed")
	w.do(c, http.MethodGet, "/data/k", nil).wantBody(t, http.StatusOK, []byte("first"))
	w.do(c, http.MethodDelete, "/data/k", nil)
	m.mustComplete(lines)
	m.mustComplete(lines) // its own object does not stand in its way
}

// TestTooLargeParts: the limit is told before a byte of the part is read.
func TestTooLargeParts(t *testing.T) {
	t.Parallel()
	w := newUploads(t, worldOptions{})
	m := w.create(w.client("/writer"), "/data/k")
	for number, limit := range map[int]int64{1: envelope.MaxPartSize, 9999: envelope.MaxPartSize, 10_000: envelope.MaxMergedPartSize} {
		c := w.raw("/writer")
		fmt.Fprintf(c, "PUT %s HTTP/1.1\r\nHost: gateway\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", m.query(fmt.Sprintf("&partNumber=%d", number)), limit+1)
		b := make([]byte, 4096)
		n, err := c.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		more, _ := c.Read(b[n:])
		got := string(b[:n+more])
		for _, want := range []string{"400 Bad Request", "EntityTooLarge", fmt.Sprintf("part %d has %d bytes; a sealed part holds at most %d (5 GiB less its seals). Use more parts", number, limit+1, limit), fmt.Sprintf("<MaxSizeAllowed>%d</MaxSizeAllowed>", limit)} {
			if !strings.Contains(got, want) {
				t.Errorf("part %d: no %q in %s", number, want, got)
			}
		}
	}
}

// TestUploadsAreTheirMakers: an id does nothing for another identity, key or
// bucket, whatever is done with it.
func TestUploadsAreTheirMakers(t *testing.T) {
	t.Parallel()
	w := newUploads(t, worldOptions{policy: strings.Replace(testPolicy, "who: [writer]", "who: [writer, reader]", 1)})
	owner, other := w.client("/writer"), w.client("/reader")
	m := w.create(owner, "/data/k")
	lines := []string{m.part(1, []byte("mine"))}
	for name, m := range map[string]*mpu{
		"identity": {w, other, m.target, m.id, m.object},
		"key":      {w, owner, "/data/kk", m.id, m.object},
		"bucket":   {w, owner, "/plain/k", m.id, m.object},
		"cut id":   {w, owner, m.target, m.id[:len(m.id)-1], m.object},
		"no id":    {w, owner, m.target, "AAAA", m.object},
	} {
		for what, r := range map[string]reply{
			"part": m.tryPart(1, []byte("x")), "complete": m.complete(lines), "list": w.do(m.c, http.MethodGet, m.query(""), nil),
			"abort": w.do(m.c, http.MethodDelete, m.query(""), nil),
			"copy":  w.do(m.c, http.MethodPut, m.query("&partNumber=2"), nil, "x-amz-copy-source", "/data/k"),
		} {
			if r.status != http.StatusNotFound || r.code() != "NoSuchUpload" {
				t.Errorf("%s of another %s: got %d %s", what, name, r.status, r.body)
			}
		}
	}
	m.mustComplete(lines)
}

// TestRightsAreDecidedAtEachStep: what was allowed at Create need not be later.
func TestRightsAreDecidedAtEachStep(t *testing.T) {
	t.Parallel()
	w := newUploads(t, worldOptions{})
	creator := w.client("/creator")
	m := w.create(creator, "/data/new/k")
	lines := []string{m.part(1, []byte("x"))}
	m.complete(lines).want(t, http.StatusForbidden, "AccessDenied") // it might replace something
	m.mustComplete(lines, "If-None-Match", "*")
	m = w.create(creator, "/data/new/l")
	lines = []string{m.part(1, []byte("x"))}
	w.use("version: 1\ntrust_domain: acme.ai\n")
	m.tryPart(2, []byte("x")).want(t, http.StatusForbidden, "AccessDenied")
	m.complete(lines, "If-None-Match", "*").want(t, http.StatusForbidden, "AccessDenied")
	w.do(creator, http.MethodDelete, m.query(""), nil).want(t, http.StatusForbidden, "AccessDenied")
	if _, err := w.mem.Head(context.Background(), "new/l"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the object is there: %v", err)
	}
}

// TestChecksumsOfUploads: each type and algorithm, from parts to every answer.
func TestChecksumsOfUploads(t *testing.T) {
	t.Parallel()
	one, two := noise(1, 5*mib+3), noise(2, 1000)
	b64 := base64.StdEncoding.EncodeToString
	sha := func(b []byte) []byte { s := sha256.Sum256(b); return s[:] }
	crc := func(b []byte) []byte { s := crc32.NewIEEE(); _, _ = s.Write(b); return s.Sum(nil) }
	w := newUploads(t, worldOptions{})
	c := w.client("/writer")

	m := w.create(c, "/data/composite", "x-amz-checksum-algorithm", "SHA256")
	m.tryPart(1, one).want(t, http.StatusBadRequest, "InvalidRequest") // S3 demands the sum
	m.tryPart(1, one, "x-amz-checksum-crc32", b64(crc(one))).want(t, http.StatusBadRequest, "InvalidRequest")
	m.tryPart(1, one, "x-amz-checksum-sha256", b64(sha(two))).want(t, http.StatusBadRequest, "BadDigest")
	sums := []string{b64(sha(one)), b64(sha(two))}
	lines := []string{m.part(1, one, "x-amz-checksum-sha256", sums[0]), m.part(2, two, "x-amz-checksum-sha256", sums[1])}
	m.complete(lines).want(t, http.StatusBadRequest, "InvalidRequest") // and again in the list
	for i := range lines {
		lines[i] = strings.Replace(lines[i], "</Part>", "<ChecksumSHA256>"+sums[i]+"</ChecksumSHA256></Part>", 1)
	}
	whole := b64(sha(append(sha(one), sha(two)...))) + "-2"
	m.complete(lines, "x-amz-checksum-sha256", b64(sha(one))).want(t, http.StatusBadRequest, "BadDigest")
	if doc := m.mustComplete(lines, "x-amz-checksum-sha256", whole); doc.ChecksumSHA256 != whole || doc.ChecksumType != "COMPOSITE" {
		t.Errorf("composite: %+v, want %s", doc, whole)
	}
	m.mustComplete(lines, "x-amz-checksum-sha256", strings.TrimSuffix(whole, "-2")) // minio-go leaves the number out
	m.complete(lines, "x-amz-checksum-sha256", strings.TrimSuffix(whole, "2")+"3").want(t, http.StatusBadRequest, "BadDigest")
	w.wantChecksum(c, "/data/composite", "Sha256", whole, "COMPOSITE", append(bytes.Clone(one), two...))
	if r := w.do(c, http.MethodGet, "/data/composite?partNumber=2", nil, "x-amz-checksum-mode", "ENABLED"); r.header.Get("X-Amz-Checksum-Sha256") != sums[1] {
		t.Errorf("sum of part 2: %v", r.header)
	}

	m = w.create(c, "/data/whole", "x-amz-checksum-algorithm", "CRC32", "x-amz-checksum-type", "FULL_OBJECT")
	lines = []string{m.part(1, one), m.part(2, two, "x-amz-checksum-crc32", b64(crc(two)))}
	whole = b64(crc(append(bytes.Clone(one), two...)))
	m.complete(lines, "x-amz-checksum-crc32", b64(crc(one))).want(t, http.StatusBadRequest, "BadDigest")
	if doc := m.mustComplete(lines, "x-amz-checksum-crc32", whole, "x-amz-checksum-type", "FULL_OBJECT"); doc.ChecksumCRC32 != whole || doc.ChecksumType != "FULL_OBJECT" {
		t.Errorf("full: %+v, want %s", doc, whole)
	}
	w.wantChecksum(c, "/data/whole", "Crc32", whole, "FULL_OBJECT", append(bytes.Clone(one), two...))

	m = w.create(c, "/data/default")
	lines = []string{m.part(1, one, "x-amz-checksum-crc32", b64(crc(one))), m.part(2, two)}
	h := s3api.ChecksumCRC64NVME.New()
	_, _ = h.Write(append(bytes.Clone(one), two...))
	whole = b64(h.Sum(nil))
	if doc := m.mustComplete(lines); doc.ChecksumCRC64NVME != whole || doc.ChecksumType != "FULL_OBJECT" {
		t.Errorf("default: %+v, want %s", doc, whole)
	}
	w.wantChecksum(c, "/data/default", "Crc64nvme", whole, "FULL_OBJECT", append(bytes.Clone(one), two...))
	w.endedOnce()
}

func (w *world) wantChecksum(c *http.Client, target, algorithm, sum, kind string, plain []byte) {
	w.t.Helper()
	for _, method := range []string{http.MethodHead, http.MethodGet} {
		r := w.do(c, method, target, nil, "x-amz-checksum-mode", "ENABLED")
		if r.header.Get("X-Amz-Checksum-"+algorithm) != sum || r.header.Get("X-Amz-Checksum-Type") != kind || method == http.MethodGet && !bytes.Equal(r.body, plain) {
			w.t.Errorf("%s %s: %d bytes, %v, want %s %s", method, target, len(r.body), r.header, sum, kind)
		}
	}
	if r := w.do(c, http.MethodGet, target, nil, "x-amz-checksum-mode", "ENABLED", "Range", "bytes=0-1"); r.header.Get("X-Amz-Checksum-"+algorithm) != "" {
		w.t.Errorf("a range carries the sum of the whole: %v", r.header)
	}
}
