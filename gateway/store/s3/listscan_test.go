// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"encoding/xml"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealgate/sealgate/gateway/store"
)

// answers are as servers give them: how they write an empty element, a quote,
// the end of a line, and what of theirs nobody asked for.
var answers = map[string]string{
	"AWS": `<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix/><KeyCount>2</KeyCount><MaxKeys>1000</MaxKeys><EncodingType>url</EncodingType>` +
		`<IsTruncated>false</IsTruncated><Contents><Key>k%2B+1</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>&quot;00ff&quot;</ETag>` +
		`<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType><Size>5</Size><StorageClass>STANDARD</StorageClass></Contents>` +
		`<CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes></ListBucketResult>`,
	"MinIO": `<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix></Prefix><NextContinuationToken>dA==</NextContinuationToken><KeyCount>2</KeyCount>` +
		`<MaxKeys>2</MaxKeys><IsTruncated>true</IsTruncated><Contents><Key>k%2B+1</Key><LastModified>2026-01-02T03:04:05Z</LastModified><ETag>&#34;00ff&#34;</ETag><Size>5</Size>` +
		`<Owner><ID>02d6</ID><DisplayName>a&amp;b</DisplayName></Owner><StorageClass>STANDARD</StorageClass><UserMetadata></UserMetadata></Contents>` +
		`<CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes><EncodingType>url</EncodingType></ListBucketResult>`,
	"in lines": "<?xml version='1.0' encoding='utf-8' standalone='yes' ?>\r\n<ListBucketResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'>\r\n\t<IsTruncated >false</IsTruncated>\r\n" +
		"\t<Contents>\r\n\t\t<Key>k+ 1</Key>\r\n\t\t<Size>5</Size>\r\n\t\t<ETag>\"00ff\"</ETag>\r\n" +
		"\t\t<Owner xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\">\r\n\t\t\tsome\r\n\t\t\t<ID />\r\n\t\t</Owner>\r\n" +
		"\t\t<LastModified>2026-01-02T04:04:05+01:00</LastModified>\r\n\t</Contents>\r\n\t<CommonPrefixes>\r\n\t\t<Prefix>p/</Prefix>\r\n\t</CommonPrefixes>\r\n</ListBucketResult>\r\n",
}

func TestAnswersOfServers(t *testing.T) {
	t.Parallel()
	for server, doc := range answers {
		l, err := readListing(doc)
		if err != nil {
			t.Errorf("%s: %v", server, err)
			continue
		}
		want := []store.Object{{Key: "k+ 1", ETag: "00ff", Size: 5, LastModified: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}}
		if diff := cmp.Diff(want, l.objects) + cmp.Diff([]string{"p/"}, l.prefixes); diff != "" {
			t.Errorf("%s: %s", server, diff)
		}
		if minio := server == "MinIO"; l.truncated != minio || minio != (l.token == "dA==") {
			t.Errorf("%s: truncated %v, token %q", server, l.truncated, l.token)
		}
	}
}

