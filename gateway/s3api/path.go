// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"net/netip"
	"strings"
	"unicode/utf8"
)

// Bounds of names, in bytes after decoding.
const (
	// MaxKey is the longest key.
	MaxKey = 1024
	// MaxBucketName and MinBucketName bound a bucket's name.
	MaxBucketName = 63
	MinBucketName = 3
)

// reservedName is where the gateway keeps its own objects in every bucket.
const reservedName = ".sealgate"

// Reserved reports whether the key is one of the gateway's own, which no
// client may name (S3.md, "Reserved names").
func (r Resource) Reserved() bool {
	return r.Key == reservedName || strings.HasPrefix(r.Key, reservedName+"/")
}

// Path is the inverse of what Parse does with a path: the one escaped form
// of the resource. Parse reads it back to the same resource.
func (r Resource) Path() string {
	if r.Key == "" {
		return "/" + r.Bucket
	}
	return "/" + r.Bucket + "/" + strings.ReplaceAll(encodeName(r.Key), "*", "%2A")
}

// parsePath reads an escaped path: /BUCKET/KEY in path style, /KEY when the
// Host has named the bucket. It decodes once and cleans nothing: a path that
// some reader could take for another one is refused (S3.md, "Paths").
func parsePath(escaped, hostBucket string) (Resource, *Error) {
	rest, ok := strings.CutPrefix(escaped, "/")
	if !ok {
		return Resource{}, invalidURI("the request target must be a path that begins with a slash")
	}
	if hostBucket != "" {
		key, err := parseKey(rest)
		if err != nil {
			return Resource{}, err
		}
		return Resource{Bucket: hostBucket, Key: key}, nil
	}
	if rest == "" {
		return Resource{}, nil
	}
	head, tail, _ := strings.Cut(rest, "/")
	bucket, err := decode(head)
	if err != nil {
		return Resource{}, err
	}
	// The separator of bucket and key is a raw slash, so an escaped one is
	// part of the bucket name, and no bucket has such a name.
	if err := checkBucket(bucket); err != nil {
		return Resource{}, err
	}
	key, err := parseKey(tail)
	if err != nil {
		return Resource{}, err
	}
	return Resource{Bucket: bucket, Key: key}, nil
}

// parseKey reads an escaped key.
func parseKey(escaped string) (string, *Error) {
	key, err := decode(escaped)
	if err != nil {
		return "", err
	}
	if err := checkKey(key); err != nil {
		return "", err
	}
	return key, nil
}

// decode resolves percent escapes, once. A "+" is a plus sign.
func decode(escaped string) (string, *Error) {
	var b strings.Builder
	b.Grow(len(escaped))
	for i := 0; i < len(escaped); i++ {
		c := escaped[i]
		switch {
		case c == '#' || c <= ' ' || c == 0x7f:
			return "", invalidURI("the path holds a byte that must be escaped")
		case c != '%':
			b.WriteByte(c)
			continue
		}
		d, ok := unhex(escaped[i+1:])
		if !ok {
			return "", invalidURI("the path holds a percent sign that is not followed by two hex digits")
		}
		b.WriteByte(d)
		i += 2
	}
	return b.String(), nil
}

// unhex reads two hex digits.
func unhex(s string) (byte, bool) {
	if len(s) < 2 {
		return 0, false
	}
	hi, hok := nibble(s[0])
	lo, lok := nibble(s[1])
	return hi<<4 | lo, hok && lok
}

func nibble(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// checkKey refuses keys that some store or client would read as another key.
func checkKey(key string) *Error {
	switch {
	case len(key) > MaxKey:
		e := NewError("KeyTooLongError", "")
		e.Extra = []Element{{"Size", itoa(len(key))}, {"MaxSizeAllowed", itoa(MaxKey)}}
		return e
	case !utf8.ValidString(key):
		return invalidURI("the key is not valid UTF-8")
	case strings.ContainsFunc(key, isControl):
		return invalidURI("the key holds a control character")
	}
	for seg := range strings.SplitSeq(key, "/") {
		if seg == "." || seg == ".." {
			return invalidURI("the key holds a segment \".\" or \"..\": keys are exact, nothing is resolved")
		}
	}
	return nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// checkBucket holds a bucket name against S3's rules of naming.
func checkBucket(name string) *Error {
	bad := len(name) < MinBucketName || len(name) > MaxBucketName ||
		strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" ||
		strings.ContainsAny(name[:1]+name[len(name)-1:], ".-") ||
		strings.Contains(name, "..")
	if !bad {
		_, err := netip.ParseAddr(name)
		bad = err == nil
	}
	if bad {
		return NewError("InvalidBucketName", "")
	}
	return nil
}

func invalidURI(why string) *Error { return NewError("InvalidURI", why) }
