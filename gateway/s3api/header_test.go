// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"net/http"
	"testing"
)

func TestHeaders(t *testing.T) {
	t.Parallel()
	const zero = "Content-Length: 0"
	for _, c := range []struct{ name, line, header, code string }{
		{"ssec on put", "PUT /models/k", "x-amz-server-side-encryption-customer-algorithm: AES256", "InvalidRequest"},
		{"ssec on get", "GET /models/k", "x-amz-server-side-encryption-customer-key: AAAA", "InvalidRequest"},
		{"ssec on head", "HEAD /models/k", "x-amz-server-side-encryption-customer-key-md5: AAAA", "InvalidRequest"},
		{"sse-s3", "PUT /models/k", "x-amz-server-side-encryption: AES256", ""},
		{"sse-kms", "PUT /models/k", "x-amz-server-side-encryption: aws:kms", ""},
		{"sse-kms key", "PUT /models/k", "x-amz-server-side-encryption-aws-kms-key-id: arn:x", ""},
		{"sse unknown", "PUT /models/k", "x-amz-server-side-encryption: aws:kms:dsse", "InvalidArgument"},
		{"private", "PUT /models/k", "x-amz-acl: private", ""},
		{"owner", "PUT /models/k", "x-amz-acl: bucket-owner-full-control", ""},
		{"public", "PUT /models/k", "x-amz-acl: public-read", "AccessControlListNotSupported"},
		{"empty acl", "PUT /models/k", "x-amz-acl:", "AccessControlListNotSupported"},
		{"grant", "PUT /models/k", "x-amz-grant-read: id=1", "AccessControlListNotSupported"},
		{"acl on get", "GET /models/k", "x-amz-acl: public-read", ""},
		{"standard", "PUT /models/k", "x-amz-storage-class: STANDARD", ""},
		{"glacier", "PUT /models/k", "x-amz-storage-class: GLACIER", "InvalidStorageClass"},
		{"tagging", "PUT /models/k", "x-amz-tagging: a=b", ""},
		{"tagging of a delete", "DELETE /models/k", "x-amz-tagging: a=b", "NotImplemented"},
		{"a lock of a change that creates nothing", "DELETE /models/k", "x-amz-object-lock-legal-hold: ON", "InvalidArgument"},
		{"redirect", "PUT /models/k", "x-amz-website-redirect-location: /x", ""},
		{"bad redirect", "PUT /models/k", "x-amz-website-redirect-location: x", "InvalidRedirectLocation"},
		{"redirect of what is no object", "DELETE /models/k", "x-amz-website-redirect-location: /x", "NotImplemented"},
		{"append", "PUT /models/k", "x-amz-write-offset-bytes: 5", "NotImplemented"},
		{"mfa", "DELETE /models/k", "x-amz-mfa: 1 2", "NotImplemented"},
		{"bypass", "DELETE /models/k", "x-amz-bypass-governance-retention: true", ""},
		{"bypass of a put", "PUT /models/k", "x-amz-bypass-governance-retention: true", "NotImplemented"},
		{"unknown on put", "PUT /models/k", "x-amz-of-tomorrow: 1", "NotImplemented"},
		{"unknown on get", "GET /models/k", "x-amz-of-tomorrow: 1", ""},
		{"owner expected on put", "PUT /models/k", "x-amz-expected-bucket-owner: 123", "AccessDenied"},
		{"owner expected on get", "GET /models/k", "x-amz-expected-bucket-owner: 123", "AccessDenied"},
		{"owner expected on list", "GET /models", "x-amz-expected-bucket-owner: 123", "AccessDenied"},
		{"source owner expected", "PUT /models/k", "x-amz-source-expected-bucket-owner: 123456789012", "AccessDenied"},
		{"our owner expected", "GET /models/k", "x-amz-expected-bucket-owner: sealgate", ""},
		{"no owner expected", "GET /models/k", "x-amz-expected-bucket-owner:", "AccessDenied"},
		{"metadata", "PUT /models/k", "x-amz-meta-a: b", ""},
		{"our metadata", "PUT /models/k", "X-Amz-Meta-Sg1: b", "InvalidArgument"},
		{"our metadata of tomorrow", "PUT /models/k", "x-amz-meta-SEALGATE-x: b", "InvalidArgument"},
		{"nameless metadata", "PUT /models/k", "x-amz-meta-: b", "InvalidArgument"},
		{"like our metadata", "PUT /models/k", "x-amz-meta-sg12: b", ""},
		{"part checksum", "PUT /models/k", "x-amz-checksum-type: COMPOSITE", "InvalidRequest"},
		{"checksum of tomorrow", "PUT /models/k", "x-amz-checksum-xxhash3: AAAAAAAAAAA=", "InvalidRequest"},
		{"two checksums, one of tomorrow", "PUT /models/k", "x-amz-checksum-crc32: AAAAAA==\r\nx-amz-checksum-xxhash3: AAAAAAAAAAA=", "InvalidRequest"},
		{"latin-1", "PUT /models/k", "x-amz-meta-a: \xfc", "InvalidArgument"},
		{"forwarding", "GET /models/k", "X-Forwarded-Host: other", ""},
		{"our own", "GET /models/k", "X-Sealgate-Reason: none", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.code == "" {
				parsed[Op](t, c.line, c.header, zero)
				return
			}
			refused(t, c.code, c.line, c.header, zero)
		})
	}
}

