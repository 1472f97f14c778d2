// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCompleteHead(t *testing.T) {
	t.Parallel()
	const line = "POST /models/k?uploadId=u"
	sum := []byte{0, 0, 0, 1}
	for _, c := range []struct {
		headers []string
		want    CompleteMultipartUpload
	}{
		{nil, CompleteMultipartUpload{ObjectSize: -1}},
		{[]string{"x-amz-checksum-crc32: AAAAAQ=="}, CompleteMultipartUpload{ObjectSize: -1, Checksum: Checksum{Algorithm: ChecksumCRC32, Sum: sum}}},
		{[]string{"x-amz-checksum-crc32: AAAAAQ==-10000", "x-amz-checksum-type: COMPOSITE"}, CompleteMultipartUpload{ObjectSize: -1, Checksum: Checksum{ChecksumCRC32, sum, 10000}, ChecksumType: Composite}},
		{[]string{"x-amz-checksum-crc32c: AAAAAQ==", "x-amz-checksum-type: COMPOSITE"}, CompleteMultipartUpload{ObjectSize: -1, Checksum: Checksum{ChecksumCRC32C, sum, 0}, ChecksumType: Composite}},
		{[]string{"x-amz-checksum-type: FULL_OBJECT", "x-amz-mp-object-size: 0"}, CompleteMultipartUpload{ChecksumType: FullObject}},
		{[]string{"x-amz-mp-object-size: 9223372036854775807", "If-None-Match: *"}, CompleteMultipartUpload{ObjectSize: 1<<63 - 1, IfNoneMatch: true}},
		{[]string{"If-Match: a-1", "x-amz-tagging: a=b", "x-amz-meta-a: b", "Content-Type: text/plain"}, CompleteMultipartUpload{ObjectSize: -1, IfMatch: "a-1"}},
	} {
		got := parsed[*CompleteMultipartUpload](t, with(line, c.headers, "Content-Length: 5")...)
		c.want.Bucket, c.want.Key, c.want.UploadID, c.want.body = "models", "k", "u", got.body
		if d := cmp.Diff(c.want, *got, cmp.AllowUnexported(CompleteMultipartUpload{}), cmp.FilterPath(func(p cmp.Path) bool { return p.String() == "body" }, cmp.Ignore())); d != "" {
			t.Errorf("%v (-want +got):\n%s", c.headers, d)
		}
	}
	for header, message := range map[string]string{
		"x-amz-checksum-crc32: x":                                              "Value for x-amz-checksum-crc32 header is invalid.",
		"x-amz-checksum-crc32: AAAAAQ==-0":                                     "Value for x-amz-checksum-crc32 header is invalid.",
		"x-amz-checksum-crc32: AAAAAQ==-":                                      "Value for x-amz-checksum-crc32 header is invalid.",
		"x-amz-checksum-crc32: AAAAAQ==-10001":                                 "Value for x-amz-checksum-crc32 header is invalid.",
		"x-amz-checksum-crc32: AAAAAQ==-1-2":                                   "Value for x-amz-checksum-crc32 header is invalid.",
		"x-amz-checksum-crc32: AAAAAQ==--1":                                    "Value for x-amz-checksum-crc32 header is invalid.",
		"x-amz-checksum-crc64nvme: AAAAAAAAAAE=-1":                             "Value for x-amz-checksum-crc64nvme header is invalid.",
		"x-amz-checksum-crc32: AAAAAQ==-2\r\nx-amz-checksum-type: FULL_OBJECT": "Value for x-amz-checksum-crc32 header is invalid.",
		"x-amz-checksum-crc32: AAAAAQ==\r\nx-amz-checksum-sha1: x":             "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
		"x-amz-checksum-type: BOTH":                                            "Value for x-amz-checksum-type header is invalid.",
		"x-amz-mp-object-size: -1":                                             "Value for x-amz-mp-object-size header is less than zero: '-1'",
		"x-amz-mp-object-size: x":                                              "Value for x-amz-mp-object-size header is invalid: 'x'",
		"x-amz-mp-object-size: 9223372036854775808":                            "Value for x-amz-mp-object-size header is invalid: '9223372036854775808'",
	} {
		if e := refused(t, "InvalidRequest", line, header, "Content-Length: 5"); e.Message != message {
			t.Errorf("%q: %q, want %q", header, e.Message, message)
		}
	}
}

func part(number int, more string) string {
	return "<Part><PartNumber>" + strconv.Itoa(number) + `</PartNumber><ETag>"a` + strconv.Itoa(number) + `-1"</ETag>` + more + "</Part>"
}

func completeDoc(parts ...string) string {
	return "<CompleteMultipartUpload>" + strings.Join(parts, "") + "</CompleteMultipartUpload>"
}

