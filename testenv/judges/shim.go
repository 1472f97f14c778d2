// SPDX-License-Identifier: Apache-2.0

package judges

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"maps"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Shim gives a suite that knows nothing of session tokens the way to a listener that
// demands one: it adds the token to each signed request. What was signed rightly is
// signed anew with the token among it, by the SDK of AWS; what was signed wrongly, or
// is malformed, comes to the gateway as wrong as it was.
type Shim struct {
	To    *url.URL
	Via   http.RoundTripper
	Creds aws.Credentials // with the token; without one nothing is added
}

// Handler is the shim as a server.
func (s *Shim) Handler() http.Handler {
	return &httputil.ReverseProxy{Transport: s.Via, Rewrite: func(p *httputil.ProxyRequest) {
		p.Out.URL.Scheme, p.Out.URL.Host = s.To.Scheme, s.To.Host
		p.Out.Host = p.In.Host // it is signed
		if _, ok := p.In.Header["User-Agent"]; !ok {
			p.Out.Header.Set("User-Agent", "")
		}
		switch {
		case s.Creds.SessionToken == "":
		case p.In.URL.Query().Has("X-Amz-Signature"):
			s.presigned(p)
		default:
			s.signed(p)
		}
	}}
}

var authorization = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=(.+)/(\d{8})/([^/,]+)/([^/,]+)/aws4_request, *SignedHeaders=([^,]+), *Signature=([0-9a-f]{64})$`)

// signed adds the token to a request that is signed in its header.
func (s *Shim) signed(p *httputil.ProxyRequest) {
	auth := p.In.Header.Get("Authorization")
	m := authorization.FindStringSubmatch(auth)
	if m == nil {
		return
	}
	token := s.Creds
	bare := s.Creds
	bare.SessionToken = ""
	p.Out.Header.Set("X-Amz-Security-Token", token.SessionToken)
	if right := s.sign(p.In, m, bare); m[1] == s.Creds.AccessKeyID && right == auth {
		now := s.sign(p.In, m, token)
		p.Out.Header.Set("Authorization", now)
		s.chunks(p, m, authorization.FindStringSubmatch(now)[6])
		return
	}
	names := append(strings.Split(m[5], ";"), "x-amz-security-token")
	slices.Sort(names)
	p.Out.Header.Set("Authorization", strings.Replace(auth, "SignedHeaders="+m[5], "SignedHeaders="+strings.Join(names, ";"), 1))
}

// sign is the Authorization header that the parts m of one belong to.
func (s *Shim) sign(in *http.Request, m []string, creds aws.Credentials) string {
	at, _ := time.Parse("20060102T150405Z", in.Header.Get("X-Amz-Date"))
	r := &http.Request{Method: in.Method, Host: in.Host, Header: http.Header{}, URL: s.asSent(in)}
	for name := range strings.SplitSeq(m[5], ";") {
		if name == "content-length" {
			r.ContentLength = in.ContentLength
		} else if v, ok := in.Header[http.CanonicalHeaderKey(name)]; ok {
			r.Header[http.CanonicalHeaderKey(name)] = slices.Clone(v)
		}
	}
	err := v4.NewSigner(raw).SignHTTP(in.Context(), creds, r, in.Header.Get("X-Amz-Content-Sha256"), m[4], m[3], at)
	if err != nil {
		return ""
	}
	return r.Header.Get("Authorization")
}

// raw is how S3 is signed: the path as it stands, not escaped once more.
func raw(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }

func (s *Shim) asSent(in *http.Request) *url.URL {
	path, query, _ := strings.Cut(in.RequestURI, "?")
	return &url.URL{Scheme: "http", Host: in.Host, Opaque: "//" + in.Host + path, Path: in.URL.Path, RawPath: path, RawQuery: query}
}

// presigned adds the token to a request that is signed in its query.
func (s *Shim) presigned(p *httputil.ProxyRequest) {
	q := p.In.URL.Query()
	scope := strings.Split(q.Get("X-Amz-Credential"), "/")
	if q.Has("X-Amz-Security-Token") {
		return // the test has one of its own
	}
	p.Out.URL.RawQuery += "&X-Amz-Security-Token=" + url.QueryEscape(s.Creds.SessionToken)
	at, err := time.Parse("20060102T150405Z", q.Get("X-Amz-Date"))
	if err != nil || len(scope) != 5 || scope[0] != s.Creds.AccessKeyID {
		return
	}
	bare := s.Creds
	bare.SessionToken = ""
	if was := s.presign(p.In, q, scope, at, bare); maps.EqualFunc(was, q, slices.Equal) {
		p.Out.URL.RawQuery = s.presign(p.In, q, scope, at, s.Creds).Encode()
	}
}

func (s *Shim) presign(in *http.Request, q url.Values, scope []string, at time.Time, creds aws.Credentials) url.Values {
	r := &http.Request{Method: in.Method, Host: in.Host, Header: http.Header{}, URL: s.asSent(in)}
	rest := url.Values{}
	for k, v := range q {
		if !slices.Contains([]string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Signature"}, k) {
			rest[k] = v
		}
	}
	r.URL.RawQuery = rest.Encode()
	for name := range strings.SplitSeq(q.Get("X-Amz-SignedHeaders"), ";") {
		if name == "content-length" {
			r.ContentLength = in.ContentLength
		} else if v, ok := in.Header[http.CanonicalHeaderKey(name)]; ok {
			r.Header[http.CanonicalHeaderKey(name)] = slices.Clone(v)
		}
	}
	payload := cmp.Or(q.Get("X-Amz-Content-Sha256"), in.Header.Get("X-Amz-Content-Sha256"), "UNSIGNED-PAYLOAD")
	signed, _, err := v4.NewSigner(raw).PresignHTTP(in.Context(), creds, r, payload, scope[3], scope[2], at)
	if err != nil {
		return nil
	}
	u, err := url.Parse(signed)
	if err != nil {
		return nil
	}
	return u.Query()
}

// chunks signs the chunks of a body anew, since their chain begins at the signature of
// the head. From the first fault of the framing on the body stays what it is.
func (s *Shim) chunks(p *httputil.ProxyRequest, m []string, seed string) {
	if !strings.HasPrefix(p.In.Header.Get("X-Amz-Content-Sha256"), "STREAMING-AWS4-HMAC-SHA256-PAYLOAD") {
		return
	}
	body, err := io.ReadAll(p.In.Body)
	if err != nil {
		p.Out.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), failing{err}))
		return
	}
	c := chain{at: p.In.Header.Get("X-Amz-Date"), scope: strings.Join(m[2:5], "/") + "/aws4_request", was: m[6], is: seed}
	key := []byte("AWS4" + s.Creds.SecretAccessKey)
	for part := range strings.SplitSeq(c.scope, "/") {
		key = mac(key, part)
	}
	c.key = key
	p.Out.Body = io.NopCloser(bytes.NewReader(c.resign(body)))
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// chain is the chain of a body's signatures, as it was and as it is with the token.
type chain struct {
	key       []byte
	at, scope string
	was, is   string
}

var (
	chunkHead = regexp.MustCompile(`^([0-9a-fA-F]{1,15});chunk-signature=([0-9a-f]{64})\r\n`)
	trailer   = regexp.MustCompile(`^(x-amz-checksum-[^\r\n]*?)\r?\nx-amz-trailer-signature:([0-9a-f]{64})`)
)

// emptySum stands in what a chunk signs.
const emptySum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// resign is the body with its right signatures made anew.
func (c *chain) resign(body []byte) []byte {
	var out []byte
	for {
		m := chunkHead.FindSubmatch(body)
		if m == nil {
			break
		}
		n, _ := strconv.ParseInt(string(m[1]), 16, 64)
		rest := body[len(m[0]):]
		if int64(len(rest)) < n+2 {
			break
		}
		sig := c.next("AWS4-HMAC-SHA256-PAYLOAD", string(m[2]), emptySum+"\n", rest[:n])
		out = append(append(out, m[1]...), ";chunk-signature="+sig+"\r\n"...)
		if n == 0 {
			body = rest
			break
		}
		out = append(out, rest[:n+2]...)
		body = rest[n+2:]
	}
	if m := trailer.FindSubmatchIndex(body); m != nil {
		sig := c.next("AWS4-HMAC-SHA256-TRAILER", string(body[m[4]:m[5]]), "", append(bytes.Clone(body[m[2]:m[3]]), '\n'))
		return append(append(append(out, body[:m[4]]...), sig...), body[m[5]:]...)
	}
	return append(out, body...)
}

// next is the signature that stands for one which was sent: a wrong one stays.
func (c *chain) next(what, sent, more string, data []byte) string {
	sum := sha256.Sum256(data)
	sign := func(before string) string {
		return hex.EncodeToString(mac(c.key, strings.Join([]string{what, c.at, c.scope, before, more + hex.EncodeToString(sum[:])}, "\n")))
	}
	right := sign(c.was)
	c.was, c.is = right, sign(c.is)
	if sent != right {
		return sent
	}
	return c.is
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
