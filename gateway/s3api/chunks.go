// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"bufio"
	"errors"
	"io"
	"strconv"
	"strings"
)

// chunkFrames takes the aws-chunked framing off a payload (S3.md, "Payloads"):
//
//	HEX [;chunk-signature=SIG] CRLF DATA CRLF    as often as needed
//	0 [;chunk-signature=SIG] CRLF
//	[NAME:VALUE EOL]                             the declared trailer
//	[x-amz-trailer-signature:SIG EOL]            signed, with trailers
//	CRLF
//
// EOL is CRLF, or LF CRLF as some clients send. Nothing else is taken: what
// one reader would skip and another would store is an error. Signatures are
// read by shape alone, since their key is not known here.
type chunkFrames struct {
	src      *bufio.Reader
	mode     payloadMode
	declared Algorithm

	left  int64 // payload bytes still to come
	chunk int64 // of them in this chunk
	open  bool  // a chunk's data was begun: CRLF must follow it
	value string
}

const (
	// lineBuffer is small, so that the data of a chunk is read past it,
	// straight to where it is wanted. No line of the framing is as long.
	lineBuffer = 4 << 10
	maxLine    = 256
	signature  = ";chunk-signature="
)

func newChunkFrames(r io.Reader, size int64, p payload) *chunkFrames {
	return &chunkFrames{src: bufio.NewReaderSize(r, lineBuffer), mode: p.mode, declared: p.trailer, left: size}
}

func (f *chunkFrames) trailing() string { return f.value }

func (f *chunkFrames) Read(p []byte) (int, error) {
	if f.chunk == 0 {
		if err := f.next(); err != nil {
			return 0, err
		}
	}
	n, err := f.src.Read(p[:min(int64(len(p)), f.chunk)])
	f.chunk -= int64(n)
	f.left -= int64(n)
	if err != nil {
		return n, transport(err)
	}
	return n, nil
}

// next goes to the data of the next chunk; io.EOF after the last one.
func (f *chunkFrames) next() error {
	if f.open {
		if err := f.emptyLine(); err != nil {
			return err
		}
	}
	line, err := f.line()
	if err != nil {
		return err
	}
	size, ok := f.chunkSize(line)
	switch {
	case !ok:
		return InvalidRequest("a chunk header of the aws-chunked framing is malformed")
	case size > f.left:
		return NewError("IncompleteBody", "the chunks hold more than x-amz-decoded-content-length bytes")
	case size > 0:
		f.chunk, f.open = size, true
		return nil
	case f.left > 0:
		return NewError("IncompleteBody", "the chunks hold less than x-amz-decoded-content-length bytes")
	}
	return f.end()
}

// chunkSize reads the header of a chunk: hex digits alone, and the signature
// exactly when the mode has one.
func (f *chunkFrames) chunkSize(line string) (int64, bool) {
	digits, sig, found := strings.Cut(line, signature)
	if found != f.mode.signed || found && !isSHA256Hex(sig) {
		return 0, false
	}
	if len(digits) > 16 || !isHex(strings.ToLower(digits)) {
		return 0, false
	}
	n, err := strconv.ParseInt(digits, 16, 64)
	return n, err == nil
}

// end reads what follows the last chunk.
func (f *chunkFrames) end() error {
	if f.declared != ChecksumNone {
		value, err := f.trailer(f.declared.header())
		if err != nil {
			return err
		}
		f.value = value
	}
	if f.mode.signed && f.mode.trailing {
		sig, err := f.trailer("x-amz-trailer-signature")
		if err != nil {
			return err
		}
		if !isSHA256Hex(sig) {
			return InvalidRequest("the trailer x-amz-trailer-signature is malformed")
		}
	}
	if err := f.emptyLine(); err != nil {
		return err
	}
	return atEnd(f.src)
}

// trailer reads the trailer of that name, and no other.
func (f *chunkFrames) trailer(name string) (string, error) {
	line, err := f.trailerLine()
	if err != nil {
		return "", err
	}
	key, value, ok := strings.Cut(line, ":")
	if !ok || !strings.EqualFold(key, name) {
		return "", InvalidRequest("the trailer " + name + " is missing, or another one stands in its place")
	}
	return strings.Trim(value, " \t"), nil
}

// trailerLine reads up to CRLF or LF CRLF.
func (f *chunkFrames) trailerLine() (string, error) {
	line, err := f.rawLine()
	if err != nil {
		return "", err
	}
	if s, ok := strings.CutSuffix(line, "\r\n"); ok {
		return s, nil
	}
	if err := f.emptyLine(); err != nil {
		return "", err
	}
	return strings.TrimSuffix(line, "\n"), nil
}

func (f *chunkFrames) emptyLine() error {
	line, err := f.line()
	if err == nil && line != "" {
		return InvalidRequest("the aws-chunked framing is malformed: a line that must be empty is not")
	}
	return err
}

// line reads up to CRLF.
func (f *chunkFrames) line() (string, error) {
	raw, err := f.rawLine()
	if err != nil {
		return "", err
	}
	line, ok := strings.CutSuffix(raw, "\r\n")
	if !ok {
		return "", InvalidRequest("the aws-chunked framing is malformed: a line does not end in CRLF")
	}
	return line, nil
}

// rawLine reads up to LF, which it includes.
func (f *chunkFrames) rawLine() (string, error) {
	raw, err := f.src.ReadSlice('\n')
	switch {
	case len(raw) > maxLine, errors.Is(err, bufio.ErrBufferFull):
		return "", InvalidRequest("a line of the aws-chunked framing is too long")
	case err != nil:
		return "", transport(err)
	}
	return string(raw), nil
}
