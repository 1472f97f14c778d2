// SPDX-License-Identifier: Apache-2.0

package s3_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/s3"
)

// A full page is one call where the backend says that more follows, and is not
// the last one where it says the contrary: MinIO does that with keys to come.
func TestFullPage(t *testing.T) {
	t.Parallel()
	for _, truncated := range []bool{true, false} {
		var asked atomic.Int64
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			first, n := 0, store.MaxList
			if r.URL.Query().Get("start-after") != "" {
				first, n = store.MaxList, 1
			}
			_, _ = io.WriteString(w, fullPage(first, n, truncated)) // the client reports what is missing
		}))
		defer srv.Close()
		s, err := s3.Open(s3.Config{Endpoint: srv.URL, Bucket: "b", Read: s3.Credentials{AccessKey: "a", SecretKey: "s"}.Static()})
		if err != nil {
			t.Fatal(err)
		}
		page, err := s.List(t.Context(), store.ListOptions{Max: store.MaxList})
		if err != nil || len(page.Objects) != store.MaxList || !page.More || page.Next != "k00999" {
			t.Errorf("truncated %v: %d keys, more %v, next %q, %v", truncated, len(page.Objects), page.More, page.Next, err)
		}
		if want := map[bool]int64{true: 1, false: 2}[truncated]; asked.Load() != want {
			t.Errorf("truncated %v: %d calls, want %d", truncated, asked.Load(), want)
		}
	}
}

func fullPage(first, n int, truncated bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<ListBucketResult><IsTruncated>%v</IsTruncated>", truncated)
	for i := range n {
		fmt.Fprintf(&b, "<Contents><Key>k%05d</Key><ETag>&quot;e&quot;</ETag><LastModified>2026-01-02T03:04:05Z</LastModified><Size>400</Size></Contents>", first+i)
	}
	b.WriteString("</ListBucketResult>")
	return b.String()
}
