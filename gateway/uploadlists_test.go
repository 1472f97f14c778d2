// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func TestListParts(t *testing.T) {
	t.Parallel()
	w := newUploads(t, worldOptions{})
	c := w.client("/writer")
	m := w.create(c, "/data/k")
	m.part(3, noise(3, 10))
	tags := map[int]string{}
	for _, n := range []int{3, 1, 10_000, 7} { // 3 again: the newest is shown
		r := m.tryPart(n, noise(uint64(n), n))
		tags[n] = r.header.Get("Etag")
	}
	type page struct {
		IsTruncated          bool
		NextPartNumberMarker int
		Part                 []struct {
			PartNumber, Size int
			ETag             string
		}
	}
	var seen []int
	marker := 0
	for range 5 {
		var p page
		r := w.do(c, http.MethodGet, m.query(fmt.Sprintf("&max-parts=2&part-number-marker=%d", marker)), nil)
		if err := xml.Unmarshal(r.body, &p); err != nil || r.status != http.StatusOK {
			t.Fatalf("got %d %s", r.status, r.body)
		}
		for _, part := range p.Part {
			seen = append(seen, part.PartNumber)
			if part.Size != part.PartNumber || part.ETag != tags[part.PartNumber] {
				t.Errorf("%+v, want tag %s and its number of bytes", part, tags[part.PartNumber])
			}
		}
		if marker = p.NextPartNumberMarker; !p.IsTruncated {
			break
		}
	}
	if !slices.Equal(seen, []int{1, 3, 7, 10_000}) {
		t.Errorf("parts %v", seen)
	}
	if rec := w.last(); rec.event.Event != "upload.list" || rec.outcome.Listed == 0 {
		t.Errorf("recorded %+v %+v", rec.event, rec.outcome)
	}
}

type uploadPage struct {
	IsTruncated                       bool
	NextKeyMarker, NextUploadIdMarker string
	Upload                            []struct{ Key, UploadId string }
	CommonPrefixes                    []struct{ Prefix string }
}

// uploads lists page by page.
func (w *world) uploads(c *http.Client, query string, most int) (names []string) {
	w.t.Helper()
	key, id := "", ""
	for range 50 {
		var p uploadPage
		r := w.do(c, http.MethodGet, fmt.Sprintf("/data?uploads&max-uploads=%d&key-marker=%s&upload-id-marker=%s%s", most, url.QueryEscape(key), url.QueryEscape(id), query), nil)
		if err := xml.Unmarshal(r.body, &p); err != nil || r.status != http.StatusOK {
			w.t.Fatalf("got %d %s", r.status, r.body)
		}
		if n := len(p.Upload) + len(p.CommonPrefixes); n > most {
			w.t.Errorf("%d entries on a page of %d", n, most)
		}
		for _, u := range p.Upload {
			names = append(names, u.Key)
		}
		for _, u := range p.CommonPrefixes {
			names = append(names, u.Prefix)
		}
		if key, id = p.NextKeyMarker, p.NextUploadIdMarker; !p.IsTruncated {
			return names
		}
	}
	w.t.Fatal("the listing does not end")
	return nil
}

// TestListUploads: only keys that the caller may list, whoever began them.
func TestListUploads(t *testing.T) {
	t.Parallel()
	w := newUploads(t, worldOptions{})
	c := w.client("/writer")
	keys := []string{"a/1", "a/1", "a/secret/x", "a/z", "b/x/1", "b/x/2", "b/y", "c"}
	for _, k := range keys {
		w.create(c, "/data/"+k)
	}
	w.create(c, "/plain/other-bucket")
	for _, most := range []int{1, 2, 3, 1000} {
		for name, tt := range map[string]struct {
			query string
			want  []string
		}{
			"all":       {"", keys},
			"prefix":    {"&prefix=b/", []string{"b/x/1", "b/x/2", "b/y"}},
			"delimiter": {"&delimiter=/", []string{"a/", "b/", "c"}},
			"both":      {"&prefix=b/&delimiter=/", []string{"b/x/", "b/y"}},
		} {
			got := w.uploads(c, tt.query, most)
			if slices.Sort(got); !slices.Equal(got, tt.want) {
				t.Errorf("%s by %d: got %v, want %v", name, most, got, tt.want)
			}
		}
		got := w.uploads(w.client("/tree"), "", most)
		if !slices.Equal(got, []string{"a/1", "a/1", "a/z", "b/x/1", "b/x/2"}) {
			t.Errorf("granted subtrees by %d: got %v", most, got)
		}
		if got := w.uploads(w.client("/tree"), "&delimiter=/", most); !slices.Equal(got, []string{"a/", "b/"}) {
			t.Errorf("granted prefixes by %d: got %v", most, got)
		}
	}
	r := w.do(w.client("/reader"), http.MethodGet, "/data?uploads", nil)
	if r.status != http.StatusForbidden || bytes.Contains(r.body, []byte("UploadId")) {
		t.Errorf("without list: got %d %s", r.status, r.body)
	}
	if none := w.do(c, http.MethodGet, "/data?uploads&max-uploads=0", nil); none.status != http.StatusOK || strings.Contains(string(none.body), "<Upload>") {
		t.Errorf("none asked for: got %d %s", none.status, none.body)
	}
}
