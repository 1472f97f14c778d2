// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/cmd/internal/cli"
)

// maxSkew is how far a clock may be off before somebody should look: signatures
// fail at 15 minutes, certificates of the minute before that.
const maxSkew = 30 * time.Second

// checkIdentity asks who this is.
func (l *look) checkIdentity(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	where := l.CertFile
	if where == "" {
		where = "identity"
	}
	m, err := l.Identity(ctx)
	if err == nil {
		l.material = m
		l.right("identity %s, expires in %s", m.ID, until(m.NotAfter))
		return
	}
	reject, _ := errors.AsType[*certs.RejectError](err)
	switch {
	case reject != nil && reject.Reason == certs.ReasonExpired:
		what := "the certificate has expired"
		if leaf := l.leaf(); leaf != nil {
			what = fmt.Sprintf("it expired %s ago", since(leaf.NotAfter))
		}
		l.wrong(where, what, "fetch it again: sealgate certs fetch --out DIR, or put sealgate-agent in front")
	case reject != nil && reject.Reason == certs.ReasonNotYetValid:
		what := "the certificate is not valid yet"
		if leaf := l.leaf(); leaf != nil {
			what = fmt.Sprintf("the certificate starts in %s: this machine's clock is behind", until(leaf.NotBefore))
		}
		l.wrong(where, what, "set the clock (chrony?)")
	default:
		text, hint := err.Error(), "set SPIFFE_ENDPOINT_SOCKET to the Workload API, or give --cert, --key and --bundle"
		if e, ok := errors.AsType[*cli.Error](err); ok {
			text = e.Err.Error()
			if e.Hint != "" {
				hint = e.Hint
			}
		}
		l.wrong(where, text, hint)
	}
}

// leaf reads the certificate that this process would show, nil when it cannot.
func (l *look) leaf() *x509.Certificate {
	text, err := os.ReadFile(l.CertFile)
	if err != nil {
		return nil
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil
		}
		return cert
	}
	return nil
}

// gatewayClient is an HTTP client that proves this identity and demands the
// gateway's.
func (l *look) gatewayClient() (*http.Client, error) {
	source, err := certs.Static(l.material)
	if err != nil {
		return nil, err
	}
	id := l.GatewayID
	if id.IsZero() {
		if id, err = l.material.ID.TrustDomain().Join("/gateway"); err != nil {
			return nil, err
		}
	}
	return plainClient(&http.Transport{TLSClientConfig: certs.ClientTLS(source, id), DisableKeepAlives: true}), nil
}

// plainClient follows no redirect and reads no proxy variable.
func plainClient(t *http.Transport) *http.Client {
	t.DialContext = (&net.Dialer{Timeout: patience}).DialContext
	return &http.Client{
		Transport: t, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// checkGateway asks the gateway for the list of buckets, as this identity.
func (l *look) checkGateway(ctx context.Context) {
	if l.material == nil {
		return
	}
	c, err := l.gatewayClient()
	if err != nil {
		l.wrong("identity", err.Error(), "fetch it again")
		return
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.Gateway+"/", nil)
	if err != nil {
		l.wrong(l.Gateway, "it is not the address of a gateway", "write --endpoint https://HOST:PORT")
		return
	}
	resp, err := c.Do(req)
	if err != nil {
		what, fix := gatewayFault(err)
		l.wrong(l.Gateway, what, fix)
		return
	}
	defer resp.Body.Close() //nolint:errcheck // read side
	l.checkClock(l.Gateway, resp)
	switch e := readError(resp); {
	case resp.StatusCode < http.StatusMultipleChoices:
		l.right("gateway %s answers this identity", l.Gateway)
	case resp.StatusCode == http.StatusForbidden:
		l.wrong(l.Gateway, "it refuses this identity: "+e, "a role of the policy must name it: sealgate policy explain "+l.material.ID.String()+" list BUCKET/")
	default:
		l.wrong(l.Gateway, "it answers "+resp.Status+": "+e, "look at the gateway: curl its /readyz")
	}
}

// gatewayFault says why there was no answer, and what to do.
func gatewayFault(err error) (what, fix string) {
	if r, ok := errors.AsType[*certs.RejectError](err); ok {
		return "the server there is not the gateway: " + r.Error(), "check --endpoint, --bundle and --gateway-id"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" { // a TLS alert
		return "the gateway does not take this certificate: " + op.Err.Error(), "has it expired, or is it of another trust domain? sealgate certs fetch --out DIR"
	}
	if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() {
		return "it does not answer", "is the gateway up, and is this the right address?"
	}
	return cli.RootCause(err).Error(), "is the gateway up, and is this the right address?"
}

// checkClock holds our clock against a server's.
func (l *look) checkClock(where string, resp *http.Response) {
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil || l.skewed {
		return
	}
	skew := time.Since(date).Round(time.Second)
	if skew.Abs() <= maxSkew {
		return
	}
	l.skewed = true
	word := "ahead of"
	if skew < 0 {
		word = "behind"
	}
	l.wrong("clock", fmt.Sprintf("this machine is %s %s %s; signatures fail above 15m", skew.Abs(), word, where), "set the clock (chrony?)")
}

// until prints how long until t.
func until(t time.Time) string { return roughly(time.Until(t)) }

// since prints how long ago t was.
func since(t time.Time) string { return roughly(time.Since(t)) }

func roughly(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	}
	return fmt.Sprintf("%dh", int(d.Hours()))
}
