// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"errors"
	"fmt"
	"strings"
)

const (
	scheme = "spiffe://"
	maxID  = 2048 // bytes, SPIFFE-ID §2.3
)

// ErrID is wrapped by every error of [ParseID].
var ErrID = errors.New("not a SPIFFE ID")

// ID is a SPIFFE ID, such as spiffe://acme.ai/ns/fraud/train. It is comparable,
// may be a map key, and two IDs are equal exactly if their texts are equal byte
// by byte: there is one spelling of each ID. The zero value is nobody, equals no
// parsed ID, and must never be granted anything.
type ID struct {
	text   string // whole ID; "" only in the zero value
	pathAt int    // where the path starts in text
}

// ParseID reads a SPIFFE ID by the strict reading of SPIFFE-ID §2: lower-case
// "spiffe://", a trust domain of [a-z0-9.-_] up to 255 bytes, then nothing or a
// path whose segments are of [A-Za-z0-9.-_], never empty, "." or "..". So there
// is no port, user, query, fragment, percent-escape or trailing slash, and
// 2,048 bytes is the longest. Nothing is normalised: what is not in its one
// spelling is refused. The error wraps [ErrID].
func ParseID(s string) (ID, error) {
	if len(s) > maxID {
		return ID{}, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrID, len(s), maxID)
	}
	rest, ok := strings.CutPrefix(s, scheme)
	if !ok {
		return ID{}, fmt.Errorf("%w: it does not start with %s", ErrID, scheme)
	}
	name, path := rest, ""
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		name, path = rest[:i], rest[i:]
	}
	if _, err := ParseTrustDomain(name); err != nil {
		return ID{}, fmt.Errorf("%w: %w", ErrID, err)
	}
	if err := checkPath(path); err != nil {
		return ID{}, fmt.Errorf("%w: %w", ErrID, err)
	}
	return ID{text: s, pathAt: len(scheme) + len(name)}, nil
}

// MustParseID is [ParseID] for constants. It panics on a fault.
func MustParseID(s string) ID {
	id, err := ParseID(s)
	if err != nil {
		panic("certs: " + err.Error())
	}
	return id
}

// String returns the ID's one spelling, "" for the zero value.
func (id ID) String() string { return id.text }

// IsZero reports whether id is nobody.
func (id ID) IsZero() bool { return id.text == "" }

// Path returns the path with its leading '/', or "" for the ID of a trust domain.
func (id ID) Path() string { return id.text[id.pathAt:] }

// TrustDomain returns the trust domain that id names.
func (id ID) TrustDomain() TrustDomain {
	if id.IsZero() {
		return TrustDomain{}
	}
	return TrustDomain{name: id.text[len(scheme):id.pathAt]}
}

// MarshalText writes the ID's one spelling, nothing for the zero value.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.text), nil }

// UnmarshalText reads what MarshalText writes, as [ParseID] does; empty text is
// nobody.
func (id *ID) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*id = ID{}
		return nil
	}
	parsed, err := ParseID(string(b))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}

// checkPath checks everything after the trust domain. "" is the root and allowed.
func checkPath(path string) error {
	if path == "" {
		return nil
	}
	for seg := range strings.SplitSeq(path[1:], "/") {
		switch seg {
		case "":
			return errors.New("it has an empty path segment or a trailing slash")
		case ".", "..":
			return fmt.Errorf("path segment %q", seg)
		}
		for i := range len(seg) {
			if !pathByte(seg[i]) {
				return fmt.Errorf("%q in the path; only A-Z a-z 0-9 . - _ are allowed", seg[i])
			}
		}
	}
	return nil
}

func pathByte(c byte) bool { return trustDomainByte(c) || 'A' <= c && c <= 'Z' }
