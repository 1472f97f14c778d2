// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sealgate/sealgate/cmd/internal/cli"
	"github.com/sealgate/sealgate/cmd/internal/rundir"
	"github.com/sealgate/sealgate/gateway/s3api"
)

// way is how a client gets to the gateway.
type way uint8

const (
	wayUnknown  way = iota
	wayAgent        // plain HTTP on this machine, keys of the agent
	wayMTLS         // the gateway itself, with a client certificate
	waySessions     // the gateway itself, with session keys
)

// useAgent is what mends most things.
const useAgent = `eval "$(sealgate-agent env)", or sealgate-agent run -- CMD`

// checkEndpoint looks at where a client would go, and gives its way in.
func (l *look) checkEndpoint(ctx context.Context, c client, s settings) way {
	if !s.endpoint.given() {
		l.wrong(c.endpoint, "it is not set: "+c.name+" would talk to Amazon", useAgent)
		return wayUnknown
	}
	from := s.endpoint.from
	u, err := url.Parse(s.endpoint.value)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		l.wrong(from, "it is not an endpoint", "write http://127.0.0.1:9440 or https://HOST:PORT")
		return wayUnknown
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil:
		l.wrong(from, "it is more than an endpoint", "write "+u.Scheme+"://"+u.Host+"; the bucket is named in each request")
		return wayUnknown
	}
	l.checkProxy(u)
	if u.Scheme == "http" {
		return l.checkPlain(ctx, from, u)
	}
	return l.checkTLS(ctx, c, s, u)
}

// checkPlain: plain HTTP is for an agent of this machine.
func (l *look) checkPlain(ctx context.Context, from string, u *url.URL) way {
	if !loopback(u.Hostname()) {
		l.wrong(from, "plain HTTP to "+u.Host+": whoever is on the way reads what comes out of the gateway", useAgent)
		return wayUnknown
	}
	conn, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, "tcp", hostPort(u))
	if err != nil {
		l.wrong(from, "nobody answers at "+u.Host+": "+cli.RootCause(err).Error(), "start sealgate-agent serve; "+useAgent)
		return wayAgent
	}
	_ = conn.Close() // it was only to see
	l.right("%s: somebody answers at %s", from, u.Host)
	return wayAgent
}

func loopback(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.IsLoopback()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// checkTLS looks at a gateway's own listener: what it demands of a client, and
// whether the client would believe it.
func (l *look) checkTLS(ctx context.Context, c client, s settings, u *url.URL) way {
	seen, err := handshake(ctx, u)
	if err != nil {
		l.wrong(s.endpoint.from, "no TLS with "+u.Host+": "+cli.RootCause(err).Error(), "is the gateway up, and is this the right address?")
		return wayUnknown
	}
	l.checkTrust(c, s, u, seen)
	if !seen.wantsCertificate {
		return waySessions
	}
	if c.mtls == "" {
		l.wrong(s.endpoint.from, u.Host+" demands a client certificate, and "+c.name+" cannot show one", "put the agent in front: "+useAgent)
	}
	return wayMTLS
}

// server is what a handshake shows of a server.
type server struct {
	chain            []*x509.Certificate
	wantsCertificate bool
}

func handshake(ctx context.Context, u *url.URL) (server, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var s server
	d := tls.Dialer{Config: &tls.Config{
		MinVersion: tls.VersionTLS12, ServerName: u.Hostname(),
		// What is looked at here is whether a client would verify it; see checkTrust.
		InsecureSkipVerify: true, //nolint:gosec // nothing is sent
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			s.wantsCertificate = true
			return &tls.Certificate{}, nil
		},
	}}
	conn, err := d.DialContext(ctx, "tcp", hostPort(u))
	if err != nil {
		return s, err
	}
	defer conn.Close() //nolint:errcheck // it was only to see
	if t, ok := conn.(*tls.Conn); ok {
		s.chain = t.ConnectionState().PeerCertificates
	}
	return s, nil
}

// checkTrust verifies as the client would: with the roots it is told of, or
// the system's.
func (l *look) checkTrust(c client, s settings, u *url.URL, seen server) {
	o := x509.VerifyOptions{DNSName: u.Hostname(), Intermediates: x509.NewCertPool(), CurrentTime: time.Now()}
	from, fix := "the system's roots", "set "+c.ca+" to the trust bundle, such as the bundle.pem of sealgate certs fetch"
	if c.ca == "" {
		fix = c.name + " cannot be given a root; put the agent in front: " + useAgent
	}
	if s.ca.given() && c.ca != "" {
		text, err := os.ReadFile(s.ca.value)
		if err != nil {
			return // told by who looks at variables
		}
		from, o.Roots = s.ca.from+"="+s.ca.value, x509.NewCertPool()
		if !o.Roots.AppendCertsFromPEM(text) {
			l.wrong(s.ca.from, s.ca.value+" holds no certificate", "name the trust bundle (PEM)")
			return
		}
	}
	for _, intermediate := range seen.chain[min(1, len(seen.chain)):] {
		o.Intermediates.AddCert(intermediate)
	}
	if len(seen.chain) == 0 {
		return
	}
	if _, err := seen.chain[0].Verify(o); err != nil {
		if _, name := errors.AsType[x509.HostnameError](err); name {
			fix = "name the gateway as its certificate does: " + strings.Join(seen.chain[0].DNSNames, ", ")
		}
		l.wrong(s.endpoint.from, "the certificate of "+u.Host+" does not verify with "+from+": "+err.Error(), fix)
		return
	}
	l.right("the certificate of %s verifies with %s", u.Host, from)
}

