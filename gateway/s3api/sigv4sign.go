// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// SignHeader signs a request that a client is about to send: it sets
// x-amz-date, x-amz-content-sha256, x-amz-security-token and Authorization.
// payload is the SHA-256 of the body in hex or UNSIGNED-PAYLOAD. Signed are
// host, content-type and every x-amz-* header.
func SignHeader(r *http.Request, c Credentials, region, payload string, now time.Time) error {
	s := claim(c, region, now)
	h := r.Header
	h.Set("X-Amz-Date", now.UTC().Format(sigTime))
	h.Set("X-Amz-Content-Sha256", payload)
	if h.Del("X-Amz-Security-Token"); c.Token != "" {
		h.Set("X-Amz-Security-Token", string(c.Token))
	}
	m, q, err := outgoing(r.Method, r.URL, h)
	if err != nil {
		return err
	}
	if r.Host != "" {
		m.host = r.Host
	}
	s.headers = toSign(h)
	sig := s.sign(s.signingKey([]byte(c.Secret)), m.canonical(q, s.headers, payload))
	h.Set("Authorization", sigAlgorithm+" Credential="+c.AccessKey+"/"+s.scope()+
		", SignedHeaders="+strings.Join(s.headers, ";")+", Signature="+hex.EncodeToString(sig[:]))
	return nil
}

// Presign gives the URL of a request that holds for that long from now on. h
// are the headers that whoever uses it must send, all of them signed.
func Presign(method string, u *url.URL, h http.Header, c Credentials, region string, now time.Time, expires time.Duration) (*url.URL, error) {
	if expires < time.Second || expires > MaxPresign {
		return nil, fmt.Errorf("presigning %s: it may hold from 1s to %s, not %s", method, MaxPresign, expires)
	}
	s := claim(c, region, now)
	m, q, err := outgoing(method, u, h)
	if err != nil {
		return nil, err
	}
	s.headers = toSign(h)
	q["X-Amz-Algorithm"] = sigAlgorithm
	q["X-Amz-Credential"] = c.AccessKey + "/" + s.scope()
	q["X-Amz-Date"] = now.UTC().Format(sigTime)
	q["X-Amz-Expires"] = strconv.FormatInt(int64(expires/time.Second), 10)
	q["X-Amz-SignedHeaders"] = strings.Join(s.headers, ";")
	if c.Token != "" {
		q["X-Amz-Security-Token"] = string(c.Token)
	}
	payload := unsignedPayload
	if v := h.Get("X-Amz-Content-Sha256"); v != "" {
		payload = v
	}
	sig := s.sign(s.signingKey([]byte(c.Secret)), m.canonical(q, s.headers, payload))
	out := *u
	out.RawQuery = canonicalQuery(q) + "&X-Amz-Signature=" + hex.EncodeToString(sig[:])
	return &out, nil
}

func claim(c Credentials, region string, now time.Time) *Signed {
	return &Signed{AccessKey: c.AccessKey, Date: now.UTC().Format(sigDate), Region: region, Service: "s3", Time: now}
}

// outgoing takes a request that net/http's client will send.
func outgoing(method string, u *url.URL, h http.Header) (message, query, error) {
	q, err := parseQuery(u.RawQuery)
	if err != nil {
		return message{}, nil, fmt.Errorf("signing a request: %w", err)
	}
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	return message{method: method, path: path, host: u.Host, header: h, length: -1}, q, nil
}

// toSign names the headers that are signed.
func toSign(h http.Header) []string {
	names := []string{"host"}
	for name := range maps.Keys(h) {
		if low := strings.ToLower(name); low == "content-type" || low == "content-md5" || low == "range" ||
			strings.HasPrefix(low, "if-") || strings.HasPrefix(low, amzPrefix) {
			names = append(names, low)
		}
	}
	slices.Sort(names)
	return names
}
