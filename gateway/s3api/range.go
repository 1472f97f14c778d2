// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Range is the part of an object that a GET or HEAD asks for, from its Range
// header or its partNumber parameter. The zero value is the whole object.
type Range struct {
	kind  rangeKind
	first int64 // rangeFrom, rangeFromTo; the part of rangePart
	last  int64 // rangeFromTo: last byte, included; rangeSuffix: length
}

type rangeKind uint8

const (
	rangeWhole  rangeKind = iota
	rangeFromTo           // bytes=a-b
	rangeFrom             // bytes=a-
	rangeSuffix           // bytes=-n
	rangePart             // partNumber=n
)

// ParseRange reads a Range header as S3 does (S3.md, "Ranges"): what is
// malformed, has another unit, or has several ranges asks for the whole
// object. There is no error.
func ParseRange(header string) Range {
	unit, spec, ok := strings.Cut(header, "=")
	if !ok || !strings.EqualFold(unit, "bytes") {
		return Range{}
	}
	first, last, ok := strings.Cut(spec, "-")
	if !ok {
		return Range{}
	}
	a, aok := parseOffset(first)
	b, bok := parseOffset(last)
	switch {
	case aok && bok && a <= b:
		return Range{kind: rangeFromTo, first: a, last: b}
	case aok && last == "":
		return Range{kind: rangeFrom, first: a}
	case first == "" && bok:
		return Range{kind: rangeSuffix, last: b}
	}
	return Range{}
}

// parseOffset reads decimal digits alone; what is past int64 is past the end
// of any object and saturates.
func parseOffset(s string) (int64, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return math.MaxInt64, true
	}
	return n, true
}

// Partial reports whether the answer is 206 with a Content-Range. An empty
// object asked for by partNumber, or by its last bytes, is the exception: no
// Content-Range can name it, so SetObjectHeaders answers 200.
func (r Range) Partial() bool { return r.kind != rangeWhole }

// Resolve gives offset and length, in plaintext bytes, of what is asked for
// from an object of that size. A range past the end is clamped; one that
// covers no byte is an *Error of status 416.
func (r Range) Resolve(size int64) (off, n int64, err error) {
	switch r.kind {
	case rangeFromTo, rangeFrom:
		if r.first >= size {
			return 0, 0, invalidRange(r, size)
		}
		end := size
		if r.kind == rangeFromTo && r.last < size {
			end = r.last + 1
		}
		return r.first, end - r.first, nil
	case rangeSuffix:
		if r.last == 0 {
			return 0, 0, invalidRange(r, size)
		}
		n = min(r.last, size)
		return size - n, n, nil
	case rangePart:
		if r.first != 1 {
			return 0, 0, NewError("InvalidPartNumber", "")
		}
	}
	return 0, size, nil
}

// Part is the partNumber asked for, 0 when none was.
func (r Range) Part() int {
	if r.kind == rangePart {
		return int(r.first)
	}
	return 0
}

// String returns the range as a header value, "" for the whole object; the
// audit record of a read carries it.
func (r Range) String() string {
	switch r.kind {
	case rangeFromTo:
		return fmt.Sprintf("bytes=%d-%d", r.first, r.last)
	case rangeFrom:
		return fmt.Sprintf("bytes=%d-", r.first)
	case rangeSuffix:
		return fmt.Sprintf("bytes=-%d", r.last)
	case rangePart:
		return fmt.Sprintf("part=%d", r.first)
	}
	return ""
}

func invalidRange(r Range, size int64) *Error {
	e := NewError("InvalidRange", "")
	e.Extra = []Element{
		{"RangeRequested", r.String()},
		{"ActualObjectSize", strconv.FormatInt(size, 10)},
	}
	return e
}
