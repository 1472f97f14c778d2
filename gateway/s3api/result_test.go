// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"encoding/xml"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// document gives a result's XML without its prologue.
func document(t *testing.T, rec *httptest.ResponseRecorder) string {
	t.Helper()
	if ct := rec.Header().Get("Content-Type"); ct != "application/xml" {
		t.Errorf("Content-Type = %q", ct)
	}
	doc, ok := strings.CutPrefix(rec.Body.String(), xml.Header)
	if !ok || itoa(rec.Body.Len()) != rec.Header().Get("Content-Length") {
		t.Errorf("answer %q, Content-Length %s", rec.Body, rec.Header().Get("Content-Length"))
	}
	return doc
}

var page = Listing{
	Objects: []Listed{
		{Key: "a b+c", Size: 3, ETag: `"abc-1"`, Modified: time.Date(2026, 11, 21, 9, 8, 7, 123456789, time.UTC)},
		{Key: "ü<&>", Size: 5 << 30, ETag: `"abd-1"`, Modified: time.Date(2026, 11, 21, 9, 8, 7, 0, time.FixedZone("", 3600))},
	},
	Prefixes: []string{"d/", "é/"},
	More:     true, Next: "é/",
}

func TestListDocuments(t *testing.T) {
	t.Parallel()
	const (
		open  = `<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>models</Name>`
		first = `<LastModified>2026-11-21T09:08:07.123Z</LastModified><ETag>&#34;abc-1&#34;</ETag><Size>3</Size>`
		other = `<LastModified>2026-11-21T08:08:07.000Z</LastModified><ETag>&#34;abd-1&#34;</ETag><Size>5368709120</Size>`
		own   = `<Owner><ID>sealgate</ID><DisplayName>sealgate</DisplayName></Owner>`
		class = `<StorageClass>STANDARD</StorageClass></Contents>`
	)
	for _, c := range []struct {
		name, line string
		page       Listing
		want       string
	}{
		{"V2", "GET /models?list-type=2&delimiter=/&max-keys=4&start-after=A%26", page, open +
			`<Prefix></Prefix><StartAfter>A&amp;</StartAfter><NextContinuationToken>é/</NextContinuationToken><KeyCount>4</KeyCount><MaxKeys>4</MaxKeys>` +
			`<Delimiter>/</Delimiter><IsTruncated>true</IsTruncated>` +
			`<Contents><Key>a b+c</Key>` + first + class + `<Contents><Key>ü&lt;&amp;&gt;</Key>` + other + class +
			`<CommonPrefixes><Prefix>d/</Prefix></CommonPrefixes><CommonPrefixes><Prefix>é/</Prefix></CommonPrefixes></ListBucketResult>`},
		{"V2, encoded, with owner", "GET /models?list-type=2&delimiter=/&encoding-type=url&fetch-owner=true&prefix=%20", page, open +
			`<Prefix>%20</Prefix><NextContinuationToken>é/</NextContinuationToken><KeyCount>4</KeyCount><MaxKeys>1000</MaxKeys>` +
			`<Delimiter>/</Delimiter><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>` +
			`<Contents><Key>a%20b%2Bc</Key>` + first + own + class + `<Contents><Key>%C3%BC%3C%26%3E</Key>` + other + own + class +
			`<CommonPrefixes><Prefix>d/</Prefix></CommonPrefixes><CommonPrefixes><Prefix>%C3%A9/</Prefix></CommonPrefixes></ListBucketResult>`},
		{"V2, empty, token echoed", "GET /models?list-type=2&continuation-token=", Listing{Next: "never shown"}, open +
			`<Prefix></Prefix><ContinuationToken></ContinuationToken><KeyCount>0</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated></ListBucketResult>`},
		{"V1", "GET /models?delimiter=/&marker=A", page, open +
			`<Prefix></Prefix><Marker>A</Marker><NextMarker>é/</NextMarker><MaxKeys>1000</MaxKeys><Delimiter>/</Delimiter><IsTruncated>true</IsTruncated>` +
			`<Contents><Key>a b+c</Key>` + first + own + class + `<Contents><Key>ü&lt;&amp;&gt;</Key>` + other + own + class +
			`<CommonPrefixes><Prefix>d/</Prefix></CommonPrefixes><CommonPrefixes><Prefix>é/</Prefix></CommonPrefixes></ListBucketResult>`},
		{"V1 without delimiter", "GET /models", Listing{More: true, Next: "x"}, open +
			`<Prefix></Prefix><Marker></Marker><NextMarker>x</NextMarker><MaxKeys>1000</MaxKeys><IsTruncated>true</IsTruncated></ListBucketResult>`},
		{"control characters", "GET /models?prefix=%01%0A", Listing{}, open +
			"<Prefix>\uFFFD&#xA;</Prefix><Marker></Marker><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated></ListBucketResult>"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rec := httptest.NewRecorder()
			WriteList(rec, parsed[*ListObjects](t, c.line), c.page)
			if got := document(t, rec); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// FuzzEncodedNames: with encoding-type=url each name comes back from the XML,
// whichever way the client decodes it.
func FuzzEncodedNames(f *testing.F) {
	f.Add("a b+c%20/ü\n*~\uFFFE")
	f.Fuzz(func(t *testing.T, name string) {
		if !utf8.ValidString(name) {
			return
		}
		body, err := xml.Marshal(prefixXML{encodeName(name)})
		if err != nil {
			t.Fatal(err)
		}
		var got prefixXML
		if err := xml.Unmarshal(body, &got); err != nil {
			t.Fatal(err)
		}
		for _, decode := range []func(string) (string, error){url.QueryUnescape, url.PathUnescape} {
			if back, err := decode(got.Prefix); err != nil || back != name {
				t.Fatalf("%q is listed as %q and read as %q, %v", name, got.Prefix, back, err)
			}
		}
	})
}

func TestBucketDocuments(t *testing.T) {
	t.Parallel()
	created := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	buckets := []Bucket{{"raw", created}, {"models", created}, {"models-dev", created}, {"features", created}}
	names := func(line string) (string, string) {
		rec := httptest.NewRecorder()
		WriteBuckets(rec, parsed[*ListBuckets](t, line), buckets)
		var doc struct {
			Buckets           []bucketXML `xml:"Buckets>Bucket"`
			ContinuationToken string
		}
		if err := xml.Unmarshal(rec.Body.Bytes(), &doc); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, b := range doc.Buckets {
			got = append(got, b.Name)
		}
		return strings.Join(got, " "), doc.ContinuationToken
	}
	if got, token := names("GET /"); got != "features models models-dev raw" || token != "" {
		t.Errorf("all: %q, token %q", got, token)
	}
	if got, _ := names("GET /?prefix=models"); got != "models models-dev" {
		t.Errorf("with prefix: %q", got)
	}
	got, token := names("GET /?max-buckets=2")
	rest, last := names("GET /?max-buckets=2&continuation-token=" + token)
	if got != "features models" || rest != "models-dev raw" || last != "" {
		t.Errorf("pages %q and %q, then token %q", got, rest, last)
	}
	rec := httptest.NewRecorder()
	WriteBuckets(rec, &ListBuckets{Max: 1}, buckets[:1])
	want := `<ListAllMyBucketsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Owner><ID>sealgate</ID><DisplayName>sealgate</DisplayName></Owner>` +
		`<Buckets><Bucket><Name>raw</Name><CreationDate>2026-01-02T03:04:05.000Z</CreationDate></Bucket></Buckets></ListAllMyBucketsResult>`
	if got := document(t, rec); got != want {
		t.Errorf("got %s", got)
	}
}

func TestLocationDocument(t *testing.T) {
	t.Parallel()
	for region, want := range map[string]string{"us-east-1": "", "eu-west-3": "eu-west-3"} {
		rec := httptest.NewRecorder()
		WriteLocation(rec, region)
		if got := document(t, rec); got != `<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">`+want+`</LocationConstraint>` {
			t.Errorf("got %s", got)
		}
	}
}
