// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"fmt"
	"strings"
)

// Attr is what a client says about an object besides its bytes: system
// headers, user metadata and a checksum sent ahead of the body. It is sealed
// as a whole; the store sees its length alone (FORMAT §6).
type Attr struct {
	ContentType        string
	ContentEncoding    string
	ContentDisposition string
	ContentLanguage    string
	CacheControl       string
	Expires            string
	// User is sorted by Name, without duplicates.
	User []UserMeta
	// Checksum is the client's, if it came in a header. One sent in a
	// trailer is in the manifest only.
	Checksum Checksum
}

// UserMeta is one x-amz-meta header: a lower-case name without that prefix,
// and its value.
type UserMeta struct{ Name, Value string }

const (
	// AttrBudget is how many bytes of client metadata fit, names and values
	// counted. Up to 20 user headers it is the only limit (FORMAT §6).
	AttrBudget = 1200
	// maxAttr bounds the encoding.
	maxAttr = 1284

	// presentChecksum is the bit of the first byte above the six headers.
	presentChecksum = 1 << 6
	// compositeBit marks a composite checksum in its algorithm byte.
	compositeBit = 1 << 7
)

// systemHeader ties a header's name to its field.
type systemHeader struct {
	name  string
	value *string
}

// system lists the system headers in the order of the format.
func (a *Attr) system() [6]systemHeader {
	return [...]systemHeader{
		{"content-type", &a.ContentType},
		{"content-encoding", &a.ContentEncoding},
		{"content-disposition", &a.ContentDisposition},
		{"content-language", &a.ContentLanguage},
		{"cache-control", &a.CacheControl},
		{"expires", &a.Expires},
	}
}

// budgeted returns the bytes that count against AttrBudget.
func (a *Attr) budgeted() int {
	n := 0
	for _, h := range a.system() {
		if *h.value != "" {
			n += len(h.name) + len(*h.value)
		}
	}
	for _, u := range a.User {
		n += len(u.Name) + len(u.Value)
	}
	return n
}

// encode returns the canonical encoding, or ErrAttrTooLarge, or
// ErrAttrInvalid with the name at fault.
func (a Attr) encode() ([]byte, error) {
	if err := a.check(); err != nil {
		return nil, err
	}
	if n := a.budgeted(); n > AttrBudget {
		return nil, fmt.Errorf("%w: %d bytes of names and values, at most %d fit", ErrAttrTooLarge, n, AttrBudget)
	}
	b := a.appendSystem([]byte{0})
	for _, u := range a.User {
		b = appendShort(appendShort(b, u.Name), u.Value)
	}
	if len(b) > maxAttr {
		return nil, fmt.Errorf("%w: %d headers take %d bytes, at most %d fit", ErrAttrTooLarge, len(a.User), len(b), maxAttr)
	}
	return b, nil
}

// appendSystem appends headers and checksum, and notes them in b[0].
func (a *Attr) appendSystem(b []byte) []byte {
	for i, h := range a.system() {
		if *h.value != "" {
			b[0] |= 1 << i
			b = appendShort(b, *h.value)
		}
	}
	if c := a.Checksum; c.Algorithm != ChecksumNone {
		b[0] |= presentChecksum
		b = append(b, byte(c.Algorithm)|byte(c.Type)*compositeBit)
		b = append(b, c.Sum...)
	}
	return b
}

// decodeAttr is the strict inverse of encode.
func decodeAttr(b []byte) (Attr, error) {
	var a Attr
	c := cursor{rest: b}
	present := c.u8()
	for i, h := range a.system() {
		if present&(1<<i) != 0 {
			*h.value = c.short()
			c.bad = c.bad || *h.value == ""
		}
	}
	if present&presentChecksum != 0 {
		code := c.u8()
		a.Checksum = Checksum{Algorithm: ChecksumAlgorithm(code &^ compositeBit), Type: ChecksumType(code / compositeBit)}
		a.Checksum.Sum = c.take(a.Checksum.Algorithm.Size())
		c.bad = c.bad || a.Checksum.Algorithm == ChecksumNone
	}
	for !c.bad && len(c.rest) > 0 {
		a.User = append(a.User, UserMeta{c.short(), c.short()})
	}
	if !c.done() || present >= 1<<7 || len(b) > maxAttr || a.check() != nil {
		return Attr{}, &authError{ruleAttributes}
	}
	return a, nil
}

// check reports what makes a unfit to be encoded, budgets aside.
func (a *Attr) check() error {
	for _, h := range a.system() {
		if !validValue(*h.value) {
			return fmt.Errorf("%w: control byte in %s", ErrAttrInvalid, h.name)
		}
	}
	if !a.Checksum.valid() {
		return fmt.Errorf("%w: checksum %s with a sum of %d bytes", ErrAttrInvalid, a.Checksum.Algorithm, len(a.Checksum.Sum))
	}
	return a.checkUser()
}

func (a *Attr) checkUser() error {
	for i, u := range a.User {
		if !validName(u.Name) {
			return fmt.Errorf("%w: user metadata name %q", ErrAttrInvalid, u.Name)
		}
		if i > 0 && a.User[i-1].Name >= u.Name {
			return fmt.Errorf("%w: user metadata %q out of order or repeated", ErrAttrInvalid, u.Name)
		}
		if !validValue(u.Value) {
			return fmt.Errorf("%w: control byte in user metadata %q", ErrAttrInvalid, u.Name)
		}
	}
	return nil
}

// validName reports whether s is a lower-case HTTP token (RFC 9110 §5.6.2).
func validName(s string) bool {
	const tokens = "abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~"
	return s != "" && strings.Trim(s, tokens) == ""
}

// validValue reports whether s cannot break out of a header line.
func validValue(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

// appendShort appends LEN | s of FORMAT §6.
func appendShort(b []byte, s string) []byte {
	if n := len(s); n < 0x80 {
		b = append(b, byte(n))
	} else {
		b = append(b, 0x80|byte(n>>8), byte(n)) // AttrBudget keeps n far below 2^15
	}
	return append(b, s...)
}

// short reads LEN | s, refusing the long form where the short one fits.
func (c *cursor) short() string {
	n := int(c.u8())
	if n >= 0x80 {
		n = (n&^0x80)<<8 | int(c.u8())
		c.bad = c.bad || n < 0x80
	}
	if n > len(c.rest) {
		c.bad = true
		return ""
	}
	return string(c.take(n))
}
