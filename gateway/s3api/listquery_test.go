// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestListQueries(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, line string
		want       ListObjects
	}{
		{"V1", "GET /models", ListObjects{Version: 1, Max: 1000}},
		{"V1 with slash", "GET /models/", ListObjects{Version: 1, Max: 1000}},
		{
			"V1, all", "GET /models?prefix=a/b&delimiter=/&max-keys=5&marker=a/bc&encoding-type=url",
			ListObjects{Version: 1, Prefix: "a/b", Delimiter: "/", Max: 5, Marker: "a/bc", EncodingURL: true},
		},
		{"V1, all empty", "GET /models?prefix=&delimiter=&marker=", ListObjects{Version: 1, Max: 1000}},
		{"V2", "GET /models?list-type=2", ListObjects{Version: 2, Max: 1000}},
		{
			"V2, all", "GET /models/?list-type=2&prefix=a&delimiter=--&max-keys=1000&start-after=b&continuation-token=tok&fetch-owner=true",
			ListObjects{Version: 2, Prefix: "a", Delimiter: "--", Max: 1000, StartAfter: "b", Token: "tok", FetchOwner: true, tokenSent: true},
		},
		{"V2, empty token", "GET /models?list-type=2&continuation-token=&fetch-owner=false", ListObjects{Version: 2, Max: 1000, tokenSent: true}},
		{"no keys", "GET /models?max-keys=0", ListObjects{Version: 1}},
		{"more than a page", "GET /models?max-keys=2147483647", ListObjects{Version: 1, Max: 1000}},
		{"bytes as they are", "GET /models?prefix=%C3%BC%20%0A&delimiter=%0A", ListObjects{Version: 1, Prefix: "ü \n", Delimiter: "\n", Max: 1000}},
		{"dots that are no segment", "GET /models?prefix=a/..b/...&delimiter=..", ListObjects{Version: 1, Prefix: "a/..b/...", Delimiter: "..", Max: 1000}},
		{"dots that may become a key", "GET /models?prefix=a/..", ListObjects{Version: 1, Prefix: "a/..", Max: 1000}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.want.Bucket = "models"
			got := parsed[*ListObjects](t, c.line)
			if d := cmp.Diff(c.want, *got, cmp.AllowUnexported(ListObjects{})); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestRefusedListQueries(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("k", MaxKey+1)
	for _, line := range []string{
		"GET /models?max-keys=-1", "GET /models?max-keys=blah", "GET /models?max-keys=", "GET /models?max-keys=%2B5", "GET /models?max-keys=2147483648",
		"GET /models?list-type=1", "GET /models?list-type=", "GET /models?list-type=2&encoding-type=base64", "GET /models?encoding-type=",
		"GET /models?list-type=2&fetch-owner=1", "GET /models?prefix=" + long, "GET /models?delimiter=" + long, "GET /models?marker=" + long,
		"GET /models?list-type=2&start-after=" + long, "GET /models?list-type=2&continuation-token=" + strings.Repeat("t", maxToken+1),
		"GET /models?prefix=../", "GET /models?prefix=a/../b", "GET /models?prefix=./a", "GET /models?prefix=a%2F%2e%2e%2Fb",
		"GET /?max-buckets=0", "GET /?max-buckets=10001", "GET /?max-buckets=x", "GET /?continuation-token=!",
	} {
		refused(t, "InvalidArgument", line)
	}
}

// FuzzListQuery: what is accepted reads back equal from its own encoding, and
// stays inside of the bounds that the lister and the store rely on.
func FuzzListQuery(f *testing.F) {
	f.Add("list-type=2&prefix=a%2Fb+c&delimiter=/&max-keys=7&start-after=x&continuation-token=")
	f.Add("prefix=%C3%BC&marker=%25&encoding-type=url")
	f.Add("prefix=a&prefix=b")
	f.Add("max-keys=99999999999999999999&x-id=ListObjects")
	f.Fuzz(func(t *testing.T, raw string) {
		first, err := listOf(raw)
		if err != nil || first == nil {
			return
		}
		if first.Max < 0 || first.Max > MaxListKeys || len(first.Prefix) > MaxKey || hasDotSegment(first.Prefix) {
			t.Fatalf("%q gives %+v", raw, first)
		}
		v := url.Values{"prefix": {first.Prefix}, "delimiter": {first.Delimiter}, "max-keys": {itoa(first.Max)}}
		if first.Version == 2 {
			v.Set("list-type", "2")
			v.Set("start-after", first.StartAfter)
			if first.tokenSent {
				v.Set("continuation-token", first.Token)
			}
			if first.FetchOwner {
				v.Set("fetch-owner", "true")
			}
		} else {
			v.Set("marker", first.Marker)
		}
		if first.EncodingURL {
			v.Set("encoding-type", "url")
		}
		again, err := listOf(v.Encode())
		if err != nil {
			t.Fatalf("%q gives %+v, which reads back as %v", raw, first, err)
		}
		if d := cmp.Diff(first, again, cmp.AllowUnexported(ListObjects{}), cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("%q reads back otherwise:\n%s", raw, d)
		}
	})
}

// listOf reads a raw query as one of a listing; nil when it asks for
// something else.
func listOf(raw string) (*ListObjects, *Error) {
	q, err := parseQuery(raw)
	if err != nil {
		return nil, err
	}
	r := &request{method: get, target: Resource{Bucket: "models"}, query: q, header: header{}}
	rt, err := r.route()
	if err != nil || rt.serve == nil {
		return nil, err
	}
	op, err := r.parse(rt)
	if err != nil {
		return nil, err
	}
	list, _ := op.(*ListObjects)
	return list, nil
}
