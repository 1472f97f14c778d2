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

// InvalidAccessKeyID is 403: nobody here has that access key. It names the key,
// which is no secret.
func InvalidAccessKeyID(s *Signed) *Error {
	e := NewError("InvalidAccessKeyId", "")
	e.Extra = []Element{{"AWSAccessKeyId", s.AccessKey}}
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
	if q.has("Signature") || q.has("AWSAccessKeyId") {
		return nil, authError(method, "InvalidRequest", badMechanism)
	}
	presigned := isPresigned(q)
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

// isPresigned reports whether a query holds any part of a signature, in
// whatever case.
func isPresigned(q query) bool {
	for k := range q {
		if slices.ContainsFunc(signatureParams, func(p string) bool { return strings.EqualFold(p, k) }) {
			return true
		}
	}
	return false
}

// readAuthorization reads the Authorization header.
func readAuthorization(method string, h header) (*Signed, *Error) {
	scheme, rest, found := strings.Cut(h.get("authorization"), " ")
	switch {
	case scheme == "AWS" || scheme == "AWS4-ECDSA-P256-SHA256":
		return nil, authError(method, "InvalidRequest", badMechanism)
	case !found:
		return nil, badAuthorization(method, "Authorization header is invalid -- one and only one ' ' (space) required.", "")
	case scheme != sigAlgorithm:
		return nil, badAuthorization(method, "Unsupported Authorization Type", scheme)
	}
	s := &Signed{Token: Secret(h.get("x-amz-security-token")), payload: h.get("x-amz-content-sha256")}
	if why := s.readParts(rest); why != "" {
		return nil, s.malformed(method, why)
	}
	s.Time, _ = readSigTime(h.get("x-amz-date")) // without one Verify refuses; a signature that is nobody's may have one of another form
	return s, nil
}

// badMechanism is what S3 says, and what to do about it.
const badMechanism = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256. (boto3: Config(signature_version='s3v4'))"

// badAuthorization is InvalidArgument of the Authorization header; shown is
// no more of it than its scheme.
func badAuthorization(method, message, scheme string) *Error {
	e := authError(method, "InvalidArgument", message)
	e.Extra = []Element{{"ArgumentName", "Authorization"}, {"ArgumentValue", scheme}}
	return e
}

// maxAuthorization bounds an Authorization header, in bytes.
const maxAuthorization = 4096

// readParts reads what follows AWS4-HMAC-SHA256: each of Credential,
// SignedHeaders and Signature exactly once, and nothing else. It says what is
// wrong, "" for nothing, and shows nothing but the scope.
func (s *Signed) readParts(text string) string {
	parts := map[string]string{}
	list := strings.Split(text, ",")
	if len(text) > maxAuthorization || len(list) != 3 {
		return "the authorization header requires three components: Credential, SignedHeaders, and Signature."
	}
	for _, part := range list {
		k, v, ok := strings.Cut(strings.Trim(part, " "), "=")
		if !ok {
			return "an authorization component is malformed."
		}
		parts[k] = v
	}
	for _, name := range []string{"Credential", "SignedHeaders", "Signature"} {
		if _, ok := parts[name]; !ok {
			return "missing " + name + "."
		}
	}
	switch why := s.readCredential(parts["Credential"]); {
	case why != "":
		return why
	case !s.readHeaders(parts["SignedHeaders"]):
		return "the SignedHeaders are mal-formed; expecting lower-case names in ascending order, host among them."
	case !s.readSignature(parts["Signature"]):
		return "the Signature is mal-formed; expecting 64 lower-case hex digits."
	}
	return ""
}

// readSigTime reads the one form of time that a signature has; the zero time
// when it is another.
func readSigTime(text string) (time.Time, bool) {
	t, err := time.Parse(sigTime, text)
	if err != nil || t.Format(sigTime) != text {
		return time.Time{}, false
	}
	return t, true
}

// readCredential reads ACCESSKEY/DATE/REGION/SERVICE/aws4_request, and says
// what is wrong. The access key may hold slashes: the scope is counted from
// the end.
func (s *Signed) readCredential(text string) string {
	p := strings.Split(text, "/")
	n := len(p)
	if n < 5 || n > 5 && p[n-1] != sigEnd {
		return badCredential
	}
	s.AccessKey, s.Date, s.Region, s.Service = strings.Join(p[:n-4], "/"), p[n-4], p[n-3], p[n-2]
	switch {
	case s.AccessKey == "", len(text) > maxCredential, !isVisible(text):
		return badCredential
	case p[n-1] != sigEnd:
		return "incorrect terminal " + strconv.Quote(p[n-1]) + `. This endpoint uses "aws4_request".`
	case s.Service != "s3" && s.Service != "sts":
		return "incorrect service " + strconv.Quote(s.Service) + `. This endpoint belongs to "s3".`
	case len(s.Date) != len(sigDate) || !isDecimal(s.Date):
		return "incorrect date format " + strconv.Quote(s.Date) + `. This date in the credential must be in the format "yyyyMMdd".`
	case s.Region == "", len(s.Region) > maxRegion,
		strings.Trim(strings.ToLower(s.Region), "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "":
		return badCredential
	}
	return ""
}

const badCredential = `the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".`

// Bounds of a credential and of its region, in bytes.
const (
	maxCredential = 256
	maxRegion     = 64
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
// and its operation take. Where the client certificate says who asks, a
// signature decides nothing; but a client that signs in a way that is not
// understood must hear of it.
func (r *request) checkSignature(rt route) *Error {
	s := r.signed
	if s == nil {
		for k := range r.query {
			if r.options.Listener == MTLS && strings.HasPrefix(strings.ToLower(k), amzPrefix) {
				return r.authFault("InvalidRequest", "presigned requests are not served on this listener: the client certificate says who asks; leave the X-Amz- query parameters out")
			}
		}
		var err *Error
		if s, err = readSigned(r.method, r.query, r.header); err != nil || s == nil {
			return err
		}
	}
	want := "s3"
	if rt.name == stsService {
		want = "sts"
	}
	switch {
	case s.Service != want:
		return s.malformed(r.method, "incorrect service "+strconv.Quote(s.Service)+". This endpoint belongs to "+strconv.Quote(want)+".")
	case s.Presigned && !slices.Contains(presignable, rt.name):
		return AccessDenied("a presigned request may be GetObject, HeadObject, PutObject or UploadPart")
	}
	return nil
}
