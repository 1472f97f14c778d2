// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"slices"
	"strings"
)

// authFault makes the error of a request whose way of signing is not taken.
// On HEAD it is 403: some clients answer a 400 there by calling themselves
// again, unsigned and without end (S3.md, "Signatures").
func (r *request) authFault(code, message string) *Error {
	e := NewError(code, message)
	if r.method == head {
		e.Status = Codes["AccessDenied"].Status
	}
	return e
}

// checkSignature reads what the request is signed with. The client
// certificate says who asks, so a signature decides nothing here; but a client
// that signs in a way that is not understood must hear of it.
func (r *request) checkSignature() *Error {
	for k := range r.query {
		switch {
		case k == "Signature", k == "AWSAccessKeyId":
			return r.authFault("InvalidRequest", "signature version 2 is not supported; use signature_version='s3v4' (boto3: Config(signature_version='s3v4'))")
		case strings.HasPrefix(strings.ToLower(k), amzPrefix):
			return r.authFault("InvalidRequest", "presigned requests are not served on this listener: the client certificate says who asks; leave the X-Amz- query parameters out")
		}
	}
	if !r.header.has("authorization") {
		return nil
	}
	scheme, rest, _ := strings.Cut(r.header.get("authorization"), " ")
	switch {
	case scheme == "AWS":
		return r.authFault("InvalidRequest", "signature version 2 is not supported; use signature_version='s3v4' (AWS4-HMAC-SHA256)")
	case scheme != "AWS4-HMAC-SHA256":
		return r.authFault("InvalidRequest", "the authorization mechanism is not supported; use AWS4-HMAC-SHA256 or none: the client certificate says who asks")
	case !validAuthorization(rest):
		return r.authFault("AuthorizationHeaderMalformed", "")
	}
	return nil
}

// maxAuthorization bounds an Authorization header, in bytes.
const maxAuthorization = 4096

// validAuthorization checks what follows AWS4-HMAC-SHA256: each of
// Credential, SignedHeaders and Signature exactly once, and nothing else.
func validAuthorization(s string) bool {
	if len(s) > maxAuthorization {
		return false
	}
	checks := map[string]func(string) bool{
		"Credential": validCredential, "SignedHeaders": validSignedHeaders, "Signature": isSHA256Hex,
	}
	for part := range strings.SplitSeq(s, ",") {
		k, v, _ := strings.Cut(strings.Trim(part, " "), "=")
		check, ok := checks[k]
		if !ok || !check(v) {
			return false
		}
		delete(checks, k)
	}
	return len(checks) == 0
}

// validCredential reads ACCESSKEY/DATE/REGION/s3/aws4_request. The access key
// may hold slashes: the scope is counted from the end.
func validCredential(s string) bool {
	p := strings.Split(s, "/")
	n := len(p)
	if n < 5 {
		return false
	}
	date, region := p[n-4], p[n-3]
	return strings.Join(p[:n-4], "/") != "" && !strings.ContainsAny(s, " \t\"") &&
		len(date) == 8 && isDecimal(date) && region != "" && p[n-2] == "s3" && p[n-1] == "aws4_request"
}

// validSignedHeaders reads lower-case header names joined by semicolons; host
// is among them, or the signature would hold for any server.
func validSignedHeaders(s string) bool {
	names := strings.Split(s, ";")
	for _, n := range names {
		if n == "" || strings.Trim(n, "abcdefghijklmnopqrstuvwxyz0123456789-_.!#$%&'*+^`|~") != "" {
			return false
		}
	}
	return slices.Contains(names, "host")
}

func isSHA256Hex(s string) bool { return len(s) == 64 && isHex(s) }
