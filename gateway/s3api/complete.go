// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"io"
	"strconv"
	"strings"
)

const mpObjectSize = "x-amz-mp-object-size"

func parseCompleteMultipartUpload(r *request) (Op, *Error) {
	op := &CompleteMultipartUpload{Bucket: r.target.Bucket, Key: r.target.Key, ObjectSize: -1}
	var err *Error
	if op.UploadID, err = r.uploadID(); err != nil {
		return nil, err
	}
	if op.IfNoneMatch, op.IfMatch, err = r.writeConditions(); err != nil {
		return nil, err
	}
	if op.Checksum, err = r.objectChecksum(); err != nil {
		return nil, err
	}
	if op.ChecksumType, err = r.checksumType(); err != nil {
		return nil, err
	}
	if op.Checksum.Parts > 0 && op.ChecksumType == FullObject {
		return nil, invalidHeader(op.Checksum.Algorithm.header())
	}
	if op.ObjectSize, err = r.objectSize(); err != nil {
		return nil, err
	}
	if op.body, err = r.readXMLBody(maxList); err != nil {
		return nil, err
	}
	return op, nil
}

// objectChecksum reads the one checksum header that says what the whole object
// must have: a sum, or with -N one of the sums of N parts.
func (r *request) objectChecksum() (Checksum, *Error) {
	var sum Checksum
	for a := ChecksumCRC32; int(a) < len(algorithms); a++ {
		if !r.header.has(a.header()) {
			continue
		}
		value, parts, composite := strings.Cut(r.header.get(a.header()), "-")
		var ok bool
		if sum, ok = parseChecksum(a, value); !ok {
			return Checksum{}, invalidHeader(a.header())
		}
		if !composite {
			continue
		}
		n, err := strconv.Atoi(parts)
		if err != nil || !isDecimal(parts) || n < 1 || n > MaxParts || a == ChecksumCRC64NVME {
			return Checksum{}, invalidHeader(a.header())
		}
		sum.Parts = n
	}
	return sum, nil
}

func (r *request) objectSize() (int64, *Error) {
	if !r.header.has(mpObjectSize) {
		return -1, nil
	}
	v := r.header.get(mpObjectSize)
	n, err := strconv.ParseInt(v, 10, 64)
	switch {
	case err == nil && n < 0:
		return 0, InvalidRequest("Value for " + mpObjectSize + " header is less than zero: '" + v + "'")
	case err != nil || !isDecimal(v):
		return 0, InvalidRequest("Value for " + mpObjectSize + " header is invalid: '" + v + "'")
	}
	return n, nil
}

// CompletedPart is one line of the list that a client completes an upload
// with.
type CompletedPart struct {
	Number   int      // 1..MaxParts
	ETag     string   // quoted, as ETag gives it
	Checksum Checksum // zero when none was sent
}

// Parts reads the list: at least one part, in ascending order without gaps in
// what must be said of each. The error is an *Error.
func (o *CompleteMultipartUpload) Parts(body io.Reader) ([]CompletedPart, error) {
	var parts []CompletedPart
	err := o.body.decode(body, "CompleteMultipartUpload", func(x *xmlReader, name string) error {
		if name != "Part" || len(parts) == MaxParts {
			return malformedXML()
		}
		p, err := readPart(x)
		if err != nil {
			return err
		}
		if len(parts) > 0 && parts[len(parts)-1].Number >= p.Number {
			return NewError("InvalidPartOrder", "")
		}
		parts = append(parts, p)
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case len(parts) == 0:
		return nil, malformedXML()
	}
	return parts, nil
}

// readPart reads one Part.
func readPart(x *xmlReader) (CompletedPart, error) {
	var number, etag *string
	var sum Checksum
	err := x.children(func(x *xmlReader, name string) error {
		switch {
		case name == "PartNumber":
			return x.once(&number)
		case name == "ETag":
			return x.once(&etag)
		case strings.HasPrefix(name, "Checksum"):
			return readPartChecksum(x, name, &sum)
		}
		return malformedXML()
	})
	switch {
	case err != nil:
		return CompletedPart{}, err
	case number == nil || etag == nil:
		return CompletedPart{}, malformedXML()
	}
	p := CompletedPart{Checksum: sum}
	if p.Number, err = partNumberOf(*number); err != nil {
		return CompletedPart{}, err
	}
	tag := strings.Trim(*etag, `"`)
	if tag == "" || len(tag) > maxETag || strings.ContainsFunc(tag, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' }) {
		return CompletedPart{}, NewError("InvalidPart", "")
	}
	p.ETag = `"` + tag + `"`
	return p, nil
}

// maxETag bounds an entity tag, in bytes. Ours are shorter.
const maxETag = 256

func partNumberOf(text string) (int, error) {
	n, err := strconv.Atoi(text)
	switch {
	case err != nil || !isDecimal(strings.TrimPrefix(text, "-")):
		return 0, malformedXML().Cause(err)
	case n < 1:
		return 0, InvalidArgument("PartNumber", text, "PartNumber must be >= 1")
	case n > MaxParts:
		return 0, InvalidArgument("PartNumber", text, badPartNumber)
	}
	return n, nil
}

// readPartChecksum reads one ChecksumALGORITHM element; a part has one.
func readPartChecksum(x *xmlReader, name string, into *Checksum) error {
	value, err := x.text()
	if err != nil {
		return err
	}
	a, known := algorithmOf(strings.TrimPrefix(name, "Checksum"))
	if !known || name != "Checksum"+a.String() {
		return notUnderstood("the element " + name)
	}
	sum, ok := parseChecksum(a, value)
	if !ok || into.Algorithm != ChecksumNone {
		return InvalidArgument("Checksum", value, "Invalid Base64 or multiple checksums present in request")
	}
	*into = sum
	return nil
}