// checkProxy: clients in Python and C send even the loopback through a proxy.
func (l *look) checkProxy(u *url.URL) {
	proxy := l.variable(u.Scheme+"_proxy", strings.ToUpper(u.Scheme)+"_PROXY", "all_proxy", "ALL_PROXY")
	if !proxy.given() {
		return
	}
	none := l.variable("no_proxy", "NO_PROXY")
	hosts := strings.FieldsFunc(none.value, func(c rune) bool { return c == ',' || c == ' ' })
	if !slices.Contains(hosts, u.Hostname()) && !slices.Contains(hosts, "*") {
		l.wrong(proxy.from, "requests to "+u.Host+" would go through a proxy, and the signature is for "+u.Host, "add "+u.Hostname()+" to NO_PROXY")
	}
}

// checkKeys looks at what requests would be signed with.
func (l *look) checkKeys(ctx context.Context, c client, s settings, w way) {
	switch {
	case s.accessKey.given() && !s.secret.given():
		l.wrong(s.accessKey.from, "an access key without its secret", "set the secret key too")
		return
	case !s.accessKey.given() && s.provider.given():
		l.right("%s: keys are fetched by %s", c.name, s.provider.from)
		return
	case !s.accessKey.given() && (w == wayAgent || w == waySessions):
		l.wrong(c.keys, "it is not set: "+c.name+" has nothing to sign with", useAgent)
		return
	case !s.accessKey.given() && w == wayMTLS && c.mtls != "" && c.signs:
		l.wrong(c.keys, "it is not set, and "+c.name+" refuses to send unsigned requests", "set it and the secret to any word: the certificate says who calls")
		return
	}
	key := s.accessKey.value
	switch w {
	case wayAgent:
		l.checkAgentKeys(ctx, s)
	case waySessions:
		switch {
		case strings.HasPrefix(key, "SGAG"):
			l.wrong(s.accessKey.from, "the key is an agent's, and the endpoint is the gateway", "set the endpoint to the agent: "+useAgent)
		case !strings.HasPrefix(key, "SGSA"):
			l.wrong(s.accessKey.from, "the key is not one that Sealgate made", "use credential_process = sealgate-agent credentials, or "+useAgent)
		case !s.token.given():
			l.wrong("AWS_SESSION_TOKEN", "it is not set, and session keys mean nothing without it", "set all three that sealgate-agent credentials printed")
		}
	case wayMTLS, wayUnknown:
	}
}

// checkAgentKeys holds the keys against the agent that runs here, and asks it.
func (l *look) checkAgentKeys(ctx context.Context, s settings) {
	key := s.accessKey.value
	if key == "" {
		return
	}
	if !strings.HasPrefix(key, "SGAG") {
		l.wrong(s.accessKey.from, "the key is not an agent's; the agent refuses others", useAgent)
		return
	}
	file, err := readINI(rundir.Path(l.Getenv) + "/" + rundir.Credentials)
	if now := file["default"]["aws_access_key_id"]; err == nil && now != "" && now != key && l.Getenv("AWS_ENDPOINT_URL") == readEndpoint(l) {
		l.wrong(s.accessKey.from, "the key is of an earlier start of the agent", `eval "$(sealgate-agent env)" again`)
		return
	}
	resp, err := l.ask(ctx, http.MethodGet, s, "/")
	if err != nil {
		return // told by who looked at the endpoint
	}
	defer resp.Body.Close() //nolint:errcheck // read side
	l.checkClock(s.endpoint.value, resp)
	if resp.StatusCode >= http.StatusBadRequest {
		l.wrong(s.endpoint.value, "it answers "+resp.Status+": "+readError(resp), "sealgate-agent status shows more")
		return
	}
	l.right("%s takes the keys", s.endpoint.value)
}

// readEndpoint gives the endpoint of the agent that runs here, "" without one.
func readEndpoint(l *look) string {
	file, err := readINI(rundir.Path(l.Getenv) + "/" + rundir.Config)
	if err != nil {
		return ""
	}
	return file["default"]["endpoint_url"]
}

// ask sends a request as the client would: to its endpoint, with its keys.
func (l *look) ask(ctx context.Context, method string, s settings, target string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.endpoint.value, nil)
	if err != nil {
		return nil, err
	}
	req.URL.Path = target
	keys := s3api.Credentials{AccessKey: s.accessKey.value, Secret: s3api.Secret(s.secret.value), Token: s3api.Secret(s.token.value)}
	const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" // SHA-256 of nothing
	if err := s3api.SignHeader(req, keys, "us-east-1", empty, time.Now()); err != nil {
		return nil, err
	}
	return plainClient(&http.Transport{DisableKeepAlives: true}).Do(req)
}

// describe names an S3 error in one line.
func describe(code, message string) string {
	if code == "" {
		return message
	}
	return fmt.Sprintf("%s (%s)", message, code)
}
