// SPDX-License-Identifier: Apache-2.0

package disk

import "strings"

// The last byte of a name says what it is. None of the three may be left
// unescaped in a segment.
const (
	sufDir    = '+' // a segment that a slash follows
	sufObject = '=' // the last segment
	sufPiece  = '~' // a piece of a segment that goes on in this directory
)

// maxPiece is the longest escaped piece of a segment in bytes. File systems
// allow 255 bytes in a name.
const maxPiece = 200

const hexDigits = "0123456789ABCDEF"

// plain reports whether c stands for itself in a name.
func plain(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.'
}

// pathOf returns the path of a key's file below the store's directory.
func pathOf(key string) string {
	b := make([]byte, 0, len(key)+32)
	for {
		seg, rest, more := strings.Cut(key, "/")
		b = appendSegment(b, seg)
		if !more {
			return string(append(b, sufObject))
		}
		b = append(b, sufDir, '/')
		key = rest
	}
}

// dirOf returns the path of the directory that holds the keys starting with
// prefix, which is empty or ends in a slash.
func dirOf(prefix string) string {
	if prefix == "" {
		return "."
	}
	path := pathOf(prefix)
	return path[:len(path)-len("/=")]
}

// appendSegment appends the escaped segment, cut into pieces where needed.
func appendSegment(b []byte, seg string) []byte {
	start := len(b)
	for i := range len(seg) {
		c, width := seg[i], 1
		if !plain(c) {
			width = 3
		}
		if len(b)-start+width > maxPiece {
			b = append(b, sufPiece, '/')
			start = len(b)
		}
		if width == 1 {
			b = append(b, c)
		} else {
			b = append(b, '%', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return b
}

// piece is one decoded name: the bytes of the segment and what it is.
type piece struct {
	text string
	kind byte // sufDir, sufObject or sufPiece
}

// bound is what this name adds to the key of everything in it.
func (p piece) bound() string {
	if p.kind == sufDir {
		return p.text + "/"
	}
	return p.text
}

// parseName decodes one name. It is false for every name that this package
// would not have written by itself; that the pieces of a long segment are cut
// at the right places is seen only from the whole path (keyOf).
func parseName(name string) (piece, bool) {
	if name == "" || len(name)-1 > maxPiece {
		return piece{}, false
	}
	kind := name[len(name)-1]
	if kind != sufDir && kind != sufObject && kind != sufPiece {
		return piece{}, false
	}
	text, ok := unescape(name[:len(name)-1])
	return piece{text, kind}, ok
}

// unescape is the inverse of the escaping, and of nothing else: an escape of a
// plain byte or in lower case is refused, or two names would be one key.
func unescape(s string) (string, bool) {
	if !strings.Contains(s, "%") {
		return s, allPlain(s)
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '%' {
			if len(s)-i < 3 {
				return "", false
			}
			hi, lo := strings.IndexByte(hexDigits, s[i+1]), strings.IndexByte(hexDigits, s[i+2])
			c = byte(hi<<4 | lo)
			if hi < 0 || lo < 0 || plain(c) || c == '/' {
				return "", false
			}
			i += 2
		} else if !plain(c) {
			return "", false
		}
		b = append(b, c)
	}
	return string(b), true
}

func allPlain(s string) bool {
	for i := range len(s) {
		if !plain(s[i]) {
			return false
		}
	}
	return true
}

// keyOf returns the key whose file has this path, false if there is none.
func keyOf(path string) (string, bool) {
	var b strings.Builder
	names := strings.Split(path, "/")
	for i, name := range names {
		p, ok := parseName(name)
		if !ok || (p.kind == sufObject) != (i == len(names)-1) {
			return "", false
		}
		b.WriteString(p.bound())
	}
	key := b.String()
	return key, pathOf(key) == path
}
