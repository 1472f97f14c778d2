// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// AuthError makes the error of a request whose way of signing is not taken.
// On HEAD it is 403: some clients answer a 400 there by calling themselves
// again, unsigned and without end (S3.md, "Signatures").
func AuthError(r *http.Request, code, message string) *Error {
	return authError(r.Method, code, message)
}

func authError(method, code, message string) *Error {
	e := NewError(code, message)
	if method == head {
		e.Status = Codes["AccessDenied"].Status
	}
	return e
}

func (r *request) authFault(code, message string) *Error { return authError(r.method, code, message) }

// ReadSignature reads what a request is signed with, in its header or in its
// query; nil without an error is an unsigned request. Nothing is verified yet.
// The error is an *Error that holds no part of the signature.
func ReadSignature(r *http.Request) (*Signed, error) {
	m := messageOf(r)
	if !strings.HasPrefix(m.path, "/") {
		return nil, invalidURI("the request target must be a path that begins with a slash")
	}
	q, err := parseQuery(m.query)
	if err != nil {
		return nil, err
	}
	h, err := readHeader(r.Header)
	if err != nil {
		return nil, err
	}
	s, err := readSigned(m.method, q, h)
	if err != nil || s == nil {
		return nil, orNil(err)
	}
	return s, nil
}

// orNil keeps a nil *Error from becoming an error that is not nil.
func orNil(err *Error) error {
	if err == nil {
		return nil
	}
	return err
}

// readSigned reads the signature of a request; nil when there is none.
func readSigned(method string, q query, h header) (*Signed, *Error) {
	presigned := false
	for k := range q {
		switch {
		case k == "Signature", k == "AWSAccessKeyId":
			return nil, authError(method, "InvalidRequest", "signature version 2 is not supported; use signature_version='s3v4' (boto3: Config(signature_version='s3v4'))")
		case slices.ContainsFunc(signatureParams, func(p string) bool { return strings.EqualFold(p, k) }):
			presigned = true
		}
	}
	switch signed := h.has("authorization"); {
	case signed && presigned:
		return nil, authError(method, "InvalidRequest", "a request is signed in its Authorization header or in its query, not in both")
	case presigned:
		return readPresigned(method, q, h)
	case signed:
		return readAuthorization(method, h)
	}
	return nil, nil //nolint:nilnil // documented above
}

// readAuthorization reads the Authorization header.
func readAuthorization(method string, h header) (*Signed, *Error) {
	scheme, rest, _ := strings.Cut(h.get("authorization"), " ")
	switch {
	case scheme == "AWS":
		return nil, authError(method, "InvalidRequest", "signature version 2 is not supported; use signature_version='s3v4' (AWS4-HMAC-SHA256)")
	case scheme != sigAlgorithm:
		return nil, authError(method, "InvalidRequest", "the authorization mechanism is not supported; use AWS4-HMAC-SHA256")
	}
	s := &Signed{Token: Secret(h.get("x-amz-security-token")), payload: h.get("x-amz-content-sha256")}
	if !s.readParts(rest) {
		return nil, authError(method, "AuthorizationHeaderMalformed", "")
	}
	if h.has("x-amz-date") {
		var ok bool
		if s.Time, ok = readSigTime(h.get("x-amz-date")); !ok {
			return nil, authError(method, "AuthorizationHeaderMalformed", "x-amz-date must have the form YYYYMMDD'T'HHMMSS'Z'")
		}
	}
	return s, nil
}

// maxAuthorization bounds an Authorization header, in bytes.
const maxAuthorization = 4096

// readParts reads what follows AWS4-HMAC-SHA256: each of Credential,
// SignedHeaders and Signature exactly once, and nothing else.
func (s *Signed) readParts(text string) bool {
	if len(text) > maxAuthorization {
		return false
	}
	readers := map[string]func(string) bool{
		"Credential": s.readCredential, "SignedHeaders": s.readHeaders, "Signature": s.readSignature,
	}
	for part := range strings.SplitSeq(text, ",") {
		k, v, _ := strings.Cut(strings.Trim(part, " "), "=")
		read, ok := readers[k]
		if !ok || !read(v) {
			return false
		}
		delete(readers, k)
	}
	return len(readers) == 0
}

// signatureParams are the query parameters of a presigned request. All but the
// token must be there, spelled like this.
var signatureParams = []string{
	"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires",
	"X-Amz-SignedHeaders", "X-Amz-Signature", "X-Amz-Security-Token",
}

