// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/sealgate/sealgate/gateway/internal/strictyaml"
)

// maxSegments bounds a pattern, and with it the depth of every walk.
const maxSegments = 32

// reservedRoot is the part of every bucket that is the gateway's own (§4).
const reservedRoot = ".sealgate"

// namespaces look like buckets and are the gateway's own resources (§4).
var namespaces = []string{"gateway", "secrets", "audit"}

// isNamespace is a comparison and no loop: every decision asks it.
func isNamespace(bucket string) bool {
	return bucket == "gateway" || bucket == "secrets" || bucket == "audit"
}

type segmentKind uint8

const (
	literal segmentKind = iota
	anyOne              // *
	capture             // {name}, replaced by a literal before anything is matched
)

// segment is what stands between two slashes of a pattern.
type segment struct {
	kind segmentKind
	text string // of a literal; of a capture its name
}

// pattern is a path pattern (§4) or, without its scheme and trust domain, an
// identity pattern (§3).
type pattern struct {
	text string    // as written
	segs []segment // without the last ** ; the first is the bucket
	rest bool      // ends in **
	line int
	col  int
}

// pathFault is what is wrong with the text of a pattern.
type pathFault struct{ code, text, hint string }

// parsePath reads a path pattern.
func parsePath(text string) (pattern, *pathFault) {
	if f := checkPathText(text); f != nil {
		return pattern{}, f
	}
	p, f := parseSegments(text)
	switch {
	case f != nil:
		return pattern{}, f
	case len(p.segs) == 0: // ** alone: every key of every bucket
		p.segs = []segment{{kind: anyOne}}
	case len(p.segs) == 1 && !p.rest:
		return pattern{}, &pathFault{"E013", "it names a bucket and no key", "write " + text + "/** for all keys in it"}
	case p.segs[0].kind == literal && !bucketName.MatchString(p.segs[0].text):
		return pattern{}, &pathFault{"E013", "no bucket can be named so; buckets are of a-z 0-9 . -", ""}
	case len(p.segs) > 1 && p.segs[1] == segment{literal, reservedRoot}:
		return pattern{}, &pathFault{"E015", reservedRoot + " is reserved for the gateway", ""}
	}
	return p, nil
}

// checkPathText finds the faults of a path that are not those of one segment.
func checkPathText(text string) *pathFault {
	switch {
	case text == "":
		return &pathFault{"E013", "it is empty", ""}
	case !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return &pathFault{"E013", "control characters are not allowed", ""}
	case strings.Contains(text, "://"):
		_, rest, _ := strings.Cut(text, "://")
		return &pathFault{"E013", "a path begins with the bucket, not with a scheme", "write " + rest}
	case text[0] == '/':
		return &pathFault{"E013", "a path begins with the bucket, not with a slash", "write " + strings.TrimLeft(text, "/")}
	case text[len(text)-1] == '/':
		return &pathFault{"E013", "a trailing slash is not allowed", "write " + text + "** for everything below"}
	}
	return nil
}

// parseSegments reads what stands between the slashes of text.
func parseSegments(text string) (pattern, *pathFault) {
	p := pattern{text: text}
	parts := strings.Split(text, "/")
	if len(parts) > maxSegments {
		return p, &pathFault{"E013", "it has more than 32 segments", ""}
	}
	for i, part := range parts {
		if part == "**" && i == len(parts)-1 {
			p.rest = true
			break
		}
		s, f := parseSegment(part)
		if f != nil {
			return p, f
		}
		p.segs = append(p.segs, s)
	}
	return p, nil
}

// parseSegment reads one segment. A wildcard inside a segment is refused rather than
// taken literally: who writes v* means a wildcard, and would get none.
func parseSegment(part string) (segment, *pathFault) {
	switch {
	case part == "":
		return segment{}, &pathFault{"E013", "empty segments are not allowed", ""}
	case part == "." || part == "..":
		return segment{}, &pathFault{"E012", "dot segments are not allowed", ""}
	case part == "*":
		return segment{kind: anyOne}, nil
	case part == "**":
		return segment{}, &pathFault{"E013", "** is allowed as the last segment only", "write * for one segment"}
	case !strings.ContainsAny(part, "*{}"):
		return segment{kind: literal, text: part}, nil
	}
	name, open := strings.CutPrefix(part, "{")
	name, closed := strings.CutSuffix(name, "}")
	if open && closed && captureName.MatchString(name) {
		return segment{kind: capture, text: name}, nil
	}
	return segment{}, &pathFault{"E013", "* and {name} stand for whole segments only", ""}
}

var (
	captureName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	// bucketName is what a bucket could be called; which ones exist, only the
	// configuration knows.
	bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,62}$`)
)

// path reads a pattern from a node and notes its place.
func (b *builder) path(n *strictyaml.Node) (pattern, bool) {
	text, ok := b.text(n)
	if !ok {
		return pattern{}, false
	}
	p, f := parsePath(text)
	if f != nil {
		b.fault(n, f.code, "path "+quote(text)+": "+f.text, f.hint)
		return pattern{}, false
	}
	p.line, p.col = n.Line, n.Col
	return p, true
}

// captures are the names that p uses.
func (p pattern) captures() []string {
	var names []string
	for _, s := range p.segs {
		if s.kind == capture {
			names = append(names, s.text)
		}
	}
	return names
}

// bind replaces captures by what was captured. It reports false if a capture has
// no value, or one that is not exactly one segment.
func (p pattern) bind(values map[string]string) (pattern, bool) {
	bound := p
	bound.segs = make([]segment, len(p.segs))
	for i, s := range p.segs {
		if s.kind == capture {
			v, ok := values[s.text]
			if !ok || !plainSegment(v) {
				return pattern{}, false
			}
			s = segment{kind: literal, text: v}
		}
		bound.segs[i] = s
	}
	return bound, true
}

// plainSegment reports whether v can stand for one segment and nothing else. IDs
// cannot hold anything else; this is the second lock on that door.
func plainSegment(v string) bool {
	return v != "" && v != "." && v != ".." && !strings.ContainsAny(v, "/*{}")
}
