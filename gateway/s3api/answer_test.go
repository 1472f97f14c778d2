// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestObjectHeaders(t *testing.T) {
	t.Parallel()
	base := ObjectAnswer{
		Size: 11, Len: 11, ETag: `"abc-1"`, Modified: time.Date(2026, 11, 21, 10, 0, 0, 999, time.FixedZone("", 3600)),
		Checksum: Checksum{Algorithm: ChecksumCRC32, Sum: []byte{1, 2, 3, 4}},
	}
	common := func(more ...string) http.Header {
		h := http.Header{
			"Accept-Ranges": {"bytes"}, "Etag": {`"abc-1"`}, "Last-Modified": {"Sat, 21 Nov 2026 09:00:00 GMT"},
			"X-Amz-Server-Side-Encryption": {"aws:kms"}, "Content-Type": {"binary/octet-stream"}, "Content-Length": {"11"},
		}
		for i := 0; i < len(more); i += 2 {
			h[more[i]] = []string{more[i+1]} // as it goes out, in its own case
		}
		return h
	}
	for _, c := range []struct {
		name   string
		edit   func(*ObjectAnswer)
		status int
		want   http.Header
	}{
		{"whole", func(*ObjectAnswer) {}, 200, common("X-Amz-Checksum-Crc32", "AQIDBA==", "X-Amz-Checksum-Type", "FULL_OBJECT")},
		{
			"a range has no checksum of the whole", func(a *ObjectAnswer) { a.Range, a.Off, a.Len = ParseRange("bytes=2-4"), 2, 3 }, 206,
			common("Content-Range", "bytes 2-4/11", "Content-Length", "3"),
		},
		{"a range of all", func(a *ObjectAnswer) { a.Range = ParseRange("bytes=0-") }, 206, common("Content-Range", "bytes 0-10/11")},
		{"part 1 of nothing", func(a *ObjectAnswer) {
			a.Range, a.Size, a.Len, a.Checksum = Range{kind: rangePart, first: 1}, 0, 0, Checksum{}
		}, 200, common("Content-Length", "0")},
		{"stored headers", func(a *ObjectAnswer) {
			a.Checksum = Checksum{}
			a.Headers = Headers{"text/html", "gzip", "inline", "fr", "no-store", "0", ""}
			a.Meta = []UserMeta{{"a-b", "1"}, {"c", "ü"}}
			a.Override = Headers{ContentType: "text/plain"}
		}, 200, common("Content-Type", "text/plain", "Content-Encoding", "gzip", "Content-Disposition", "inline", "Content-Language", "fr",
			"Cache-Control", "no-store", "Expires", "0", "x-amz-meta-a-b", "1", "x-amz-meta-c", "ü")},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := base
			c.edit(&a)
			h := http.Header{}
			SetObjectHeaders(h, a)
			if d := cmp.Diff(c.want, h); d != "" || a.Status() != c.status {
				t.Errorf("status %d, headers (-want +got):\n%s", a.Status(), d)
			}
		})
	}
}

func TestPutHeaders(t *testing.T) {
	t.Parallel()
	h := http.Header{}
	SetPutHeaders(h, `"abc-1"`, Checksum{Algorithm: ChecksumCRC64NVME, Sum: make([]byte, 8)})
	want := http.Header{
		"Etag": {`"abc-1"`}, "X-Amz-Server-Side-Encryption": {"aws:kms"},
		"X-Amz-Checksum-Crc64nvme": {"AAAAAAAAAAA="}, "X-Amz-Checksum-Type": {"FULL_OBJECT"},
	}
	if d := cmp.Diff(want, h); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