// readPresigned reads the signature in a query.
func readPresigned(method string, q query, h header) (*Signed, *Error) {
	fault := func(why string) (*Signed, *Error) {
		return nil, authError(method, "AuthorizationQueryParametersError", why)
	}
	for _, name := range signatureParams {
		if !q.has(name) && name != "X-Amz-Security-Token" {
			return fault("a presigned request needs the query parameter " + name)
		}
		for k := range q {
			if k != name && strings.EqualFold(k, name) {
				return fault("a query parameter of the signature must be spelled " + name)
			}
		}
	}
	if h.has("x-amz-security-token") {
		return fault("the token of a presigned request belongs in its query")
	}
	s := &Signed{Presigned: true, Token: Secret(q["X-Amz-Security-Token"]), payload: unsignedPayload}
	var dated bool
	s.Time, dated = readSigTime(q["X-Amz-Date"])
	seconds, err := strconv.ParseInt(q["X-Amz-Expires"], 10, 32)
	switch {
	case q["X-Amz-Algorithm"] != sigAlgorithm:
		return fault("X-Amz-Algorithm must be AWS4-HMAC-SHA256")
	case !s.readCredential(q["X-Amz-Credential"]):
		return fault("X-Amz-Credential must be ACCESSKEY/YYYYMMDD/REGION/s3/aws4_request")
	case !dated:
		return fault("X-Amz-Date must have the form YYYYMMDD'T'HHMMSS'Z'")
	case err != nil || !isDecimal(q["X-Amz-Expires"]) || seconds < 1 || seconds > int64(MaxPresign/time.Second):
		return fault("X-Amz-Expires must be a number of seconds from 1 to 604800")
	case !s.readHeaders(q["X-Amz-SignedHeaders"]):
		return fault("X-Amz-SignedHeaders must be lower-case names in ascending order, host among them")
	case !s.readSignature(q["X-Amz-Signature"]):
		return fault("X-Amz-Signature must be 64 lower-case hex digits")
	}
	s.Expires = time.Duration(seconds) * time.Second
	for _, v := range []string{q["X-Amz-Content-Sha256"], h.get("x-amz-content-sha256")} {
		if v != "" {
			s.payload = v
		}
	}
	return s, nil
}

// readSigTime reads the one form of time that a signature has.
func readSigTime(text string) (time.Time, bool) {
	t, err := time.Parse(sigTime, text)
	return t, err == nil && t.Format(sigTime) == text
}

// readCredential reads ACCESSKEY/DATE/REGION/SERVICE/aws4_request. The access
// key may hold slashes: the scope is counted from the end.
func (s *Signed) readCredential(text string) bool {
	p := strings.Split(text, "/")
	n := len(p)
	if n < 5 || p[n-1] != sigEnd {
		return false
	}
	s.AccessKey, s.Date, s.Region, s.Service = strings.Join(p[:n-4], "/"), p[n-4], p[n-3], p[n-2]
	return s.AccessKey != "" && len(s.AccessKey) <= maxAccessKey && isVisible(s.AccessKey) &&
		len(s.Date) == len(sigDate) && isDecimal(s.Date) &&
		s.Region != "" && len(s.Region) <= maxRegion && strings.Trim(strings.ToLower(s.Region), "abcdefghijklmnopqrstuvwxyz0123456789-_.") == "" &&
		(s.Service == "s3" || s.Service == "sts")
}

// Bounds of a credential, in bytes.
const (
	maxAccessKey = 128
	maxRegion    = 64
)

// isVisible reports whether s is printable ASCII without space, comma and quote.
func isVisible(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c > '~' || c == ',' || c == '"' })
}

// readHeaders reads lower-case header names joined by semicolons, in ascending
// order, so that each stands there once; host is among them, or the signature
// would hold for any server.
func (s *Signed) readHeaders(text string) bool {
	s.headers = strings.Split(text, ";")
	for i, n := range s.headers {
		if n == "" || strings.Trim(n, "abcdefghijklmnopqrstuvwxyz0123456789-_.!#$%&'*+^`|~") != "" || i > 0 && n <= s.headers[i-1] {
			return false
		}
	}
	return slices.Contains(s.headers, "host")
}

func (s *Signed) readSignature(text string) bool {
	if !isSHA256Hex(text) {
		return false
	}
	sum, err := hex.DecodeString(text)
	if err != nil {
		return false
	}
	s.signature = [sha256.Size]byte(sum)
	return true
}

func isSHA256Hex(s string) bool { return len(s) == 64 && isHex(s) }

// checkSignature holds the way a request is signed against what its listener
// takes. Where the client certificate says who asks, a signature decides
// nothing; but a client that signs in a way that is not understood must hear
// of it.
func (r *request) checkSignature() *Error {
	if r.options.Listener == MTLS {
		for k := range r.query {
			if strings.HasPrefix(strings.ToLower(k), amzPrefix) {
				return r.authFault("InvalidRequest", "presigned requests are not served on this listener: the client certificate says who asks; leave the X-Amz- query parameters out")
			}
		}
	}
	_, err := readSigned(r.method, r.query, r.header)
	return err
}