// Two headers of one name are two requests in one: which of them counts would
// depend on the reader.
func TestHeadersComeOnce(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "Content-Type", "Content-Encoding",
		"Content-MD5", "Authorization", "x-amz-content-sha256", "x-amz-decoded-content-length", "x-amz-meta-a", "x-amz-acl", "x-amz-trailer", "x-amz-of-tomorrow",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refused(t, "InvalidArgument", "GET /models/k", name+": 1", name+": 2")
			op, err := Parse(ask(t, "PUT /models/k", name+": 1", name+": 1", "Content-Length: 0"), Options{})
			if _, ok := op.(*PutObject); ok {
				t.Errorf("%s twice was taken, %v", name, err)
			}
		})
	}
}

// Names that differ in case alone are one name, whatever made the map.
func TestHeadersOfOneNameInTwoCases(t *testing.T) {
	t.Parallel()
	r := ask(t, "GET /models/k")
	r.Header = http.Header{"Range": {"bytes=0-0"}, "RANGE": {"bytes=1-1"}}
	_, err := Parse(r, Options{})
	wantError(t, err, "InvalidArgument", 400)
}

// Forwarding headers and x-sealgate-* are not even looked at: the operation is
// the same with and without them.
func TestForeignHeadersSteerNothing(t *testing.T) {
	t.Parallel()
	with := parsed[*GetObject](t, "GET /models/k", "X-Forwarded-For: 1.2.3.4", "X-HTTP-Method-Override: DELETE", "X-Original-URL: /models/other",
		"X-Rewrite-URL: /models/other", "Forwarded: for=1", "X-SSL-Client-Cert: x", "X-Sealgate-Identity: admin")
	if with.Key != "k" || with.Bucket != "models" {
		t.Errorf("a header changed the request to %+v", with)
	}
}

func TestBodiesWhereNoneBelong(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"GET /models/k", "HEAD /models/k", "DELETE /models/k", "GET /models", "GET /", "HEAD /models", "GET /models?location"} {
		refused(t, "InvalidRequest", line, "Content-Length: 3")
		refused(t, "InvalidRequest", line, "Transfer-Encoding: chunked")
		refused(t, "InvalidRequest", line, "x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER")
		parsed[Op](t, line, "Content-Length: 0", "x-amz-content-sha256: UNSIGNED-PAYLOAD")
	}
}
