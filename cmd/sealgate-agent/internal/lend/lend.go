// SPDX-License-Identifier: Apache-2.0

// Package lend turns the agent's identity into session keys, for AWS SDKs that
// speak to the gateway's session-key listener themselves: once on request, and
// as an endpoint for container credentials (AGENT.md, "Container
// credentials").
package lend

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/gateway/s3api"
)

// Narrowing cuts down what a session may do. The zero value is all that the
// identity may do.
type Narrowing struct {
	Role  string // one role of the policy; "" is all
	Scope string // BUCKET/, BUCKET/PREFIX/ or BUCKET/KEY; "" is everything
}

// Session is what the gateway lends.
type Session struct {
	s3api.Credentials
	Expires time.Time
}

// Error is a refusal of the gateway.
type Error struct {
	Status  int
	Code    string // of AWS STS
	Message string
}

// Error says what the gateway said.
func (e *Error) Error() string { return e.Message + " (" + e.Code + ")" }

// Lender asks a gateway for sessions.
type Lender struct {
	source  certs.Source
	gateway certs.ID
	url     string
}

// New gives a lender of source's identity. gateway is https://HOST:PORT of the
// mTLS listener, id whom it must prove to be; zero is /gateway of the own trust
// domain.
func New(source certs.Source, gateway string, id certs.ID) *Lender {
	return &Lender{source: source, gateway: id, url: gateway + "/"}
}

const (
	callTimeout = 20 * time.Second
	maxAnswer   = 64 << 10 // bytes
	longest     = time.Hour
)

var roleForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)

// Check tells what is wrong with a narrowing.
func (n Narrowing) Check() error {
	if n.Role != "" && !roleForm.MatchString(n.Role) {
		return fmt.Errorf("%q is not the name of a role", n.Role)
	}
	bucket, _, ok := strings.Cut(n.Scope, "/")
	if n.Scope != "" && (!ok || bucket == "" || strings.ContainsAny(n.Scope, "*?") || strings.Contains(n.Scope, "${")) {
		return fmt.Errorf("%q is not a scope; write BUCKET/, BUCKET/PREFIX/ or BUCKET/KEY", n.Scope)
	}
	return nil
}

// form is the call as AWS STS takes it.
func (n Narrowing) form() (url.Values, error) {
	v := url.Values{
		"Action": {s3api.AssumeRoleWithCertificate}, "Version": {"2011-06-15"}, "DurationSeconds": {strconv.Itoa(int(longest / time.Second))},
		"RoleSessionName": {"sealgate-agent"},
	}
	if n.Role != "" {
		v.Set("RoleArn", "arn:sealgate:iam:::role/"+n.Role)
	}
	if n.Scope == "" {
		return v, nil
	}
	resource := "arn:aws:s3:::" + n.Scope
	if strings.HasSuffix(resource, "/") {
		resource += "*"
	}
	policy, err := json.Marshal(map[string]any{
		"Version":   "2012-10-17",
		"Statement": []any{map[string]string{"Effect": "Allow", "Action": "s3:*", "Resource": resource}},
	})
	v.Set("Policy", string(policy))
	return v, err
}

// Session asks for a session now. The error is an *Error where the gateway
// answered.
func (l *Lender) Session(ctx context.Context, n Narrowing) (Session, error) {
	if err := n.Check(); err != nil {
		return Session{}, err
	}
	form, err := n.form()
	if err != nil {
		return Session{}, err
	}
	m, err := l.source.Current()
	if err != nil {
		return Session{}, err
	}
	id := l.gateway
	if id.IsZero() {
		if id, err = m.ID.TrustDomain().Join("/gateway"); err != nil {
			return Session{}, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.url, strings.NewReader(form.Encode()))
	if err != nil {
		return Session{}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	// One connection a call: calls are rare, and the next is to show the next SVID.
	t := &http.Transport{
		TLSClientConfig: certs.ClientTLS(l.source, id), DisableKeepAlives: true, DisableCompression: true,
		DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
	}
	resp, err := t.RoundTrip(req) // follows no redirect, reads no proxy variable
	if err != nil {
		return Session{}, err
	}
	defer resp.Body.Close() //nolint:errcheck // read side
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return Session{}, fmt.Errorf("reading the gateway's answer: %w", err)
	}
	return readAnswer(resp, body)
}

// readAnswer reads what AWS STS would answer. Nothing of it is in an error but
// the gateway's own message.
func readAnswer(resp *http.Response, body []byte) (Session, error) {
	if resp.StatusCode != http.StatusOK {
		return Session{}, readError(resp, body)
	}
	var a struct {
		Credentials struct {
			AccessKey  string `xml:"AccessKeyId"`
			Secret     string `xml:"SecretAccessKey"`
			Token      string `xml:"SessionToken"`
			Expiration time.Time
		} `xml:"AssumeRoleWithCertificateResult>Credentials"`
	}
	if err := xml.Unmarshal(body, &a); err != nil {
		return Session{}, errors.New("reading the gateway's answer: it is not that of a token service")
	}
	c := a.Credentials
	if c.AccessKey == "" || c.Secret == "" || c.Token == "" || c.Expiration.IsZero() {
		return Session{}, errors.New("reading the gateway's answer: a part of the session is missing")
	}
	return Session{s3api.Credentials{AccessKey: c.AccessKey, Secret: s3api.Secret(c.Secret), Token: s3api.Secret(c.Token)}, c.Expiration}, nil
}

// readError reads an error of the token service or of S3.
func readError(resp *http.Response, body []byte) error {
	var e struct {
		Code    string `xml:"Error>Code"`
		Message string `xml:"Error>Message"`
	}
	var plain struct{ Code, Message string }
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if bytes.Contains(body, []byte("<ErrorResponse")) && xml.Unmarshal(body, &e) == nil && e.Message != "" {
		return &Error{resp.StatusCode, e.Code, e.Message}
	}
	if xml.Unmarshal(body, &plain) == nil && plain.Message != "" {
		return &Error{resp.StatusCode, plain.Code, plain.Message}
	}
	return &Error{resp.StatusCode, "", "the gateway answered " + resp.Status + " " + kind}
}
