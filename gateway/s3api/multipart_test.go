// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"strings"
	"testing"
	"time"
)

func TestCreateMultipartUpload(t *testing.T) {
	t.Parallel()
	op := parsed[*CreateMultipartUpload](t, "POST /models/k?uploads", "Content-Length: 0", "Content-Type: text/plain", "x-amz-meta-b: 2", "x-amz-meta-a: 1",
		"x-amz-tagging: t=a+b", "If-Match: \"a-1\"", "x-amz-acl: private", "x-amz-storage-class: STANDARD", "x-amz-server-side-encryption: aws:kms")
	if op.Headers.ContentType != "text/plain" || len(op.Meta) != 2 || op.Meta[0] != (UserMeta{"a", "1"}) || op.Tags[0] != (Tag{"t", "a b"}) || op.IfMatch != `"a-1"` {
		t.Errorf("read as %+v", op)
	}
	for code, headers := range map[string][]string{
		"AccessControlListNotSupported": {"x-amz-acl: public-read"},
		"InvalidStorageClass":           {"x-amz-storage-class: GLACIER"},
		"MetadataTooLarge":              {"x-amz-meta-a: " + strings.Repeat("v", MaxMetadata)},
		"NotImplemented":                {"if-none-match: \"a\""},
		"InvalidRequest":                {"x-amz-server-side-encryption-customer-algorithm: AES256"},
		"InvalidTag":                    {"x-amz-tagging: a!=b"},
	} {
		refused(t, code, with("POST /models/k?uploads", headers, "Content-Length: 0")...)
	}
	refused(t, "InvalidRequest", "POST /models/k?uploads", "Content-Length: 1")
	refused(t, "InvalidArgument", "POST /models/k?uploads", "x-amz-object-lock-mode: GOVERNANCE")
	refused(t, "InvalidRequest", "GET /models/k?uploads")
}

// The table of S3.md, "Multipart uploads".
func TestChecksumTypeOfAnUpload(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		algorithm, said string
		want            ChecksumType
		code            string
	}{
		{"", "", ChecksumTypeNone, ""},
		{"CRC32", "", Composite, ""},
		{"CRC32", "COMPOSITE", Composite, ""},
		{"CRC32", "FULL_OBJECT", FullObject, ""},
		{"CRC32C", "", Composite, ""},
		{"CRC32C", "FULL_OBJECT", FullObject, ""},
		{"CRC64NVME", "", FullObject, ""},
		{"CRC64NVME", "FULL_OBJECT", FullObject, ""},
		{"CRC64NVME", "COMPOSITE", 0, "InvalidRequest"},
		{"SHA1", "", Composite, ""},
		{"sha256", "COMPOSITE", Composite, ""},
		{"SHA1", "FULL_OBJECT", 0, "InvalidRequest"},
		{"SHA256", "FULL_OBJECT", 0, "InvalidRequest"},
		{"", "FULL_OBJECT", 0, "InvalidRequest"},
		{"CRC32", "full_object", FullObject, ""},
		{"CRC32", "FULL OBJECT", 0, "InvalidRequest"},
		{"SHA512", "", 0, "InvalidRequest"},
		{"MD5", "", 0, "InvalidRequest"},
	} {
		lines := []string{"POST /models/k?uploads", "Content-Length: 0"}
		if c.algorithm != "" {
			lines = append(lines, "x-amz-checksum-algorithm: "+c.algorithm)
		}
		if c.said != "" {
			lines = append(lines, "x-amz-checksum-type: "+c.said)
		}
		if c.code != "" {
			refused(t, c.code, lines...)
			continue
		}
		op := parsed[*CreateMultipartUpload](t, lines...)
		if op.ChecksumType != c.want || !strings.EqualFold(op.Algorithm.String(), c.algorithm) {
			t.Errorf("%q %q is %s %s", c.algorithm, c.said, op.Algorithm, op.ChecksumType)
		}
	}
}