// What is no list, or may be read in two ways, is refused.
func TestRefusedAnswers(t *testing.T) {
	t.Parallel()
	wrap := func(inner string) string { return "<ListBucketResult>" + inner + "</ListBucketResult>" }
	within := func(inner string) string { return wrap("<Contents>" + inner + "</Contents>") }
	for name, doc := range map[string]string{
		"nothing":               "",
		"another root":          "<Error><Code>SlowDown</Code></Error>",
		"the other list":        "<ListVersionsResult></ListVersionsResult>",
		"cut off":               "<ListBucketResult><Contents><Key>k</Key></Contents>",
		"cut off in text":       "<ListBucketResult><Contents><Key>k",
		"cut off in a tag":      "<ListBucketResult><Contents><Ke",
		"cut off in skipped":    "<ListBucketResult><Owner><ID>",
		"more behind":           wrap("") + "x",
		"two roots":             wrap("") + wrap(""),
		"crossed ends":          within("<Key>k</Contents></Key>"),
		"another end":           within("<Key>k</Kex>"),
		"end goes on":           within("<Key>k</Key2>"),
		"skipped crossed":       within("<Owner><ID>k</Owner></ID>"),
		"a prefix":              within("<x:Key>k</x:Key>"),
		"a comment":             within("<!-- c --><Key>k</Key>"),
		"a comment in text":     within("<Key>k<!-- c --></Key>"),
		"CDATA":                 within("<Key><![CDATA[k]]></Key>"),
		"the end of CDATA":      within("<Key>]]></Key>"),
		"an instruction":        within("<?i ?><Key>k</Key>"),
		"a document type":       "<!DOCTYPE d>" + wrap(""),
		"another encoding":      `<?xml version="1.0" encoding="latin1"?>` + wrap(""),
		"another version":       `<?xml version="1.1"?>` + wrap(""),
		"late declaration":      "\n" + `<?xml version="1.0"?>` + wrap(""),
		"text beside elements":  wrap("x"),
		"text beside fields":    within("<Key>k</Key>x"),
		"an element in text":    within("<Key>k<b>l</b></Key>"),
		"key twice":             within("<Key>k</Key><Key>l</Key>"),
		"truncated twice":       wrap("<IsTruncated>true</IsTruncated><IsTruncated>false</IsTruncated>"),
		"encoding twice":        wrap("<EncodingType>url</EncodingType><EncodingType/>"),
		"prefix twice":          wrap("<CommonPrefixes><Prefix>a/</Prefix><Prefix>b/</Prefix></CommonPrefixes>"),
		"unknown entity":        within("<Key>&nbsp;</Key>"),
		"entity without end":    within("<Key>&amp</Key>"),
		"bare ampersand":        within("<Key>a & b</Key>"),
		"entity of a control":   within("<Key>&#0;</Key>"),
		"entity of a surrogate": within("<Key>&#xD800;</Key>"),
		"entity too large":      within("<Key>&#x110000;</Key>"),
		"skipped entity":        within("<Owner>&nbsp;</Owner>"),
		"a control":             within("<Key>\x01</Key>"),
		"no UTF-8":              within("<Key>\xff</Key>"),
		"no character":          within("<Key>\uFFFE</Key>"),
		"end of line in text":   within("<Key>a\r\nb</Key>"),
		"a bare attribute":      within("<Key a>k</Key>"),
		"attribute unquoted":    within("<Key a=b>k</Key>"),
		"attribute open":        within(`<Key a="b>k</Key>`),
		"no time":               within("<LastModified>yesterday</LastModified>"),
		"empty time":            within("<LastModified/>"),
		"no size":               within("<Size>0x5</Size>"),
		"empty size":            within("<Size></Size>"),
		"large size":            within("<Size>9223372036854775808</Size>"),
		"no flag":               wrap("<IsTruncated>maybe</IsTruncated>"),
		"deep":                  wrap(strings.Repeat("<a>", maxNested) + strings.Repeat("</a>", maxNested)),
	} {
		if l, err := readListing(doc); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: %+v, %v", name, l, err)
		}
	}
	many := strings.Repeat("<Contents></Contents>", maxEntries+1)
	if l, err := readListing(wrap(many)); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("%d entries, %v", l.entries(), err)
	}
	many = strings.Repeat("<Version></Version>", maxEntries+1)
	if l, err := readVersions("<ListVersionsResult>" + many + "</ListVersionsResult>"); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("%d versions, %v", len(l.versions), err)
	}
	if l, err := readVersions("<ListVersionsResult><Version><IsLatest>perhaps</IsLatest></Version></ListVersionsResult>"); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("no flag: %+v, %v", l, err)
	}
}

// plainEntry and plainList are what encoding/xml reads: a second opinion.
type plainEntry struct {
	XMLName      xml.Name
	Key, ETag    string
	LastModified *time.Time
	Size         int64
	VersionID    string `xml:"VersionId,omitempty"`
	IsLatest     bool   `xml:",omitempty"`
}

type plainList struct {
	XMLName               xml.Name
	EncodingType          string `xml:",omitempty"`
	IsTruncated           bool
	NextContinuationToken string `xml:",omitempty"`
	NextKeyMarker         string `xml:",omitempty"`
	NextVersionIDMarker   string `xml:"NextVersionIdMarker,omitempty"`
	Contents              []plainEntry
	Version               []plainEntry
	DeleteMarker          []plainEntry
	CommonPrefixes        []struct{ Prefix string }
}

func (e plainEntry) object(t *testing.T, encoding string) store.Object {
	t.Helper()
	o := store.Object{Key: decoded(t, e.Key, encoding), ETag: strings.Trim(e.ETag, `"`), Size: e.Size, VersionID: e.VersionID}
	if e.LastModified != nil {
		o.LastModified = e.LastModified.UTC()
	}
	return o
}

func decoded(t *testing.T, text, encoding string) string {
	t.Helper()
	name, err := plainName(text, encoding)
	if err != nil {
		t.Fatalf("%q was taken for a name: %v", text, err)
	}
	return name
}

