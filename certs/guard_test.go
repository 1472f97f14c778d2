// SPDX-License-Identifier: Apache-2.0

package certs_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/certs/certstest"
)

type fixture struct {
	ca      *certstest.CA
	self    *certs.Snapshot
	denials *certs.Denials
	guard   *certs.Guard
}

func newFixture(tb testing.TB, o certstest.Options) *fixture {
	tb.Helper()
	ca := certstest.NewCA(tb, "acme.ai")
	f := &fixture{ca: ca, self: ca.Source(tb, gatewayPath, certstest.Options{}), denials: certs.NewDenials()}
	guard, err := certs.NewGuard(certs.ServerConfig{Source: f.self, Denials: f.denials}, state(ca.SVID(tb, "/ns/a/train", o)))
	if err != nil {
		tb.Fatal(err)
	}
	f.guard = guard
	return f
}

func state(m *certs.Material) tls.ConnectionState {
	return tls.ConnectionState{PeerCertificates: m.Chain}
}

func TestGuardExpiry(t *testing.T) {
	t.Parallel()
	f := newFixture(t, certstest.Options{})
	end := f.guard.Peer().NotAfter
	if err := f.guard.Recheck(end.Add(-time.Second)); err != nil {
		t.Errorf("a second before the end: %v", err)
	}
	for _, after := range []time.Duration{0, time.Second, 24 * time.Hour} {
		if err := f.guard.Recheck(end.Add(after)); !errors.Is(err, certs.ErrExpired) {
			t.Errorf("%s after the end: %v; want ErrExpired", after, err)
		}
	}
}

// Whoever lets a running transfer end after expiry must still hear of the rest.
func TestGuardTellsDenialBeforeExpiry(t *testing.T) {
	t.Parallel()
	f := newFixture(t, certstest.Options{})
	late := f.guard.Peer().NotAfter.Add(time.Minute)
	if err := f.self.Publish(f.ca.SVID(t, gatewayPath, certstest.Options{})); err != nil {
		t.Fatal(err)
	}
	if err := f.guard.Recheck(late); !errors.Is(err, certs.ErrExpired) {
		t.Errorf("got %v, want ErrExpired", err)
	}
	replacement := certstest.NewCA(t, "acme.ai")
	if err := f.self.Publish(replacement.SVID(t, gatewayPath, certstest.Options{})); err != nil {
		t.Fatal(err)
	}
	if err := f.guard.Recheck(late); certs.ReasonOf(err) != certs.ReasonUntrusted {
		t.Errorf("authority replaced: %v; want %s", err, certs.ReasonUntrusted)
	}
	if err := f.denials.Deny(certs.Rule{Kind: certs.DenyID, ID: f.guard.Peer().ID}); err != nil {
		t.Fatal(err)
	}
	if err := f.guard.Recheck(late); !errors.Is(err, certs.ErrDenied) {
		t.Errorf("denied: %v; want ErrDenied", err)
	}
}

func TestGuardFollowsDenials(t *testing.T) {
	t.Parallel()
	f := newFixture(t, certstest.Options{})
	rule := certs.Rule{Kind: certs.DenyID, ID: f.guard.Peer().ID}
	if err := f.denials.Deny(rule); err != nil {
		t.Fatal(err)
	}
	err := f.guard.Recheck(time.Now())
	reject, ok := errors.AsType[*certs.RejectError](err)
	if !ok || reject.Reason != certs.ReasonDenied || reject.Rule != rule {
		t.Errorf("got %v, want the denial with its rule", err)
	}
	if !f.denials.Allow(rule) {
		t.Error("there was nothing to lift")
	}
	if err := f.guard.Recheck(time.Now()); err != nil {
		t.Errorf("after the denial was lifted: %v", err)
	}
}

