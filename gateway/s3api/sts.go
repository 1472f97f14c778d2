// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
)

// The actions of the token service that are served (S3.md, "STS").
const (
	AssumeRoleWithWebIdentity = "AssumeRoleWithWebIdentity"
	AssumeRoleWithCertificate = "AssumeRoleWithCertificate"
	GetCallerIdentity         = "GetCallerIdentity"
)

// STSCall is a call of the token service: POST / with a form. Which action it
// is, is known once Read has its body.
type STSCall struct {
	form  query // parameters in the query; empty when they are in the body
	typed bool  // the body is a form
}

// STSRequest is what a call of the token service asks for.
type STSRequest struct {
	Action           string        // one of the three
	RoleARN          string        // "" when not sent
	SessionName      string        // "" when not sent
	WebIdentityToken Secret        // AssumeRoleWithWebIdentity alone
	Policy           string        // "" when not sent
	Duration         time.Duration // 0 when not sent

	digest string // SHA-256 of the body, in hex: what a signature covers
}

// MaxSTSBody bounds the form of a call, in bytes.
const MaxSTSBody = 20 << 10

// stsService is the name that a call has before its body was read.
const stsService = "STS"

// Action implements Op: the name of the service, since the action itself may
// stand in the body.
func (*STSCall) Action() string { return stsService }

// Resource implements Op: the service.
func (*STSCall) Resource() Resource { return Resource{} }

func (*STSCall) sealed() {}

// IsSTS reports whether a request is a call of the token service, understood or
// not: its errors are WriteSTSError's.
func IsSTS(r *http.Request, o Options) bool {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	named, err := hostBucket(r.Host, o.Domain)
	return err == nil && named == "" && r.Method == post && path == "/"
}

// isSTS reports the same of a request that was read.
func (r *request) isSTS() bool { return r.method == post && r.level() == service }

// parseSTS reads the head of a call.
func (r *request) parseSTS() (Op, error) {
	if err := r.checkSignature(route{name: stsService}); err != nil {
		return &Refused{Name: stsService}, err
	}
	kind, _, err := mime.ParseMediaType(r.header.get("content-type"))
	return &STSCall{form: r.query, typed: err == nil && kind == "application/x-www-form-urlencoded"}, nil
}

// Read reads the call to its end. The error is an *Error with a code of
// STSCodes; it shows no value of the call.
func (o *STSCall) Read(body io.Reader) (*STSRequest, error) {
	form, digest, err := o.readForm(body)
	if err != nil {
		return nil, err
	}
	q, err := readCall(form)
	if err != nil {
		return nil, err
	}
	q.digest = digest
	return q, nil
}