func TestCompletedParts(t *testing.T) {
	t.Parallel()
	got, err := readBody(t, "CompleteMultipartUpload", completeDoc(part(2, ""), part(7, "<ChecksumCRC32>AAAAAQ==</ChecksumCRC32>"),
		"<Part><ETag>&quot;x&quot;</ETag><PartNumber>8</PartNumber></Part>", "<Part><ETag>y</ETag><PartNumber>10000</PartNumber></Part>"))
	want := []CompletedPart{
		{Number: 2, ETag: `"a2-1"`},
		{Number: 7, ETag: `"a7-1"`, Checksum: Checksum{Algorithm: ChecksumCRC32, Sum: []byte{0, 0, 0, 1}}},
		{Number: 8, ETag: `"x"`},
		{Number: 10000, ETag: `"y"`},
	}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("parts (-want +got):\n%s%v", d, err)
	}
	for doc, code := range map[string]string{
		completeDoc():                                                         "MalformedXML",
		completeDoc(part(1, ""), part(1, "")):                                 "InvalidPartOrder",
		completeDoc(part(2, ""), part(1, "")):                                 "InvalidPartOrder",
		completeDoc(part(0, "")):                                              "InvalidArgument",
		completeDoc(part(-4, "")):                                             "InvalidArgument",
		completeDoc(part(10001, "")):                                          "InvalidArgument",
		completeDoc("<Part><ETag>a</ETag></Part>"):                            "MalformedXML",
		completeDoc("<Part><PartNumber>1</PartNumber></Part>"):                "MalformedXML",
		completeDoc("<Part><PartNumber>1 </PartNumber><ETag>a</ETag></Part>"): "MalformedXML",
		completeDoc("<Part><PartNumber>99999999999999999999</PartNumber><ETag>a</ETag></Part>"):                  "MalformedXML",
		completeDoc("<Part><PartNumber>+1</PartNumber><ETag>a</ETag></Part>"):                                    "MalformedXML",
		completeDoc("<Part><PartNumber>1</PartNumber><ETag></ETag></Part>"):                                      "InvalidPart",
		completeDoc("<Part><PartNumber>1</PartNumber><ETag>a b</ETag></Part>"):                                   "InvalidPart",
		completeDoc("<Part><PartNumber>1</PartNumber><ETag>a\"b</ETag></Part>"):                                  "InvalidPart",
		completeDoc("<Part><PartNumber>1</PartNumber><ETag>" + strings.Repeat("a", 257) + "</ETag></Part>"):      "InvalidPart",
		completeDoc(part(1, "<ChecksumCRC32>x</ChecksumCRC32>")):                                                 "InvalidArgument",
		completeDoc(part(1, "<ChecksumCRC32>AAAAAQ==</ChecksumCRC32><ChecksumCRC32C>AAAAAQ==</ChecksumCRC32C>")): "InvalidArgument",
		completeDoc(part(1, "<ChecksumCRC32>AAAAAQ==</ChecksumCRC32><ChecksumCRC32>AAAAAQ==</ChecksumCRC32>")):   "InvalidArgument",
		completeDoc(part(1, "<ChecksumXXHASH3>AAAAAQ==</ChecksumXXHASH3>")):                                      "NotImplemented",
		completeDoc(part(1, "<Checksumcrc32>AAAAAQ==</Checksumcrc32>")):                                          "NotImplemented",
		completeDoc(part(1, "<Size>1</Size>")):                                                                   "MalformedXML",
		"<CompleteMultipartUpload>1</CompleteMultipartUpload>":                                                   "MalformedXML",
	} {
		if _, err := readBody(t, "CompleteMultipartUpload", doc); err == nil || !strings.HasPrefix(err.Error(), code+":") {
			t.Errorf("%.200s: %v, want %s", doc, err, code)
		}
	}
}

// The longest list that an honest client sends fits into the bound of the
// body.
func TestTenThousandParts(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range MaxParts {
		fmt.Fprintf(&b, `<Part><ETag>&quot;%032x-1&quot;</ETag><PartNumber>%d</PartNumber><ChecksumSHA256>%s=</ChecksumSHA256></Part>`, i, i+1, strings.Repeat("A", 43))
	}
	got, err := readBody(t, "CompleteMultipartUpload", completeDoc(b.String()))
	if parts, ok := got.([]CompletedPart); err != nil || !ok || len(parts) != MaxParts || parts[9999].Number != 10000 {
		t.Errorf("%d bytes: %v", b.Len(), err)
	}
	b.Reset()
	for i := range MaxParts + 1 {
		fmt.Fprintf(&b, "<Part><ETag>a</ETag><PartNumber>%d</PartNumber></Part>", i+1)
	}
	if _, err := readBody(t, "CompleteMultipartUpload", completeDoc(b.String())); err == nil {
		t.Error("10,001 parts were accepted")
	}
}

// FuzzParts holds what is accepted to what the gateway builds on: ascending
// numbers in range, one quoted tag each, and a sum of the right length.
func FuzzParts(f *testing.F) {
	f.Add(completeDoc(part(1, "")))
	f.Add(completeDoc(part(1, "<ChecksumSHA1>AAAA</ChecksumSHA1>"), part(2, "")))
	f.Add("<?xml version=\"1.0\"?>\n" + completeDoc("\n <Part> <PartNumber>3</PartNumber><ETag>&#34;a&#34;</ETag> </Part>") + "\n")
	f.Add(completeDoc("<!DOCTYPE a>", part(1, "")))
	for _, body := range capturedBodies(f, "*_complete*.http") {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		op := &CompleteMultipartUpload{body: xmlBody{payload{size: int64(len(doc))}}}
		parts, err := op.Parts(strings.NewReader(doc))
		if err != nil {
			if parts != nil {
				t.Fatalf("%q gave %v beside its error", doc, parts)
			}
			return
		}
		last := 0
		for _, p := range parts {
			tag := strings.Trim(p.ETag, `"`)
			if p.Number <= last || p.Number > MaxParts || p.ETag != `"`+tag+`"` || tag == "" || len(p.Checksum.Sum) != p.Checksum.Algorithm.Size() {
				t.Fatalf("%q was accepted with %+v after %d", doc, p, last)
			}
			last = p.Number
		}
	})
}
