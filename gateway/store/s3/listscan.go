// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// scanner reads the part of XML in which servers write lists: elements that
// hold elements, or text. All else is refused, since no server needs it there
// and the backend is not trusted: document types, comments, CDATA, names with a
// prefix, text beside elements, an element twice where one is read. What is
// taken means the same to encoding/xml, which costs more than all the rest of a
// listing (FuzzScan holds the two together).
//
// The first fault stays: there is then no next element, and all text is "".
type scanner struct {
	doc  string
	rest string   // of doc
	open []string // the names of the elements that the scanner is in
	bare bool     // the innermost one has no content: <name/>
	err  error
}

// maxNested bounds how deep elements lie in each other.
const maxNested = 16

var (
	declaration = regexp.MustCompile(`^<\?xml version=["']1\.0["']( encoding=["'](?i:utf-8)["'])?( standalone=["'](yes|no)["'])?\s*\?>`)
	attribute   = regexp.MustCompile(`^[A-Za-z_][\w.-]*(:[A-Za-z_][\w.-]*)?=("[^"<&]*"|'[^'<&]*')`)
)

// scan goes into the root element of a document, which must have that name.
func scan(doc, root string) *scanner {
	s := &scanner{doc: doc, rest: doc[len(declaration.FindString(doc)):], open: make([]string, 0, maxNested)}
	s.blank()
	switch {
	case !isText(doc):
		s.fail("bytes that XML has not")
	case s.begin() && s.name() != root:
		s.fail("another document")
	}
	return s
}

// isText reports whether XML may hold all characters of a document, and whether
// it is without what ends CDATA, which nothing may hold but that.
func isText(doc string) bool {
	for i := range len(doc) {
		if c := doc[i]; c < ' ' && c != '\n' && c != '\t' && c != '\r' {
			return false
		}
	}
	return utf8.ValidString(doc) && !strings.Contains(doc, "\uFFFE") && !strings.Contains(doc, "\uFFFF") && !strings.Contains(doc, "]]>")
}

func (s *scanner) fail(what string) {
	if s.err == nil {
		s.err = wrongAnswer(fmt.Sprintf("a list that cannot be read: %s at byte %d", what, len(s.doc)-len(s.rest)))
	}
	s.rest = ""
}

// end returns what was wrong with the document, after whose root nothing may be.
func (s *scanner) end() error {
	if s.blank(); s.err == nil && (len(s.open) > 0 || s.rest != "") {
		s.fail("more after its end")
	}
	return s.err
}

// name is that of the current element.
func (s *scanner) name() string { return s.open[len(s.open)-1] }

// next goes into the next element in the current one. Behind the last it leaves
// the current one and returns false.
func (s *scanner) next() bool {
	if s.blank(); s.bare || strings.HasPrefix(s.rest, "</") {
		s.leave()
		return false
	}
	return s.begin()
}

// begin goes into the element that begins here.
func (s *scanner) begin() bool {
	n := 1
	for n < len(s.rest) && (isLetter(s.rest[n]) || n > 1 && isInner(s.rest[n])) {
		n++
	}
	if !strings.HasPrefix(s.rest, "<") || n == 1 || len(s.open) == maxNested {
		s.fail("no element")
		return false
	}
	s.open, s.rest = append(s.open, s.rest[1:n]), s.rest[n:]
	for !strings.HasPrefix(s.rest, ">") {
		s.blank()
		if strings.HasPrefix(s.rest, "/>") {
			s.rest, s.bare = s.rest[len("/>"):], true
			return true
		}
		known := attribute.FindString(s.rest)
		if s.rest = s.rest[len(known):]; known == "" && !strings.HasPrefix(s.rest, ">") {
			s.fail("no attribute")
			return false
		}
	}
	s.rest = s.rest[len(">"):]
	return true
}

// isLetter reports whether a name may begin with c.
func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' }

// isInner reports whether a name may go on with c, beside letters.
func isInner(c byte) bool { return '0' <= c && c <= '9' || c == '-' || c == '.' }