func TestUploadPart(t *testing.T) {
	t.Parallel()
	op := parsed[*UploadPart](t, "PUT /models/k?uploadId=a%2Bb&partNumber=10000", "Content-Length: 3", "x-amz-checksum-crc32: AAAAAA==")
	if op.UploadID != "a+b" || op.Number != 10000 || op.Size != 3 || op.Checksum.Algorithm != ChecksumCRC32 {
		t.Errorf("read as %+v", op)
	}
	if _, err := readAllOf(op.Body(strings.NewReader("abc"))); err == nil {
		t.Error("a part with a wrong checksum was accepted")
	}
	for _, n := range []string{"0", "10001", "-1", "", "1.0", "x", "99999999999999999999"} {
		refused(t, "InvalidArgument", "PUT /models/k?uploadId=1&partNumber="+n, "Content-Length: 3")
	}
	for _, line := range []string{"PUT /models/k?uploadId=&partNumber=1", "PUT /models/k?uploadId&partNumber=1", "PUT /models/k?partNumber=1&uploadId=" + strings.Repeat("u", maxUploadID+1)} {
		refused(t, "NoSuchUpload", line, "Content-Length: 3")
	}
	refused(t, "MethodNotAllowed", "PUT /models/k?uploadId=1", "Content-Length: 3")
	refused(t, "InvalidArgument", "PUT /models/k?partNumber=1", "Content-Length: 3")
	refused(t, "MissingContentLength", "PUT /models/k?uploadId=1&partNumber=1", "Transfer-Encoding: chunked")
	for _, h := range []string{"if-none-match: *", "if-match: \"a\"", "x-amz-tagging: a=b"} {
		refused(t, "NotImplemented", "PUT /models/k?uploadId=1&partNumber=1", h, "Content-Length: 3")
	}
}

func readAllOf(b *Body) (int64, error) {
	buf := make([]byte, 512)
	var n int64
	for {
		k, err := b.Read(buf)
		n += int64(k)
		if err != nil {
			if err.Error() == "EOF" {
				return n, nil
			}
			return n, err
		}
	}
}

func TestAbortAndLists(t *testing.T) {
	t.Parallel()
	abort := parsed[*AbortMultipartUpload](t, "DELETE /models/k?uploadId=u")
	if abort.UploadID != "u" || !abort.IfInitiated.IsZero() {
		t.Errorf("read as %+v", abort)
	}
	abort = parsed[*AbortMultipartUpload](t, "DELETE /models/k?uploadId=u", "x-amz-if-match-initiated-time: Sat, 21 Nov 2026 13:00:00 GMT")
	if !abort.IfInitiated.Equal(time.Date(2026, 11, 21, 13, 0, 0, 0, time.UTC)) {
		t.Errorf("read as %+v", abort)
	}
	refused(t, "InvalidArgument", "DELETE /models/k?uploadId=u", "x-amz-if-match-initiated-time: yesterday")
	refused(t, "NotImplemented", "DELETE /models/k?uploadId=u", "if-match: a")

	parts := parsed[*ListParts](t, "GET /models/k?uploadId=u&max-parts=2000&part-number-marker=7&encoding-type=url")
	if *parts != (ListParts{Bucket: "models", Key: "k", UploadID: "u", Max: 1000, After: 7, EncodingURL: true}) {
		t.Errorf("read as %+v", parts)
	}
	for param, message := range map[string]string{
		"max-parts=-1":            "Argument -1 must be an integer between 0 and 2147483647",
		"max-parts=x":             "Provided x not an integer or within integer range",
		"max-parts=":              "Provided  not an integer or within integer range",
		"max-parts=99999999999":   "Provided 99999999999 not an integer or within integer range",
		"part-number-marker=-14":  "Argument -14 must be an integer between 0 and 2147483647",
		"part-number-marker=%2B1": "Argument +1 must be an integer between 0 and 2147483647",
		"encoding-type=base64":    "Invalid Encoding Method specified in Request",
	} {
		if e := refused(t, "InvalidArgument", "GET /models/k?uploadId=u&"+param); e.Message != message {
			t.Errorf("%s: %q, want %q", param, e.Message, message)
		}
	}

	uploads := parsed[*ListMultipartUploads](t, "GET /models?uploads&prefix=a%2F&delimiter=/&key-marker=a/b&upload-id-marker=m&max-uploads=5&encoding-type=url")
	want := ListMultipartUploads{Bucket: "models", Prefix: "a/", Delimiter: "/", KeyMarker: "a/b", UploadIDMarker: "m", Max: 5, EncodingURL: true}
	if *uploads != want {
		t.Errorf("read as %+v, want %+v", uploads, want)
	}
	if op := parsed[*ListMultipartUploads](t, "GET /models?uploads&upload-id-marker=m"); op.UploadIDMarker != "" || op.Max != 1000 {
		t.Errorf("a marker of no key is %+v", op)
	}
	for _, param := range []string{"prefix=a/../b", "prefix=" + strings.Repeat("p", MaxKey+1), "key-marker=" + strings.Repeat("p", MaxKey+1), "upload-id-marker=" + strings.Repeat("u", maxUploadID+1), "max-uploads=-1"} {
		refused(t, "InvalidArgument", "GET /models?uploads&"+param)
	}
}