// FuzzScan holds the scanner against encoding/xml: what the one takes, the
// other takes for the same.
func FuzzScan(f *testing.F) {
	for _, doc := range answers {
		f.Add(doc)
	}
	f.Add("<ListVersionsResult><DeleteMarker><Key>a</Key><IsLatest>1</IsLatest></DeleteMarker><Version><Key>a</Key><VersionId>v</VersionId><Size>+5</Size></Version>" +
		"<NextKeyMarker>&#x9;&#13;&lt;</NextKeyMarker><NextVersionIdMarker>v</NextVersionIdMarker></ListVersionsResult>")
	f.Fuzz(func(t *testing.T, doc string) {
		l, lerr := readListing(doc)
		v, verr := readVersions(doc)
		if lerr != nil && verr != nil {
			return
		}
		var plain plainList
		if err := xml.Unmarshal([]byte(doc), &plain); err != nil {
			t.Fatalf("encoding/xml refuses %q: %v", doc, err)
		}
		var prefixes []string
		for _, p := range plain.CommonPrefixes {
			prefixes = append(prefixes, decoded(t, p.Prefix, plain.EncodingType))
		}
		switch {
		case lerr == nil && verr == nil || plain.XMLName.Local != map[bool]string{true: "ListBucketResult", false: "ListVersionsResult"}[lerr == nil]:
			t.Fatalf("%q is the wrong document", doc)
		case lerr == nil:
			want := listing{truncated: plain.IsTruncated, token: plain.NextContinuationToken, prefixes: prefixes}
			for _, e := range plain.Contents {
				e.VersionID = "" // not read there
				want.objects = append(want.objects, e.object(t, plain.EncodingType))
			}
			same(t, doc, want, *l)
		default:
			want := versionListing{truncated: plain.IsTruncated, next: after{decoded(t, plain.NextKeyMarker, plain.EncodingType), plain.NextVersionIDMarker}, prefixes: prefixes}
			for _, e := range plain.inOrder(t, doc) {
				want.versions = append(want.versions, store.Version{Object: e.object(t, plain.EncodingType), Latest: e.IsLatest, Marker: e.XMLName.Local == "DeleteMarker"})
			}
			same(t, doc, want, *v)
		}
	})
}

// inOrder is versions and delete markers in the order of the document, which
// encoding/xml tells of elements that it has no field for.
func (l plainList) inOrder(t *testing.T, doc string) (all []plainEntry) {
	t.Helper()
	versions, markers := l.Version, l.DeleteMarker
	var order struct {
		Any []struct{ XMLName xml.Name } `xml:",any"`
	}
	if err := xml.Unmarshal([]byte(doc), &order); err != nil {
		t.Fatal(err)
	}
	for _, e := range order.Any {
		switch e.XMLName.Local {
		case "Version":
			all, versions = append(all, versions[0]), versions[1:]
		case "DeleteMarker":
			all, markers = append(all, markers[0]), markers[1:]
		}
	}
	return all
}

func same[T any](t *testing.T, doc string, want, got T) {
	t.Helper()
	if w, g := fmt.Sprintf("%+v", want), fmt.Sprintf("%+v", got); w != g {
		t.Fatalf("%q\nencoding/xml: %s\nhere:         %s", doc, w, g)
	}
}

// Whatever encoding/xml writes is read back.
func TestScanReadsWhatIsWritten(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	texts := []string{"", "a", " ", "<", ">", "&", "'", `"`, "\r", "\n", "\t", "é", "\U0010ffff", "%41", "]]>", "&amp;", "/"}
	text := func() (s string) {
		for range r.IntN(5) {
			s += texts[r.IntN(len(texts))]
		}
		return s
	}
	entry := func(name string) plainEntry {
		at := time.Unix(r.Int64N(1<<33), r.Int64N(1e9)).UTC()
		return plainEntry{XMLName: xml.Name{Local: name}, Key: text(), ETag: `"` + text() + `"`, LastModified: &at, Size: r.Int64() - r.Int64(), IsLatest: r.IntN(2) == 0}
	}
	for range 500 {
		l := plainList{XMLName: xml.Name{Local: "ListBucketResult"}, IsTruncated: r.IntN(2) == 0, NextContinuationToken: text(), NextKeyMarker: text()}
		var wantObjects []store.Object
		var wantVersions []store.Version
		for range r.IntN(4) {
			e := entry("Contents")
			l.Contents, wantObjects = append(l.Contents, e), append(wantObjects, e.object(t, ""))
		}
		list := written(t, l)
		got, err := readListing(list)
		if err != nil {
			t.Fatalf("seed %d: %q: %v", seed, list, err)
		}
		same(t, list, listing{truncated: l.IsTruncated, token: l.NextContinuationToken, objects: wantObjects}, *got)

		l.Contents, l.XMLName.Local = nil, "ListVersionsResult"
		for range r.IntN(4) {
			e := entry("Version")
			e.VersionID = text()
			l.Version, wantVersions = append(l.Version, e), append(wantVersions, store.Version{Object: e.object(t, ""), Latest: e.IsLatest})
		}
		list = written(t, l)
		versions, err := readVersions(list)
		if err != nil {
			t.Fatalf("seed %d: %q: %v", seed, list, err)
		}
		same(t, list, versionListing{truncated: l.IsTruncated, next: after{key: l.NextKeyMarker}, versions: wantVersions}, *versions)
	}
}

func written(t *testing.T, l plainList) string {
	t.Helper()
	doc, err := xml.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	return xml.Header + string(doc)
}

// A page of 1,000 keys as MinIO writes it.
func BenchmarkReadListing(b *testing.B) {
	at := strings.Index(answers["MinIO"], "<Contents>")
	end := strings.Index(answers["MinIO"], "<CommonPrefixes>")
	doc := answers["MinIO"][:at] + strings.Repeat(answers["MinIO"][at:end], store.MaxList) + answers["MinIO"][end:]
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := readListing(doc); err != nil {
			b.Fatal(err)
		}
	}
}
