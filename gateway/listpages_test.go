// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/gateway/policy"
	"github.com/sealgate/sealgate/gateway/s3api"
	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/storetest"
)

// TestFullPages: pages that are full where the store's are cost one call each,
// and a small page asks for little.
func TestFullPages(t *testing.T) {
	t.Parallel()
	s := &asking{Store: &storetest.Mem{}}
	for i := range 2 * listPage {
		if _, err := s.Put(context.Background(), fmt.Sprintf("m_%05d", i), strings.NewReader(strings.Repeat("x", 400)), store.PutOptions{Size: 400}); err != nil {
			t.Fatal(err)
		}
	}
	p, _ := policy.Parse("p", []byte(testPolicy))
	who := p.Principal(certs.MustParseID("spiffe://acme.ai/writer"))
	x := &exchange{r: httptest.NewRequest(http.MethodGet, "/data", http.NoBody)}
	for _, delimiter := range []string{"", "/"} {
		s.max = nil
		after, n := "", 0
		for more := true; more; {
			l := &lister{store: s, who: who, bucket: "data", now: testTime}
			got, err := x.page(l, &s3api.ListObjects{Max: listPage, Delimiter: delimiter}, after)
			if err != nil {
				t.Fatal(err)
			}
			n += len(got.Objects)
			after, more = got.Next, got.More
		}
		if diff := cmp.Diff([]int{listPage, listPage}, s.max); diff != "" || n != 2*listPage {
			t.Errorf("delimiter %q: %d keys\n%s", delimiter, n, diff)
		}
		s.max = nil
		l := &lister{store: s, who: who, bucket: "data", now: testTime, first: 11}
		got, err := x.page(l, &s3api.ListObjects{Max: 10, Delimiter: delimiter}, "")
		if diff := cmp.Diff([]int{11}, s.max); err != nil || diff != "" || len(got.Objects) != 10 || !got.More || got.Next != "m_00009" {
			t.Errorf("delimiter %q: %d keys, more %v, next %q, %v\n%s", delimiter, len(got.Objects), got.More, got.Next, err, diff)
		}
	}
}

// TestFullPageTellsNothing: that a page is the last does not depend on what lies
// behind it that the caller may not see, wherever the store's own page ends.
func TestFullPageTellsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	writer, tree := w.client("/writer"), w.client("/tree")
	for _, key := range []string{"q", "top", "u", "v/w"} { // tree may see the second
		w.put(writer, "/data/"+key, []byte("x"))
	}
	for _, delimiter := range []string{"", "/", "o"} {
		for _, version := range []string{"1", "2"} {
			before := w.store.Calls(storetest.List)
			q := url.Values{"max-keys": {"1"}, "delimiter": {delimiter}}
			if version == "2" {
				q.Set("list-type", version)
			}
			p := w.list(tree, q)
			if len(p.Contents)+len(p.CommonPrefixes) != 1 || p.IsTruncated || p.NextMarker+p.NextContinuationToken != "" {
				t.Errorf("delimiter %q, version %s: %+v", delimiter, version, p)
			}
			if delimiter != "o" && w.store.Calls(storetest.List)-before < 2 {
				t.Errorf("delimiter %q: the store's page did not end at the key that is seen", delimiter)
			}
		}
	}
	w.endedOnce()
}
