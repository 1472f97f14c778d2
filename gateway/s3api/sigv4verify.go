// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"crypto/hmac"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds of time (S3.md, "Signatures").
const (
	// MaxSkew is how far the time of a signature may lie from ours.
	MaxSkew = 15 * time.Minute
	// MaxPresign is the longest that a presigned request may hold.
	MaxPresign = 7 * 24 * time.Hour
)

// Verify holds the signature of an S3 request against the request, under the
// secret of s.AccessKey. The request is as net/http's server read it; its body
// is not read. The error is an *Error that holds neither signature nor secret.
func (s *Signed) Verify(r *http.Request, secret []byte, now time.Time) (*Verified, error) {
	if s.payload == "" {
		return nil, AuthError(r, "InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
	}
	if _, known := payloadModes[s.payload]; !known && !strings.HasPrefix(s.payload, "STREAMING-") && !isSHA256Hex(strings.ToLower(s.payload)) {
		shown := s.payload
		if len(shown) >= 32 {
			shown = "" // it may be a signature in the wrong place
		}
		e := AuthError(r, "InvalidArgument", badPayload)
		e.Extra = InvalidArgument(contentSHA256, shown, "").Extra
		return nil, e
	}
	return s.verify(r, secret, now, s.payload)
}

// VerifyForm is Verify for a call of the token service, whose body was read.
func (s *Signed) VerifyForm(r *http.Request, q *STSRequest, secret []byte, now time.Time) (*Verified, error) {
	if s.payload != "" && s.payload != unsignedPayload && s.payload != q.digest {
		return nil, NewError("XAmzContentSHA256Mismatch", "")
	}
	return s.verify(r, secret, now, q.digest)
}

func (s *Signed) verify(r *http.Request, secret []byte, now time.Time, payload string) (*Verified, error) {
	if err := s.checkTime(r, now); err != nil {
		return nil, err
	}
	if err := s.checkCoverage(r); err != nil {
		return nil, err
	}
	m := messageOf(r)
	q, err := parseQuery(m.query)
	if err != nil {
		return nil, err
	}
	if s.Presigned {
		delete(q, "X-Amz-Signature")
	}
	key := s.signingKey(secret)
	if want := s.sign(key, m.canonical(q, s.headers, payload)); !hmac.Equal(want[:], s.signature[:]) {
		return nil, AuthError(r, "SignatureDoesNotMatch", "")
	}
	return &Verified{key: key, stamp: s.stamp(), seed: s.signature}, nil
}

// checkTime refuses what was signed too long ago or too far ahead.
func (s *Signed) checkTime(r *http.Request, now time.Time) *Error {
	server := Element{"ServerTime", now.UTC().Format(time.RFC3339)}
	switch {
	case s.Time.IsZero():
		return AccessDenied("AWS authentication requires a valid Date or x-amz-date header.")
	case s.Time.UTC().Format(sigDate) != s.Date:
		return s.malformed(r.Method, "Invalid credential date "+strconv.Quote(s.Date)+". This date is not the same as X-Amz-Date: "+strconv.Quote(s.Time.UTC().Format(sigDate))+".")
	case s.Time.Sub(now) > MaxSkew, !s.Presigned && now.Sub(s.Time) > MaxSkew:
		e := NewError("RequestTimeTooSkewed", "")
		e.Extra = []Element{
			{"RequestTime", s.Time.UTC().Format(sigTime)},
			server,
			{"MaxAllowedSkewMilliseconds", strconv.FormatInt(MaxSkew.Milliseconds(), 10)},
		}
		return e
	case s.Presigned && now.Sub(s.Time) > s.Expires:
		e := AccessDenied("Request has expired.")
		e.Extra = []Element{
			{"X-Amz-Expires", strconv.Itoa(int(s.Expires.Seconds()))},
			{"Expires", s.Time.Add(s.Expires).UTC().Format(time.RFC3339)},
			server,
		}
		return e
	}
	return nil
}

// checkCoverage refuses a header that has a meaning to S3 and is not signed:
// whoever carries the request could have put it there. ReadSignature saw that
// host is signed, and that no such header comes twice.
func (s *Signed) checkCoverage(r *http.Request) *Error {
	var missing []string
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		if low := strings.ToLower(name); strings.HasPrefix(low, amzPrefix) && !s.Covers(low) {
			missing = append(missing, low)
		}
	}
	if len(missing) > 0 {
		e := AccessDenied("There were headers present in the request which were not signed")
		e.Extra = []Element{{"HeadersNotSigned", strings.Join(missing, ", ")}}
		return e
	}
	return nil
}

func (s *Signed) malformed(method, why string) *Error {
	if s.Presigned {
		return authError(method, "AuthorizationQueryParametersError", why)
	}
	return authError(method, "AuthorizationHeaderMalformed", "The authorization header is malformed; "+why)
}

// UseSignature makes Body verify the signatures of chunks and trailer.
func (o *PutObject) UseSignature(v *Verified) { o.payload.verified = v }

// UseSignature makes Body verify the signatures of chunks and trailer.
func (o *UploadPart) UseSignature(v *Verified) { o.payload.verified = v }
