// SPDX-License-Identifier: Apache-2.0

package attack

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"testing"

	"github.com/sealgate/sealgate/testenv/gate"
)

func itoa(n int) string { return strconv.Itoa(n) }

// keyOf decodes a target's path by means of our own.
func keyOf(t *testing.T, target string) string {
	t.Helper()
	s, err := url.PathUnescape(target)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// page is one page of a listing.
type page struct {
	XMLName               xml.Name `xml:"ListBucketResult"`
	Name, Prefix          string
	KeyCount, MaxKeys     int
	IsTruncated           bool
	NextContinuationToken string
	NextMarker            string
	Contents              []struct {
		Key  string
		Size int64
		ETag string
	}
	CommonPrefixes []struct{ Prefix string }
}

// names are the keys and prefixes of a page, decoded, in byte order.
func (p page) names(t *testing.T) (keys, prefixes []string) {
	t.Helper()
	for _, c := range p.Contents {
		keys = append(keys, keyOf(t, c.Key))
	}
	for _, c := range p.CommonPrefixes {
		prefixes = append(prefixes, keyOf(t, c.Prefix))
	}
	return keys, prefixes
}

func readPage(t *testing.T, a gate.Answer) page {
	t.Helper()
	var p page
	if err := xml.Unmarshal(a.Body, &p); err != nil || a.Status != http.StatusOK {
		t.Fatalf("listing: got %d %s, %v, want 200", a.Status, a.Body, err)
	}
	return p
}

// list asks for one page.
func list(t *testing.T, g *gate.Gate, who, bucket string, q url.Values) gate.Answer {
	t.Helper()
	return g.Do(t, client(t, g, who), http.MethodGet, "/"+bucket+"?"+q.Encode(), nil, 0, nil)
}

// listAll pages through a listing in version 2, keys and prefixes in order.
func listAll(t *testing.T, g *gate.Gate, who, bucket, prefix, delimiter string, most int) []string {
	t.Helper()
	all, err := pages(t, g, who, bucket, url.Values{"list-type": {"2"}, "prefix": {prefix}, "delimiter": {delimiter}, "max-keys": {itoa(most)}})
	if err != nil {
		t.Error(err)
	}
	return all
}

// pages follows a listing to its end. The error says what is wrong with a
// page as such.
func pages(t *testing.T, g *gate.Gate, who, bucket string, q url.Values) ([]string, error) {
	t.Helper()
	q.Set("encoding-type", "url")
	most, _ := strconv.Atoi(q.Get("max-keys"))
	v2 := q.Get("list-type") == "2"
	var all []string
	for n := 0; ; n++ {
		a := list(t, g, who, bucket, q)
		if a.Status != http.StatusOK {
			return all, fmt.Errorf("page %d: got %d %s", n, a.Status, a.Body)
		}
		p := readPage(t, a)
		keys, prefixes := p.names(t)
		both := sorted(append(keys, prefixes...))
		all = append(all, both...)
		switch {
		case v2 && p.KeyCount != len(both), len(both) > most:
			return all, fmt.Errorf("page %d: %d names, KeyCount %d, MaxKeys %d", n, len(both), p.KeyCount, most)
		case !p.IsTruncated:
			return all, nil
		case len(both) == 0 || n > 2000:
			return all, fmt.Errorf("page %d is truncated and empty, or there is no end", n)
		case len(both) < most:
			return all, fmt.Errorf("page %d is truncated with %d of %d names", n, len(both), most)
		}
		if v2 {
			q.Set("continuation-token", p.NextContinuationToken)
		} else if q.Set("marker", both[len(both)-1]); q.Get("delimiter") != "" {
			q.Set("marker", keyOf(t, p.NextMarker))
		}
	}
}
