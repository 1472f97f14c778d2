// SPDX-License-Identifier: Apache-2.0

package doctor_test

import (
	"context"
	"encoding/pem"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/certs/certstest"
	"github.com/sealgate/sealgate/cmd/internal/cli"
	"github.com/sealgate/sealgate/cmd/internal/doctor"
)

// Who this is, as far as that is known.
func TestIdentity(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	now := time.Now()
	for _, tt := range []struct {
		name string
		o    certstest.Options
		err  error
		want string
	}{
		{"over", certstest.Options{NotBefore: now.Add(-3 * time.Hour), NotAfter: now.Add(-2*time.Hour - time.Minute)}, &certs.RejectError{Reason: certs.ReasonExpired}, "it expired 2h ago; fetch it again: "},
		{"not yet", certstest.Options{NotBefore: now.Add(10*time.Minute + 30*time.Second), NotAfter: now.Add(time.Hour)}, &certs.RejectError{Reason: certs.ReasonNotYetValid}, "the certificate starts in 10m: this machine's clock is behind; set the clock"},
		{"a reason with a hint", certstest.Options{}, cli.Fail(cli.Denied, errors.New("nobody of that name"), "ask the issuer"), "nobody of that name; ask the issuer"},
		{"a reason without", certstest.Options{}, errors.New("no such file"), "no such file; set SPIFFE_ENDPOINT_SOCKET "},
	} {
		c := w.config("", nil)
		leaf := w.ca.SVID(t, "/job", tt.o).Chain[0]
		w.file(t, "svid.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw})))
		c.CertFile = w.dir + "/svid.pem"
		c.Identity = func(context.Context) (*certs.Material, error) { return nil, tt.err }
		wants(t, tt.name, c, c.CertFile+": "+tt.want)
		c.CertFile = "" // the Workload API: there is no file to look into
		wants(t, tt.name+" without a file", c, "identity: ")
	}
}

// What the gateway says to this identity, and whether it is the gateway.
func TestGateway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	answer := func(status int, body string) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) {
			rw.WriteHeader(status)
			_, _ = rw.Write([]byte(body))
		}
	}
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		change func(*doctor.Config)
		want   string
	}{
		{"it knows nobody of that name", answer(403, `<Error><Code>AccessDenied</Code><Message>no role</Message></Error>`), nil, w.gateway + ": it refuses this identity: no role (AccessDenied); a role of the policy must name it: "},
		{"it is not well", answer(503, ``), nil, w.gateway + ": it answers 503 Service Unavailable: no S3 error came with it; "},
		{"it sends elsewhere", func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, "/x", http.StatusFound) }, nil, w.gateway + ": it answers 302 Found: "},
		{"it is somebody else", nil, func(c *doctor.Config) { c.GatewayID = certs.MustParseID("spiffe://acme.ai/other") }, w.gateway + ": the server there is not the gateway: "},
		{"it does not know our issuer", nil, func(c *doctor.Config) { w.foreign(t, c) }, w.gateway + ": the gateway does not take this certificate: "},
		{"it is no address", nil, func(c *doctor.Config) { c.Gateway = "https://a b" }, "https://a b: it is not the address of a gateway; write --endpoint "},
		{"an identity that is not whole", nil, func(c *doctor.Config) {
			c.Identity = func(context.Context) (*certs.Material, error) {
				return &certs.Material{ID: w.me.ID, Chain: w.me.Chain}, nil
			}
		}, "identity: "},
		{"it is away", nil, func(c *doctor.Config) { c.Gateway = "https://127.0.0.1:1" }, "https://127.0.0.1:1: connection refused; is the gateway up"},
	} {
		w.answer = tt.answer
		c := w.config("", nil)
		if tt.change != nil {
			tt.change(&c)
		}
		wants(t, tt.name, c, tt.want)
	}
}

// foreign makes an examination that of another trust domain's identity, which
// knows the gateway and is not known there.
func (w *world) foreign(t *testing.T, c *doctor.Config) {
	t.Helper()
	m := certstest.NewCA(t, "partner.example").SVID(t, "/job", certstest.Options{Federated: []*certs.Bundle{w.ca.Bundle()}})
	c.Identity = func(context.Context) (*certs.Material, error) { return m, nil }
	c.GatewayID = certs.MustParseID("spiffe://acme.ai/gateway")
}

// dated answers as a server whose clock is off.
func dated(by time.Duration) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Date", time.Now().Add(by).UTC().Format(http.TimeFormat))
	}
}

// Clocks are held against the gateway's, and against the agent's where there is
// no gateway; a wrong one is told once.
func TestClock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for by, want := range map[time.Duration]string{-10 * time.Minute: " ahead of ", 10 * time.Minute: " behind "} {
		w.answer = dated(by)
		for name, c := range map[string]doctor.Config{"gateway": w.config("", nil), "both": w.config("boto3", w.viaAgent())} {
			wantsClock(t, name, c, want+w.gateway+"; signatures fail above 15m")
		}
		c := w.config("boto3", w.viaAgent())
		c.Identity = func(context.Context) (*certs.Material, error) { return nil, errors.New("none") }
		wantsClock(t, "agent", c, want+w.agent+"; ")
	}
	w.answer = dated(20 * time.Second)
	wants(t, "a clock that is good enough", w.config("boto3", w.viaAgent()))
}

// wantsClock wants one finding about the clock, whatever the seconds.
func wantsClock(t *testing.T, name string, c doctor.Config, want string) {
	t.Helper()
	n := 0
	for _, f := range doctor.Run(t.Context(), c).Findings {
		if f.Where != "clock" {
			continue
		}
		if n++; !strings.Contains(f.String(), want) {
			t.Errorf("%s: %s, want %q", name, f, want)
		}
	}
	if n != 1 {
		t.Errorf("%s: %d findings about the clock, want one", name, n)
	}
}

// What the gateway says of one object.
func TestProbe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, tt := range []struct {
		status      int
		probe, want string
	}{
		{200, "models/a b%2F: readable, 7 bytes, ETag \"e\"", ""},
		{404, "models/a b%2F: not there; this identity may list where it would be", ""},
		{403, "models/a b%2F: denied: no_grant", "models/a b%2F: denied for spiffe://acme.ai/job: no_grant; ask: sealgate policy explain --request-id R1"},
		{500, "models/a b%2F: 500 Internal Server Error", "models/a b%2F: the gateway answers 500 Internal Server Error; look for request R1 in its log"},
	} {
		w.answer = func(rw http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodHead {
				return
			}
			if r.URL.Path != "/models/a b%2F" {
				t.Errorf("asked for %s", r.URL.Path)
			}
			rw.Header().Set("X-Amz-Request-Id", "R1")
			rw.Header().Set("X-Sealgate-Reason", "no_grant")
			rw.Header().Set("Content-Length", "7")
			rw.Header().Set("Etag", `"e"`)
			rw.WriteHeader(tt.status)
		}
		c := w.config("", nil)
		c.Probe = "models/a b%2F"
		var want []string
		if tt.want != "" {
			want = []string{tt.want}
		}
		if r := wants(t, tt.probe, c, want...); r.Probe != tt.probe {
			t.Errorf("got %s, want %s", r.Probe, tt.probe)
		}
	}
	for path, good := range map[string]bool{"": true, "a/b": true, "a/b/c": true, "a": false, "a/": false, "/b": false, "s3://a/b": false} {
		if doctor.CheckProbe(path) != good {
			t.Errorf("%q: %v", path, !good)
		}
	}
}
