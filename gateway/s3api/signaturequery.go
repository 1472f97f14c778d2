// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// signatureParams are the query parameters of a presigned request. All but the
// token must be there, spelled like this.
var signatureParams = []string{
	"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires",
	"X-Amz-SignedHeaders", "X-Amz-Signature", "X-Amz-Security-Token",
}

// checkParams refuses a query that lacks a part of the signature, or spells one
// in another way than its reader does.
func checkParams(q query, h header) string {
	for _, name := range signatureParams {
		if !q.has(name) && name != "X-Amz-Security-Token" {
			return "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."
		}
		for k := range q {
			if k != name && strings.EqualFold(k, name) {
				return "The query parameter must be spelled " + name
			}
		}
	}
	if h.has("x-amz-security-token") {
		return "The token of a presigned request belongs in its query"
	}
	return ""
}

// readPresigned reads the signature in a query.
func readPresigned(method string, q query, h header) (*Signed, *Error) {
	s := &Signed{Presigned: true, Token: Secret(q["X-Amz-Security-Token"]), payload: unsignedPayload}
	for _, read := range []func() string{
		func() string { return checkParams(q, h) },
		func() string {
			if q["X-Amz-Algorithm"] == sigAlgorithm {
				return ""
			}
			return `X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"`
		},
		func() string {
			if why := s.readCredential(q["X-Amz-Credential"]); why != "" {
				return "Error parsing the X-Amz-Credential parameter; " + why
			}
			return ""
		},
		func() string {
			var ok bool
			if s.Time, ok = readSigTime(q["X-Amz-Date"]); !ok {
				return `X-Amz-Date must be in the ISO8601 Long Format "yyyyMMdd'T'HHmmss'Z'"`
			}
			return ""
		},
		func() string { return s.readExpires(q["X-Amz-Expires"]) },
		func() string {
			if !s.readHeaders(q["X-Amz-SignedHeaders"]) {
				return "X-Amz-SignedHeaders must be lower-case names in ascending order, host among them"
			}
			return ""
		},
		func() string {
			if !s.readSignature(q["X-Amz-Signature"]) {
				return "X-Amz-Signature must be 64 lower-case hex digits"
			}
			return ""
		},
		func() string { return s.readPayload(q, h) },
	} {
		if why := read(); why != "" {
			return nil, authError(method, "AuthorizationQueryParametersError", why)
		}
	}
	return s, nil
}

// readExpires reads how many seconds a presigned request holds.
func (s *Signed) readExpires(text string) string {
	n, err := strconv.ParseInt(text, 10, 64)
	switch digits := strings.TrimPrefix(text, "-"); {
	case err != nil || !isDecimal(digits):
		return "X-Amz-Expires should be a number"
	case n < 0:
		return "X-Amz-Expires must be non-negative"
	case n == 0:
		return "X-Amz-Expires must be at least 1 second"
	case n > int64(MaxPresign/time.Second):
		return "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds"
	}
	s.Expires = time.Duration(n) * time.Second
	return ""
}

// readPayload reads x-amz-content-sha256 of a presigned request, where it has
// one: in a header, or moved into the query.
func (s *Signed) readPayload(q query, h header) string {
	found := 0
	if h.has(contentSHA256) {
		s.payload = h.get(contentSHA256)
		found++
	}
	for k, v := range q {
		if strings.EqualFold(k, contentSHA256) {
			s.payload = v
			found++
		}
	}
	if found > 1 {
		return "x-amz-content-sha256 stands in the query and in a header"
	}
	return ""
}

// takePresigned takes the signature's parameters out of the query of a
// presigned request, where the signature says who asks. An SDK moves x-amz-*
// headers into the query of a presigned request: they are headers again from
// here on, so that they mean what they would mean there.
func (r *request) takePresigned() *Error {
	if r.options.Listener != SessionKeys || !isPresigned(r.query) {
		return nil
	}
	var err *Error
	if r.signed, err = readSigned(r.method, r.query, r.header); err != nil {
		return err
	}
	for _, k := range slices.Sorted(maps.Keys(r.query)) {
		name := strings.ToLower(k)
		if !strings.HasPrefix(name, amzPrefix) {
			continue
		}
		value := r.query[k]
		delete(r.query, k)
		if slices.Contains(signatureParams, k) {
			continue
		}
		if r.header.has(name) {
			return InvalidArgument(name, "", name+" stands in the query and in a header")
		}
		if strings.ContainsFunc(value, isControlNoTab) {
			return InvalidArgument(name, "", "the query parameter "+name+" holds control characters")
		}
		r.header[name] = strings.Trim(value, " \t")
	}
	if !slices.ContainsFunc(slices.Collect(maps.Keys(r.header)), func(k string) bool { return strings.HasPrefix(k, checksumPrefix) }) {
		// An SDK announces a checksum which it cannot know when it presigns.
		delete(r.header, "x-amz-sdk-checksum-algorithm")
	}
	return nil
}

// presignable are the operations that a presigned request may ask for.
var presignable = []string{"GetObject", "HeadObject", "PutObject", "UploadPart"}
