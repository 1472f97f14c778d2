// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"strings"
	"testing"
)

func TestPayloadHeaders(t *testing.T) {
	t.Parallel()
	const (
		chunked  = "Transfer-Encoding: chunked"
		len3     = "Content-Length: 3"
		decoded3 = "x-amz-decoded-content-length: 3"
		unsigned = "x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER"
		signed   = "x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
		crc32    = "x-amz-checksum-crc32: NSRBwg=="
	)
	for _, c := range []struct {
		name, code string
		headers    []string
	}{
		{"plain", "", []string{len3}},
		{"plain, decoded agrees", "", []string{len3, decoded3}},
		{"unsigned payload", "", []string{len3, "x-amz-content-sha256: UNSIGNED-PAYLOAD"}},
		{"digest", "", []string{len3, "x-amz-content-sha256: " + sig}},
		{"chunks, chunked", "", []string{chunked, decoded3, unsigned}},
		{"chunks, with length", "", []string{"Content-Length: 60", decoded3, signed}},
		{"chunks named by the encoding alone", "", []string{chunked, decoded3, "Content-Encoding: aws-chunked"}},
		{"signed with trailer", "", []string{chunked, decoded3, signed + "-TRAILER", "x-amz-trailer: x-amz-checksum-crc32"}},
		{"trailer in upper case", "", []string{chunked, decoded3, unsigned, "x-amz-trailer: X-Amz-Checksum-CRC32"}},
		{"algorithm and header", "", []string{len3, crc32, "x-amz-sdk-checksum-algorithm: crc32"}},
		{"algorithm and trailer", "", []string{chunked, decoded3, unsigned, "x-amz-trailer: x-amz-checksum-sha256", "x-amz-sdk-checksum-algorithm: SHA256"}},

		{"no length", "MissingContentLength", []string{chunked}},
		{"no decoded length", "MissingContentLength", []string{chunked, unsigned}},
		{"chunks without a decoded length", "MissingContentLength", []string{len3, signed}},
		{"plain chunked with a decoded length", "MissingContentLength", []string{chunked, decoded3}},
		{"lengths contradict", "InvalidRequest", []string{len3, "x-amz-decoded-content-length: 4"}},
		{"chunks shorter than their data", "IncompleteBody", []string{"Content-Length: 3", decoded3, unsigned}},
		{"negative", "MissingContentLength", []string{chunked, unsigned, "x-amz-decoded-content-length: -1"}},
		{"plus sign", "MissingContentLength", []string{chunked, unsigned, "x-amz-decoded-content-length: +3"}},
		{"empty", "MissingContentLength", []string{chunked, unsigned, "x-amz-decoded-content-length:"}},
		{"hex", "MissingContentLength", []string{chunked, unsigned, "x-amz-decoded-content-length: 0x3"}},
		{"beyond 63 bits", "MissingContentLength", []string{chunked, unsigned, "x-amz-decoded-content-length: 9223372036854775808"}},

		{"signed with another key kind", "NotImplemented", []string{chunked, decoded3, "x-amz-content-sha256: STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"}},
		{"unsigned without trailer", "NotImplemented", []string{chunked, decoded3, "x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD"}},
		{"mode in lower case", "InvalidArgument", []string{len3, "x-amz-content-sha256: unsigned-payload"}},
		{"short digest", "InvalidArgument", []string{len3, "x-amz-content-sha256: " + sig[1:]}},
		{"empty mode", "InvalidArgument", []string{len3, "x-amz-content-sha256:"}},
		{"encoding without its mode", "InvalidRequest", []string{len3, "Content-Encoding: aws-chunked", "x-amz-content-sha256: UNSIGNED-PAYLOAD"}},
		{"encoding with a digest", "InvalidRequest", []string{len3, "Content-Encoding: aws-chunked", "x-amz-content-sha256: " + sig}},

		{"md5 of another length", "InvalidDigest", []string{len3, "Content-MD5: NSRBwg=="}},
		{"md5 in hex", "InvalidDigest", []string{len3, "Content-MD5: " + strings.Repeat("ab", 16)}},
		{"empty md5", "InvalidDigest", []string{len3, "Content-MD5:"}},
		{"checksum of another length", "InvalidRequest", []string{len3, "x-amz-checksum-crc32: AAAA"}},
		{"checksum not canonical", "InvalidRequest", []string{len3, "x-amz-checksum-crc32: NSRBwh=="}},
		{"two checksums", "InvalidRequest", []string{len3, crc32, "x-amz-checksum-crc32c: NSRBwg=="}},
		{"header and trailer", "InvalidRequest", []string{chunked, decoded3, unsigned, crc32, "x-amz-trailer: x-amz-checksum-crc32"}},
		{"trailer without a mode for it", "InvalidRequest", []string{chunked, decoded3, signed, "x-amz-trailer: x-amz-checksum-crc32"}},
		{"trailer without framing", "InvalidRequest", []string{len3, "x-amz-trailer: x-amz-checksum-crc32"}},
		{"two trailers", "InvalidRequest", []string{chunked, decoded3, unsigned, "x-amz-trailer: x-amz-checksum-crc32,x-amz-checksum-sha1"}},
		{"another trailer", "InvalidRequest", []string{chunked, decoded3, unsigned, "x-amz-trailer: x-amz-meta-a"}},
		{"half a trailer", "InvalidRequest", []string{chunked, decoded3, unsigned, "x-amz-trailer: crc32"}},
		{"empty trailer", "InvalidRequest", []string{chunked, decoded3, unsigned, "x-amz-trailer:"}},
		{"announced, not sent", "InvalidRequest", []string{len3, "x-amz-sdk-checksum-algorithm: CRC32"}},
		{"announced another", "InvalidRequest", []string{len3, crc32, "x-amz-sdk-checksum-algorithm: SHA1"}},
		{"announced tomorrow's", "InvalidRequest", []string{len3, "x-amz-sdk-checksum-algorithm: XXHASH3"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			lines := append([]string{"PUT /models/k"}, c.headers...)
			if c.code != "" {
				refused(t, c.code, lines...)
				return
			}
			if op := parsed[*PutObject](t, lines...); op.Size != 3 {
				t.Errorf("Size = %d, want 3", op.Size)
			}
		})
	}
}
