// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"encoding/xml"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

func TestCreateBucket(t *testing.T) {
	t.Parallel()
	for doc, code := range map[string]string{
		"":                             "",
		"<CreateBucketConfiguration/>": "",
		"<CreateBucketConfiguration><LocationConstraint/></CreateBucketConfiguration>":                                                   "",
		"<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>":                      "",
		"<CreateBucketConfiguration><LocationConstraint>us-west-2</LocationConstraint></CreateBucketConfiguration>":                      "InvalidLocationConstraint",
		"<CreateBucketConfiguration><Tags><Tag/></Tags></CreateBucketConfiguration>":                                                     "NotImplemented",
		"<CreateBucketConfiguration><Bucket><Type>Directory</Type></Bucket></CreateBucketConfiguration>":                                 "NotImplemented",
		"<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint><LocationConstraint/></CreateBucketConfiguration>": "MalformedXML",
		"<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint>":                                                  "MalformedXML",
	} {
		_, err := readBody(t, "CreateBucketConfiguration", doc)
		if code == "" && err != nil || code != "" && (err == nil || !strings.HasPrefix(err.Error(), code+":")) {
			t.Errorf("%s: %v, want %q", doc, err, code)
		}
	}
	for header, code := range map[string]string{
		"x-amz-acl: private":                              "",
		"x-amz-object-ownership: BucketOwnerEnforced":     "",
		"x-amz-bucket-object-lock-enabled: false":         "",
		"x-amz-acl: public-read":                          "AccessControlListNotSupported",
		"x-amz-grant-read: id=x":                          "AccessControlListNotSupported",
		"x-amz-object-ownership: ObjectWriter":            "AccessControlListNotSupported",
		"x-amz-object-ownership: BucketOwnerPreferred":    "AccessControlListNotSupported",
		"x-amz-object-ownership: Mine":                    "InvalidArgument",
		"x-amz-bucket-object-lock-enabled: true":          "",
		"x-amz-bucket-object-lock-enabled: TRUE":          "",
		"x-amz-bucket-object-lock-enabled: yes":           "InvalidArgument",
		"x-amz-bucket-namespace: account-regional":        "NotImplemented",
		"if-none-match: *":                                "NotImplemented",
		"x-amz-server-side-encryption-customer-key: AAAA": "InvalidRequest",
	} {
		if code == "" {
			parsed[*CreateBucket](t, "PUT /models", header, "Content-Length: 0")
			continue
		}
		refused(t, code, "PUT /models", header, "Content-Length: 0")
	}
	parsed[*DeleteBucket](t, "DELETE /models/")
	refused(t, "InvalidRequest", "DELETE /models", "Content-Length: 1")
	refused(t, "InvalidBucketName", "PUT /Models")
}

// FuzzCreateBucket: what is accepted asks for the gateway's own region, or for
// nothing.
func FuzzCreateBucket(f *testing.F) {
	for _, body := range append(capturedBodies(f, "*_create_bucket*.http"), "<CreateBucketConfiguration/>", "<!DOCTYPE a>") {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		op := &CreateBucket{body: xmlBody{payload{size: int64(len(doc))}}}
		if err := op.Check(strings.NewReader(doc), "us-east-1"); err != nil || doc == "" {
			return
		}
		var said struct {
			XMLName            xml.Name
			LocationConstraint string
		}
		if err := xml.Unmarshal([]byte(doc), &said); err != nil || said.XMLName.Local != "CreateBucketConfiguration" || said.LocationConstraint != "" && said.LocationConstraint != "us-east-1" {
			t.Fatalf("%q was accepted: %+v, %v", doc, said, err)
		}
	})
}

func TestAttributes(t *testing.T) {
	t.Parallel()
	op := parsed[*GetObjectAttributes](t, "GET /models/k?attributes&versionId=v", "x-amz-object-attributes: ETag, ObjectSize", "x-amz-object-attributes: Checksum",
		"x-amz-max-parts: 5000", "x-amz-part-number-marker: 3")
	want := GetObjectAttributes{Bucket: "models", Key: "k", VersionID: "v", ETag: true, Size: true, Checksum: true, MaxParts: 1000, After: 3}
	if *op != want {
		t.Errorf("read as %+v, want %+v", op, want)
	}
	refused(t, "InvalidRequest", "GET /models/k?attributes")
	refused(t, "InvalidRequest", "GET /models/k?attributes", "x-amz-object-attributes: ")
	for _, h := range []string{
		"x-amz-object-attributes: etag", "x-amz-object-attributes: ETag,", "x-amz-object-attributes: ETag\r\nx-amz-max-parts: -1",
		"x-amz-object-attributes: ETag\r\nx-amz-max-parts: x", "x-amz-object-attributes: ETag\r\nx-amz-part-number-marker: +1",
	} {
		refused(t, "InvalidArgument", "GET /models/k?attributes", h)
	}
}