// leave leaves the current element, whose end is here.
func (s *scanner) leave() {
	if !s.bare {
		name := s.name()
		if !strings.HasPrefix(s.rest, "</") || !strings.HasPrefix(s.rest[2:], name) || !strings.HasPrefix(s.rest[2+len(name):], ">") {
			s.fail(fmt.Sprintf("no end of %.40q", name))
			return
		}
		s.rest = s.rest[len("</")+len(name)+len(">"):]
	}
	s.open, s.bare = s.open[:len(s.open)-1], false
}

// blank goes past white space.
func (s *scanner) blank() { s.rest = strings.TrimLeft(s.rest, " \t\r\n") }

// text leaves the current element and returns what it holds, which is text.
func (s *scanner) text() string {
	raw := s.raw()
	if strings.Contains(raw, "\r") {
		s.fail("the end of a line") // readers of XML make another of it
	}
	text := s.unescape(raw)
	s.leave()
	return text
}

// raw goes past the text up to the next tag.
func (s *scanner) raw() string {
	if s.bare {
		return ""
	}
	n := strings.IndexByte(s.rest, '<')
	if n < 0 {
		s.fail("no end")
		return ""
	}
	raw := s.rest[:n]
	s.rest = s.rest[n:]
	return raw
}

// unescape resolves the characters that XML has names and numbers for.
func (s *scanner) unescape(raw string) string {
	if strings.IndexByte(raw, '&') < 0 {
		return raw
	}
	var b strings.Builder
	for {
		plain, tail, found := strings.Cut(raw, "&")
		b.WriteString(plain)
		if !found {
			return b.String()
		}
		name, rest, ended := strings.Cut(tail, ";")
		r, ok := character(name)
		if !ended || !ok {
			s.fail("no character")
			return ""
		}
		b.WriteRune(r)
		raw = rest
	}
}

func character(name string) (rune, bool) {
	switch name {
	case "amp":
		return '&', true
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "quot":
		return '"', true
	case "apos":
		return '\'', true
	}
	digits, ok := strings.CutPrefix(name, "#")
	base := 10
	if hex, is := strings.CutPrefix(digits, "x"); is {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(digits, base, 31)
	r := rune(n)
	return r, ok && err == nil && utf8.ValidRune(r) && isText(string(r))
}

// skip leaves the current element with all that is in it.
func (s *scanner) skip() {
	for depth := len(s.open); s.err == nil && len(s.open) >= depth; {
		s.unescape(s.raw())
		if s.bare || strings.HasPrefix(s.rest, "</") {
			s.leave()
		} else {
			s.begin()
		}
	}
}

// field is an element that may come once; text is what it holds, or what is
// taken for it where it is absent.
type field struct {
	name, text string
	seen       bool
}

// into reads the current element into the field of its name, if there is one,
// and leaves it.
func (s *scanner) into(fields []field) {
	for i := range fields {
		if f := &fields[i]; f.name == s.name() {
			if f.seen { // one reader would take the first, another the last
				s.fail("<" + f.name + "> twice")
			}
			f.text, f.seen = s.text(), true
			return
		}
	}
	s.skip()
}

// record reads the fields that the current element holds, and leaves it.
func (s *scanner) record(fields []field) {
	for s.next() {
		s.into(fields)
	}
}

// Readers of what a field holds. The texts that absent ones have are read, too.
const (
	absentTime = "0001-01-01T00:00:00Z"
	absentSize = "0"
	absentFlag = "false"
)

func (s *scanner) time(text string) (t time.Time) {
	if err := t.UnmarshalText([]byte(text)); err != nil {
		s.fail("no time")
	}
	return t.UTC()
}

func (s *scanner) size(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		s.fail("no size")
	}
	return n
}

func (s *scanner) flag(text string) bool {
	b, err := strconv.ParseBool(text)
	if err != nil {
		s.fail("neither true nor false")
	}
	return b
}

// tag gives an ETag without its quotes.
func (s *scanner) tag(text string) string { return strings.Clone(strings.Trim(text, `"`)) }
