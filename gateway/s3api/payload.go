// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
)

// payload says how the bytes of a body arrive and what they are held against.
type payload struct {
	mode     payloadMode
	size     int64     // bytes without the framing
	checksum Checksum  // sent in a header; zero when none was
	trailer  Algorithm // declared by x-amz-trailer; ChecksumNone when none was
	sha256   []byte    // from x-amz-content-sha256; nil when not sent
	md5      []byte    // from Content-MD5; nil when not sent
	keyed    bool      // chunks are signed, and the signature says who asks: verified must be set
	verified *Verified // what signed chunks are held against; nil when nobody knows the key
}

// payloadMode is one of the framings of S3 (S3.md, "Payloads").
type payloadMode struct {
	chunked  bool // aws-chunked framing
	signed   bool // each chunk carries a signature
	trailing bool // trailers follow the last chunk
}

// payloadModes is the closed table of the values of x-amz-content-sha256
// beside a digest.
var payloadModes = map[string]payloadMode{
	"UNSIGNED-PAYLOAD":                           {},
	"STREAMING-UNSIGNED-PAYLOAD-TRAILER":         {chunked: true, trailing: true},
	"STREAMING-AWS4-HMAC-SHA256-PAYLOAD":         {chunked: true, signed: true},
	"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER": {chunked: true, signed: true, trailing: true},
}

// readPayload reads every header that describes a body.
func (r *request) readPayload() (payload, *Error) {
	var p payload
	for _, step := range []func(*payload) *Error{
		r.payloadMode, r.payloadSize, r.payloadMD5, r.payloadChecksum, r.payloadTrailer, r.payloadAlgorithm,
	} {
		if err := step(&p); err != nil {
			return payload{}, err
		}
	}
	return p, nil
}

// badPayload is S3's sentence.
const badPayload = "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, " +
	"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER or a valid sha256 value."

func (r *request) payloadMode(p *payload) *Error {
	const name = "x-amz-content-sha256"
	value := r.header.get(name)
	chunked := isChunked(r.header.get("content-encoding"))
	mode, known := payloadModes[value]
	switch {
	case !r.header.has(name) && chunked:
		// botocore without a signature names the framing here alone.
		mode = payloadModes["STREAMING-UNSIGNED-PAYLOAD-TRAILER"]
	case !r.header.has(name) || known:
	case isSHA256Hex(strings.ToLower(value)):
		p.sha256, _ = hex.DecodeString(value) // it is 64 hex digits
	case strings.HasPrefix(value, "STREAMING-"):
		return notUnderstood("the payload mode " + strconv.Quote(value))
	default:
		return InvalidArgument(name, value, badPayload)
	}
	if chunked && !mode.chunked {
		return InvalidRequest("content-encoding aws-chunked needs a STREAMING- value of x-amz-content-sha256")
	}
	p.mode = mode
	p.keyed = mode.signed && r.options.Listener == SessionKeys
	return nil
}

const wrongLength = "You did not provide the number of bytes specified by the Content-Length HTTP header"

// payloadSize settles the number of bytes of the object before any is read.
func (r *request) payloadSize(p *payload) *Error {
	const name = "x-amz-decoded-content-length"
	p.size = r.length
	value, sent := r.header.get(name), r.header.has(name)
	if sent {
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || !isDecimal(value) {
			return NewError("MissingContentLength", "")
		}
		p.size = n
	}
	switch {
	case p.mode.chunked && !sent, !p.mode.chunked && r.length < 0:
		return NewError("MissingContentLength", "")
	case p.mode.chunked && r.length >= 0 && r.length <= p.size:
		return NewError("IncompleteBody", wrongLength)
	case !p.mode.chunked && p.size != r.length:
		return InvalidRequest("Content-Length and x-amz-decoded-content-length contradict each other")
	}
	return nil
}

func (r *request) payloadMD5(p *payload) *Error {
	if !r.header.has("content-md5") {
		return nil
	}
	sum, err := base64.StdEncoding.Strict().DecodeString(r.header.get("content-md5"))
	if err != nil || len(sum) != 16 {
		e := NewError("InvalidDigest", "")
		e.Extra = []Element{{"Content-MD5", r.header.get("content-md5")}}
		return e
	}
	p.md5 = sum
	return nil
}

const multipleChecksums = "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."

// payloadChecksum reads the one x-amz-checksum-* header.
func (r *request) payloadChecksum(p *payload) *Error {
	for a := ChecksumCRC32; int(a) < len(algorithms); a++ {
		if !r.header.has(a.header()) {
			continue
		}
		p.checksum.Algorithm = a // header.check saw to it that there is one
	}
	a := p.checksum.Algorithm
	if a == ChecksumNone {
		return nil
	}
	var ok bool
	if p.checksum, ok = parseChecksum(a, r.header.get(a.header())); !ok {
		return invalidHeader(a.header())
	}
	return nil
}

// payloadTrailer reads which checksum will follow the payload.
func (r *request) payloadTrailer(p *payload) *Error {
	if !r.header.has("x-amz-trailer") {
		return nil
	}
	name := r.header.get("x-amz-trailer")
	a, ok := algorithmOf(strings.TrimPrefix(strings.ToLower(name), checksumPrefix))
	switch {
	case !p.mode.trailing:
		return InvalidRequest("x-amz-trailer needs a payload mode with trailers")
	case !ok || !strings.EqualFold(name, a.header()):
		return InvalidRequest("The value specified in the x-amz-trailer header is not supported")
	case p.checksum.Algorithm != ChecksumNone:
		return InvalidRequest(multipleChecksums)
	}
	p.trailer = a
	return nil
}

// payloadAlgorithm holds the SDK's announcement against what it sent.
func (r *request) payloadAlgorithm(p *payload) *Error {
	const name = "x-amz-sdk-checksum-algorithm"
	if !r.header.has(name) {
		return nil
	}
	a, ok := algorithmOf(r.header.get(name))
	sent := max(p.checksum.Algorithm, p.trailer) // at most one is set
	switch {
	case !ok, sent != ChecksumNone && a != sent:
		return invalidHeader(name)
	case sent == ChecksumNone:
		return InvalidRequest("x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.")
	}
	return nil
}