func TestListObjectVersions(t *testing.T) {
	t.Parallel()
	op := parsed[*ListObjectVersions](t, "GET /models?versions&prefix=a&delimiter=%2F&key-marker=k&version-id-marker=v&max-keys=7&encoding-type=url")
	want := ListObjectVersions{Bucket: "models", Prefix: "a", Delimiter: "/", KeyMarker: "k", VersionMarker: "v", Max: 7, EncodingURL: true}
	if *op != want {
		t.Errorf("read as %+v, want %+v", op, want)
	}
	for _, q := range []string{"version-id-marker=v", "key-marker=k&version-id-marker=a%20b", "max-keys=-1", "prefix=..%2Fa", "encoding-type=x"} {
		refused(t, "InvalidArgument", "GET /models?versions&"+q)
	}
	refused(t, "NotImplemented", "GET /models?versions&marker=a")
	refused(t, "InvalidRequest", "GET /models/k?versions")
	parsed[*GetBucketVersioning](t, "GET /models?versioning")
}

// Every operation with a fixed answer gives the one of S3.md, "Fixed answers".
func TestFixedAnswers(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("S3.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "## Fixed answers")
	documented := map[string]string{}
	for line := range strings.Lines(section[:strings.Index(section, "## Answers")]) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue // no row of the table
		}
		for i, name := range strings.Split(cells[1], "`") {
			if i%2 == 1 {
				documented[name] = cells[2]
			}
		}
	}
	proof := map[string]string{
		"GetBucketAcl": "<Permission>FULL_CONTROL</Permission>", "GetObjectAcl": "<Owner><ID>sealgate</ID>",
		"GetBucketEncryption":        "<SSEAlgorithm>aws:kms</SSEAlgorithm>",
		"GetBucketOwnershipControls": "<ObjectOwnership>BucketOwnerEnforced</ObjectOwnership>",
		"GetBucketPolicyStatus":      "<IsPublic>false</IsPublic>",
		"GetPublicAccessBlock":       "<BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets>",
		"PutObjectAcl":               "",
	}
	seen := 0
	for _, o := range Operations() {
		op, ok := o.Op.(*Stub)
		if !ok {
			continue
		}
		seen++
		rec := httptest.NewRecorder()
		err := WriteStub(rec, op)
		if want, is := proof[o.Name]; is {
			if err != nil || rec.Code != 200 || !strings.Contains(rec.Body.String(), want) || strings.Contains(rec.Body.String(), "KeyID") {
				t.Errorf("%s: %v, %d %s", o.Name, err, rec.Code, rec.Body)
			}
		} else if code, _, _ := strings.Cut(err.Error(), ":"); !strings.Contains(documented[o.Name], "`"+code+"`") || Codes[code].Status != 404 {
			t.Errorf("%s: %v, documented %q", o.Name, err, documented[o.Name])
		}
		if documented[o.Name] == "" {
			t.Errorf("S3.md has no fixed answer of %s", o.Name)
		}
	}
	if seen != len(stubAnswers) || seen != len(documented) {
		t.Errorf("%d operations, %d answers, %d documented", seen, len(stubAnswers), len(documented))
	}
	wantError(t, WriteStub(httptest.NewRecorder(), &Stub{Name: "PutBucketPolicy"}), "NotImplemented", 501)
}

func TestPutObjectACL(t *testing.T) {
	t.Parallel()
	for _, acl := range []string{"private", "bucket-owner-full-control"} {
		parsed[*Stub](t, "PUT /models/k?acl", "x-amz-acl: "+acl, "Content-Length: 0")
	}
	for _, lines := range [][]string{
		{"PUT /models/k?acl", "x-amz-acl: public-read", "Content-Length: 0"},
		{"PUT /models/k?acl", "x-amz-acl: private", "Content-Length: 5"},
		{"PUT /models/k?acl", "x-amz-acl: private", "Transfer-Encoding: chunked"},
		{"PUT /models/k?acl", "x-amz-acl: private", "x-amz-grant-read: uri=x", "Content-Length: 0"},
		{"PUT /models?acl", "x-amz-acl: private", "Content-Length: 0"},
		{"PUT /models?acl", "x-amz-acl: public-read-write", "Content-Length: 0"},
	} {
		refused(t, "AccessControlListNotSupported", lines...)
	}
	refused(t, "MissingSecurityHeader", "PUT /models/k?acl", "Content-Length: 0")
	refused(t, "InvalidArgument", "GET /models/k?acl&versionId=")
}
