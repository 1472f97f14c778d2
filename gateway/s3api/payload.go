// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
)

// payload says how the bytes of a PUT arrive and what they are held against.
type payload struct {
	mode    payloadMode
	trailer Algorithm // declared by x-amz-trailer; ChecksumNone when none was
	sha256  []byte    // from x-amz-content-sha256; nil when not sent
	md5     []byte    // from Content-MD5; nil when not sent
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

// readPayload reads every header that describes the payload of a PUT.
func (r *request) readPayload(op *PutObject) *Error {
	for _, step := range []func(*PutObject) *Error{
		r.payloadMode, r.payloadSize, r.payloadMD5, r.payloadChecksum, r.payloadTrailer, r.payloadAlgorithm,
	} {
		if err := step(op); err != nil {
			return err
		}
	}
	return nil
}

func (r *request) payloadMode(op *PutObject) *Error {
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
		op.payload.sha256, _ = hex.DecodeString(value) // it is 64 hex digits
	case strings.HasPrefix(value, "STREAMING-"):
		return NotImplemented("the payload mode " + strconv.Quote(value))
	default:
		return InvalidArgument(name, value, "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, a STREAMING- mode, or a SHA-256 in hex")
	}
	if chunked && !mode.chunked {
		return InvalidRequest("content-encoding aws-chunked needs a STREAMING- value of x-amz-content-sha256")
	}
	op.payload.mode = mode
	return nil
}

// payloadSize settles the number of bytes of the object before any is read.
func (r *request) payloadSize(op *PutObject) *Error {
	const name = "x-amz-decoded-content-length"
	op.Size = r.length
	value, sent := r.header.get(name), r.header.has(name)
	if sent {
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || !isDecimal(value) {
			return InvalidArgument(name, value, name+" must be a number of bytes")
		}
		op.Size = n
	}
	switch {
	case op.payload.mode.chunked && !sent, !op.payload.mode.chunked && r.length < 0:
		return NewError("MissingContentLength", "")
	case op.payload.mode.chunked && r.length >= 0 && r.length <= op.Size,
		!op.payload.mode.chunked && op.Size != r.length:
		return InvalidRequest("Content-Length and x-amz-decoded-content-length contradict each other")
	}
	return nil
}

func (r *request) payloadMD5(op *PutObject) *Error {
	if !r.header.has("content-md5") {
		return nil
	}
	sum, err := base64.StdEncoding.Strict().DecodeString(r.header.get("content-md5"))
	if err != nil || len(sum) != 16 {
		return NewError("InvalidDigest", "")
	}
	op.payload.md5 = sum
	return nil
}

// payloadChecksum reads the one x-amz-checksum-* header.
func (r *request) payloadChecksum(op *PutObject) *Error {
	for a := ChecksumCRC32; int(a) < len(algorithms); a++ {
		if !r.header.has(a.header()) {
			continue
		}
		sum, ok := parseChecksum(a, r.header.get(a.header()))
		switch {
		case !ok:
			return InvalidRequest("the value of the header " + a.header() + " is not a checksum in base64")
		case op.Checksum.Algorithm != ChecksumNone:
			return InvalidRequest("at most one x-amz-checksum- header may be sent")
		}
		op.Checksum = sum
	}
	return nil
}

// payloadTrailer reads which checksum will follow the payload.
func (r *request) payloadTrailer(op *PutObject) *Error {
	if !r.header.has("x-amz-trailer") {
		return nil
	}
	name := r.header.get("x-amz-trailer")
	a, ok := algorithmOf(strings.TrimPrefix(strings.ToLower(name), checksumPrefix))
	switch {
	case !op.payload.mode.trailing:
		return InvalidRequest("x-amz-trailer needs a payload mode with trailers")
	case !ok || !strings.EqualFold(name, a.header()):
		return InvalidRequest("the trailer " + strconv.Quote(name) + " is not one x-amz-checksum- header")
	case op.Checksum.Algorithm != ChecksumNone:
		return InvalidRequest("a checksum may be sent in a header or in a trailer, not in both")
	}
	op.payload.trailer = a
	return nil
}

// payloadAlgorithm holds the SDK's announcement against what it sent.
func (r *request) payloadAlgorithm(op *PutObject) *Error {
	const name = "x-amz-sdk-checksum-algorithm"
	if !r.header.has(name) {
		return nil
	}
	a, ok := algorithmOf(r.header.get(name))
	switch {
	case !ok:
		return NotImplemented("the checksum algorithm " + strconv.Quote(r.header.get(name)))
	case a != op.Checksum.Algorithm && a != op.payload.trailer:
		return InvalidRequest(name + " is sent without the checksum that it names")
	}
	return nil
}
