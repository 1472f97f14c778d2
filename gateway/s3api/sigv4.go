// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The words of signature version 4 (S3.md, "Signatures").
const (
	sigAlgorithm = "AWS4-HMAC-SHA256"
	sigEnd       = "aws4_request" // the last element of each scope
	sigTime      = "20060102T150405Z"
	sigDate      = "20060102"

	contentSHA256   = "x-amz-content-sha256"
	unsignedPayload = "UNSIGNED-PAYLOAD"
)

// Signed is what a request claims by its signature, in a header or in its
// query. Nothing of it is true before Verify said so.
type Signed struct {
	AccessKey             string
	Date, Region, Service string        // the scope; Service is "s3" or "sts"
	Time                  time.Time     // when it was signed; zero when the request does not say
	Presigned             bool          // signed in the query
	Expires               time.Duration // presigned: how long it holds from Time on
	Token                 Secret        // the session token, "" for none

	headers   []string // signed headers, in lower case, ascending
	signature [sha256.Size]byte
	payload   string // what was signed for the body's digest; "" when the request does not say
}

// Format implements fmt.Formatter: the signature is not shown.
func (s Signed) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "signature of %q for %s", s.AccessKey, s.scope())
}

// Covers reports whether the header of that lower-case name is signed.
func (s *Signed) Covers(header string) bool { return slices.Contains(s.headers, header) }

func (s *Signed) scope() string {
	return s.Date + "/" + s.Region + "/" + s.Service + "/" + sigEnd
}

// Verified is a signature that was found to be right. It verifies what
// follows the head of the request: signed chunks and trailers.
type Verified struct {
	key   []byte // the signing key of the scope
	stamp string // time and scope, each with its line feed
	seed  [sha256.Size]byte
}

// Format implements fmt.Formatter: the key is not shown.
func (Verified) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("verified signature")) }

// message is a request as it is signed. Its parts are as they stand on the
// wire, and nothing of them is cleaned.
type message struct {
	method, path, query string
	host                string
	header              http.Header
	length              int64    // Content-Length, -1 for none
	coding              []string // Transfer-Encoding
}

// messageOf takes a request that net/http's server read.
func messageOf(r *http.Request) message {
	path, rawQuery, _ := strings.Cut(r.RequestURI, "?")
	return message{r.Method, path, rawQuery, r.Host, r.Header, r.ContentLength, r.TransferEncoding}
}

// canonical gives the canonical request (S3.md, "Signatures"): q is the query
// without the signature itself.
func (m message) canonical(q query, headers []string, payload string) string {
	var b strings.Builder
	for _, s := range []string{m.method, m.path, canonicalQuery(q)} {
		b.WriteString(s)
		b.WriteByte('\n')
	}
	for _, name := range headers {
		b.WriteString(name)
		b.WriteByte(':')
		b.WriteString(m.value(name))
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	b.WriteString(strings.Join(headers, ";"))
	b.WriteByte('\n')
	b.WriteString(payload)
	return b.String()
}

// value gives a header's canonical value: each value without the space around
// it and with one space for several, joined by commas. net/http keeps three
// headers in fields of their own.
func (m message) value(name string) string {
	values := m.header.Values(name)
	switch {
	case name == "host":
		values = []string{m.host}
	case name == "content-length" && len(values) == 0 && m.length >= 0:
		values = []string{strconv.FormatInt(m.length, 10)}
	case name == "transfer-encoding":
		values = m.coding
	}
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = oneSpace(v)
	}
	return strings.Join(out, ",")
}

// oneSpace trims a value and makes each run of spaces in it one space.
func oneSpace(s string) string {
	s = strings.Trim(s, " \t")
	for strings.Contains(s, "  ") {
		s = strings.ReplaceAll(s, "  ", " ")
	}
	return s
}

// canonicalQuery writes the parameters in the order of their encoded names.
func canonicalQuery(q query) string {
	pairs := make([][2]string, 0, len(q))
	for k, v := range q {
		pairs = append(pairs, [2]string{sigEncode(k), sigEncode(v)})
	}
	slices.SortFunc(pairs, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	var b strings.Builder
	for i, p := range pairs {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p[0])
		b.WriteByte('=')
		b.WriteString(p[1])
	}
	return b.String()
}

// sigEncode escapes every byte but A-Z a-z 0-9 - . _ ~.
func sigEncode(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_', c == '~':
			b.WriteByte(c)
		default:
			const digits = "0123456789ABCDEF"
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}

// signingKey derives the key of a scope from the secret.
func (s *Signed) signingKey(secret []byte) []byte {
	key := append([]byte("AWS4"), secret...)
	for _, part := range []string{s.Date, s.Region, s.Service, sigEnd} {
		key = mac(key, part)
	}
	return key
}

// stamp is the part that every string to sign of a request holds.
func (s *Signed) stamp() string {
	return s.Time.UTC().Format(sigTime) + "\n" + s.scope() + "\n"
}

// sign gives the signature of a canonical request.
func (s *Signed) sign(key []byte, canonical string) [sha256.Size]byte {
	return [sha256.Size]byte(mac(key, sigAlgorithm+"\n"+s.stamp()+hexSum(canonical)))
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	_, _ = h.Write([]byte(text)) // a hash.Hash never fails
	return h.Sum(nil)
}

func hexSum(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