// A rotation of our own certificate, or new roots beside the old, costs nobody
// the connection.
func TestGuardSurvivesRotation(t *testing.T) {
	t.Parallel()
	f := newFixture(t, certstest.Options{})
	next := certstest.NewCA(t, "acme.ai")
	both := &certs.Bundle{TrustDomain: f.ca.TrustDomain, X509: []*x509.Certificate{f.ca.Root, next.Root}}
	for name, m := range map[string]*certs.Material{
		"new certificate": f.ca.SVID(t, gatewayPath, certstest.Options{}),
		"second root":     certstest.WithBundles(f.ca.SVID(t, gatewayPath, certstest.Options{}), both),
		"new issuer":      certstest.WithBundles(next.SVID(t, gatewayPath, certstest.Options{}), both),
	} {
		if err := f.self.Publish(m); err != nil {
			t.Fatal(err)
		}
		if err := f.guard.Recheck(time.Now()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGuardRefusesOwnID(t *testing.T) {
	t.Parallel()
	f := newFixture(t, certstest.Options{})
	if err := f.self.Publish(f.ca.SVID(t, "/ns/a/train", certstest.Options{})); err != nil {
		t.Fatal(err)
	}
	if got := certs.ReasonOf(f.guard.Recheck(time.Now())); got != certs.ReasonOwnID {
		t.Errorf("reason %q, want %q", got, certs.ReasonOwnID)
	}
}

func TestNewGuardVerifies(t *testing.T) {
	t.Parallel()
	ca := certstest.NewCA(t, "acme.ai")
	conf := certs.ServerConfig{Source: ca.Source(t, gatewayPath, certstest.Options{})}
	for _, odd := range ca.Odd(t, ca.ID(t, gatewayPath)) {
		if g, err := certs.NewGuard(conf, state(odd.Material)); certs.ReasonOf(err) != odd.Want || g != nil {
			t.Errorf("%s: %v; want %s", odd.Name, err, odd.Want)
		}
	}
	if _, err := certs.NewGuard(conf, tls.ConnectionState{}); certs.ReasonOf(err) != certs.ReasonNoCertificate {
		t.Errorf("no certificate: %v", err)
	}
}

// Requests and the sweeper call Recheck at once while all changes below them.
func TestGuardConcurrently(t *testing.T) {
	t.Parallel()
	f := newFixture(t, certstest.Options{})
	other := certs.Rule{Kind: certs.DenyID, ID: certs.MustParseID("spiffe://acme.ai/other")}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 500 {
				if err := f.guard.Recheck(time.Now()); err != nil {
					t.Errorf("recheck: %v", err)
					return
				}
			}
		})
	}
	for range 50 {
		if err := errors.Join(f.self.Publish(f.ca.SVID(t, gatewayPath, certstest.Options{})), f.denials.Deny(other)); err != nil {
			t.Error(err)
		}
		f.denials.Allow(other)
	}
	wg.Wait()
}

func TestRecheckAllocatesNothing(t *testing.T) {
	f := newFixture(t, certstest.Options{})
	late := f.guard.Peer().NotAfter.Add(time.Hour)
	if n := testing.AllocsPerRun(100, func() { _ = f.guard.Recheck(time.Now()) }); n != 0 {
		t.Errorf("%v allocations for a peer that is believed", n)
	}
	if n := testing.AllocsPerRun(100, func() { _ = f.guard.Recheck(late) }); n != 0 {
		t.Errorf("%v allocations for an expired peer", n)
	}
}

func BenchmarkRecheck(b *testing.B) {
	f := newFixture(b, certstest.Options{})
	b.ReportAllocs()
	for b.Loop() {
		if err := f.guard.Recheck(time.Now()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	ca := certstest.NewCA(b, "acme.ai")
	conf := certs.ServerConfig{Source: ca.Source(b, gatewayPath, certstest.Options{})}
	chain := ca.SVID(b, "/ns/a/train", certstest.Options{}).Chain
	b.ReportAllocs()
	for b.Loop() {
		if _, err := certs.Verify(conf, chain, time.Now()); err != nil {
			b.Fatal(err)
		}
	}
}
