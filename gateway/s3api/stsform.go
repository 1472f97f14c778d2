// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// readForm gives the parameters of a call and the digest of its body.
func (o *STSCall) readForm(body io.Reader) (query, string, *Error) {
	raw, err := io.ReadAll(io.LimitReader(body, MaxSTSBody+1))
	switch {
	case err != nil:
		return nil, "", NewSTSError("ValidationError", "the form of the call could not be read to its end").Cause(transport(err))
	case len(raw) > MaxSTSBody:
		return nil, "", NewSTSError("ValidationError", "the form of the call is longer than "+itoa(MaxSTSBody)+" bytes")
	}
	sum := sha256.Sum256(raw)
	digest := hex.EncodeToString(sum[:])
	if len(o.form) > 0 {
		if len(raw) > 0 {
			return nil, "", NewSTSError("ValidationError", "the parameters of a call stand in its query or in its body, not in both")
		}
		for _, name := range []string{"WebIdentityToken", "Policy"} {
			if o.form.has(name) {
				return nil, "", NewSTSError("ValidationError", name+" belongs in the body of the call: a URL is logged on its way")
			}
		}
		return o.form, digest, nil
	}
	if len(raw) > 0 && !o.typed {
		return nil, "", NewSTSError("ValidationError", "the body of a call must be application/x-www-form-urlencoded")
	}
	form, bad := parseQuery(string(raw))
	if bad != nil {
		return nil, "", NewSTSError("ValidationError", "the form of the call cannot be read: a parameter comes twice, or an escape is broken")
	}
	return form, digest, nil
}

// callParams are the parameters that each action reads, beside Action and
// Version. Another one is refused: it would narrow what is asked for, and must
// not seem to.
var callParams = map[string][]string{
	AssumeRoleWithWebIdentity: {"RoleArn", "RoleSessionName", "WebIdentityToken", "DurationSeconds", "Policy"},
	AssumeRoleWithCertificate: {"RoleArn", "RoleSessionName", "DurationSeconds", "Policy"},
	GetCallerIdentity:         {},
}

// stsVersion is the one version of the service.
const stsVersion = "2011-06-15"

// Bounds of a call's parameters, as AWS has them.
const (
	minDuration = 900   // seconds
	maxDuration = 43200 // seconds
	maxWebToken = 20000 // bytes
	maxPolicy   = 2048  // characters
	maxRoleARN  = 2048  // bytes
)

// readCall reads the parameters of a call.
func readCall(form query) (*STSRequest, *Error) {
	action := form["Action"]
	params, known := callParams[action]
	switch {
	case action == "":
		return nil, NewSTSError("MissingAction", "")
	case !known:
		return nil, NewSTSError("InvalidAction", "the action is not served; served are AssumeRoleWithWebIdentity, AssumeRoleWithCertificate and GetCallerIdentity")
	case form["Version"] != stsVersion:
		return nil, NewSTSError("InvalidAction", "the parameter Version must be "+stsVersion)
	}
	for _, name := range slices.Sorted(maps.Keys(form)) {
		if name != "Action" && name != "Version" && !slices.Contains(params, name) {
			return nil, NewSTSError("ValidationError", action+" has no parameter "+strconv.Quote(name)+" here")
		}
	}
	q := &STSRequest{Action: action, WebIdentityToken: Secret(form["WebIdentityToken"])}
	for _, read := range []func(query) *Error{q.readToken, q.readRole, q.readPolicy, q.readDuration} {
		if err := read(form); err != nil {
			return nil, err
		}
	}
	return q, nil
}

func (q *STSRequest) readToken(form query) *Error {
	token := form["WebIdentityToken"]
	switch {
	case q.Action != AssumeRoleWithWebIdentity:
		return nil
	case token == "":
		return NewSTSError("MissingParameter", "WebIdentityToken is missing")
	case len(token) < 4 || len(token) > maxWebToken || !isVisible(token):
		return NewSTSError("InvalidIdentityToken", "WebIdentityToken must be a JSON web token of at most "+itoa(maxWebToken)+" bytes")
	}
	return nil
}

func (q *STSRequest) readRole(form query) *Error {
	q.RoleARN, q.SessionName = form["RoleArn"], form["RoleSessionName"]
	switch {
	case len(q.RoleARN) > maxRoleARN || !isVisible(q.RoleARN):
		return NewSTSError("ValidationError", "RoleArn is not the name of a role: arn:sealgate:iam:::role/NAME")
	case q.SessionName != "" && !isSessionName(q.SessionName):
		return NewSTSError("ValidationError", "RoleSessionName must have 2 to 64 of the characters A-Z a-z 0-9 _ + = , . @ -")
	}
	return nil
}

func isSessionName(s string) bool {
	return len(s) >= 2 && len(s) <= 64 &&
		strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz0123456789_+=,.@-") == ""
}

func (q *STSRequest) readPolicy(form query) *Error {
	q.Policy = form["Policy"]
	if utf8.RuneCountInString(q.Policy) > maxPolicy {
		return NewSTSError("PackedPolicyTooLarge", "Policy has more than "+itoa(maxPolicy)+" characters")
	}
	return nil
}

func (q *STSRequest) readDuration(form query) *Error {
	text, sent := form["DurationSeconds"]
	if !sent {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || !isDecimal(text) || n < minDuration || n > maxDuration {
		return NewSTSError("ValidationError", "DurationSeconds must be a number from "+itoa(minDuration)+" to "+itoa(maxDuration))
	}
	q.Duration = time.Duration(n) * time.Second
	return nil
}
