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
// verified by the chain; without one, nobody knows their key, and they are read
// by shape alone.
type chunkFrames struct {
	src      *bufio.Reader
	mode     payloadMode
	declared Algorithm
	chain    *chunkChain // nil when the key is not known, or nothing is signed

	left  int64 // payload bytes still to come
	least int64 // bytes of a chunk that is not the last one with data
	small bool  // a smaller one was read: no data may follow
	chunk int64 // of them in this chunk
	open  bool  // a chunk's data was begun: CRLF must follow it
	value string
}

const (
	// lineBuffer is small, so that the data of a chunk is read past it,
	// straight to where it is wanted. No line of the framing is as long.
	lineBuffer = 4 << 10
	maxLine    = 256
	minChunk   = 8 << 10 // bytes, but for the last chunk with data
	signature  = ";chunk-signature="
)

func newChunkFrames(r io.Reader, size int64, p payload) *chunkFrames {
	f := &chunkFrames{src: bufio.NewReaderSize(r, lineBuffer), mode: p.mode, declared: p.trailer, left: size, least: minChunk}
	if p.mode.signed && p.verified != nil {
		f.chain = newChunkChain(p.verified)
	}
	return f
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
	f.chain.write(p[:n])
	if err != nil {
		return n, transport(err)
	}
	if f.chunk == 0 {
		if err := f.chain.end(); err != nil {
			return 0, err
		}
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
	size, sig, ok := f.chunkHeader(line)
	f.chain.begin(sig)
	switch {
	case !ok:
		return badFraming("a chunk header is malformed")
	case size > 0 && f.small:
		return NewError("InvalidChunkSizeError", "")
	case size > f.left, size == 0 && f.left > 0:
		return NewError("IncompleteBody", wrongLength).
			Cause(errors.New("aws-chunked: the chunks hold more or less than x-amz-decoded-content-length bytes"))
	case size > 0:
		f.chunk, f.open, f.small = size, true, size < f.least
		return nil
	}
	return f.end()
}

// chunkHeader reads the header of a chunk: hex digits alone, and the signature
// exactly when the mode has one.
func (f *chunkFrames) chunkHeader(line string) (size int64, sig string, ok bool) {
	digits, sig, found := strings.Cut(line, signature)
	if found != f.mode.signed || found && !isSHA256Hex(sig) {
		return 0, "", false
	}
	if len(digits) > 16 || !isHex(strings.ToLower(digits)) {
		return 0, "", false
	}
	n, err := strconv.ParseInt(digits, 16, 64)
	return n, sig, err == nil
}

// end reads what follows the last chunk, which has no data and is signed like
// any other: nobody can end a payload but who signs it.
func (f *chunkFrames) end() error {
	if err := f.chain.end(); err != nil {
		return err
	}
	if err := f.readTrailers(); err != nil {
		return err
	}
	line, err := f.line()
	switch {
	case err != nil:
		return err
	case line != "" && f.mode.trailing: // a trailer that was not declared
		return NewError("MalformedTrailerError", "")
	case line != "":
		return badFraming("the line at the end is not empty")
	}
	return atEnd(f.src)
}

func (f *chunkFrames) readTrailers() error {
	if f.declared != ChecksumNone {
		name, value, err := f.trailer()
		switch {
		case err != nil:
			return err
		case !strings.EqualFold(name, f.declared.header()):
			return NewError("MalformedTrailerError", "")
		}
		f.value = value
	}
	if !f.mode.signed || !f.mode.trailing {
		return nil
	}
	name, sig, err := f.trailer()
	switch {
	case err != nil:
		return err
	case strings.EqualFold(name, "x-amz-trailer-signature") && isSHA256Hex(sig):
		return f.chain.trailer(f.declared, f.value, sig)
	case f.declared == ChecksumNone: // a trailer that was not declared
		return NewError("MalformedTrailerError", "")
	}
	return badFraming("the signature of the trailer is malformed")
}

// trailer reads one trailer; name is "" when the line is none.
func (f *chunkFrames) trailer() (name, value string, err error) {
	line, err := f.trailerLine()
	if err != nil {
		return "", "", err
	}
	name, value, ok := strings.Cut(line, ":")
	if !ok {
		return "", "", nil
	}
	return name, strings.Trim(value, " \t"), nil
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
		return badFraming("a line that must be empty is not")
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
		return "", badFraming("a line does not end in CRLF")
	}
	return line, nil
}

// rawLine reads up to LF, which it includes.
func (f *chunkFrames) rawLine() (string, error) {
	raw, err := f.src.ReadSlice('\n')
	switch {
	case len(raw) > maxLine, errors.Is(err, bufio.ErrBufferFull):
		return "", badFraming("a line is too long")
	case err != nil:
		return "", transport(err)
	}
	return string(raw), nil
}

// badFraming is what S3 says of a framing that it cannot read; why is for the
// gateway's own log.
func badFraming(why string) *Error {
	return NewError("IncompleteBody", "").Cause(errors.New("aws-chunked: " + why))
}
