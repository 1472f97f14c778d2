// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"errors"
	"fmt"
)

// maxTrustDomain is the longest trust domain name, in bytes (SPIFFE-ID §2.1).
const maxTrustDomain = 255

// ErrTrustDomain is wrapped by every error of [ParseTrustDomain].
var ErrTrustDomain = errors.New("not a trust domain name")

// TrustDomain is the name of a trust domain, such as "acme.ai". It is comparable
// and may be a map key. The zero value is no trust domain.
//
// A name proves nothing: only the bundle configured for it tells trust domains apart.
type TrustDomain struct{ name string }

// ParseTrustDomain reads a bare trust domain name. It takes lower-case letters,
// digits, '.', '-' and '_' only, up to 255 bytes, and no "spiffe://" in front.
// The error wraps [ErrTrustDomain].
func ParseTrustDomain(s string) (TrustDomain, error) {
	if s == "" {
		return TrustDomain{}, fmt.Errorf("%w: it is empty", ErrTrustDomain)
	}
	if len(s) > maxTrustDomain {
		return TrustDomain{}, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrTrustDomain, len(s), maxTrustDomain)
	}
	for i := range len(s) {
		if !trustDomainByte(s[i]) {
			return TrustDomain{}, fmt.Errorf("%w: %q at byte %d; only a-z 0-9 . - _ are allowed", ErrTrustDomain, s[i], i)
		}
	}
	return TrustDomain{name: s}, nil
}

// MustParseTrustDomain is [ParseTrustDomain] for constants. It panics on a fault.
func MustParseTrustDomain(s string) TrustDomain {
	td, err := ParseTrustDomain(s)
	if err != nil {
		panic("certs: " + err.Error())
	}
	return td
}

// String returns the bare name, "" for the zero value.
func (td TrustDomain) String() string { return td.name }

// IsZero reports whether td names no trust domain.
func (td TrustDomain) IsZero() bool { return td.name == "" }

// ID returns the SPIFFE ID of the trust domain itself, the one with no path. No
// workload may hold it.
func (td TrustDomain) ID() ID {
	if td.IsZero() {
		return ID{}
	}
	return ID{text: scheme + td.name, pathAt: len(scheme) + len(td.name)}
}

// Join returns the SPIFFE ID with the given path in td. The path is "" or starts
// with '/'. The error wraps [ErrID].
func (td TrustDomain) Join(path string) (ID, error) {
	if path != "" && path[0] != '/' {
		// It would lengthen the name of the trust domain.
		return ID{}, fmt.Errorf("%w: path %q does not start with a slash", ErrID, path)
	}
	return ParseID(scheme + td.name + path)
}

func trustDomainByte(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '.' || c == '-' || c == '_'
}
