// SPDX-License-Identifier: Apache-2.0

package certs_test

import (
	"crypto/tls"
	"errors"
	"testing"
	"time"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/certs/certstest"
)

// revocation is one way to take a client's access away, and the reason that it
// hears of afterwards.
type revocation struct {
	name   string
	revoke func(t *testing.T, self *certs.Snapshot, d *certs.Denials, peer certs.Peer)
	want   certs.Reason
}

func deny(rule func(certs.Peer) certs.Rule) func(*testing.T, *certs.Snapshot, *certs.Denials, certs.Peer) {
	return func(t *testing.T, _ *certs.Snapshot, d *certs.Denials, p certs.Peer) {
		t.Helper()
		if err := d.Deny(rule(p)); err != nil {
			t.Fatal(err)
		}
	}
}

// rebundle puts other bundles beside the gateway's own acme.ai.
func rebundle(bundles ...*certs.Bundle) func(*testing.T, *certs.Snapshot, *certs.Denials, certs.Peer) {
	return func(t *testing.T, self *certs.Snapshot, _ *certs.Denials, _ certs.Peer) {
		t.Helper()
		m, err := self.Current()
		if err != nil {
			t.Fatal(err)
		}
		own := m.Bundles[m.ID.TrustDomain()]
		if err := self.Publish(certstest.WithBundles(m, append(bundles, own)...)); err != nil {
			t.Fatal(err)
		}
	}
}

func revocations(t *testing.T) []revocation {
	t.Helper()
	parent := certs.MustParseID("spiffe://partner.example/ns")
	emptied := &certs.Bundle{TrustDomain: certs.MustParseTrustDomain("partner.example")}
	return []revocation{
		{"its ID is denied", deny(func(p certs.Peer) certs.Rule { return certs.Rule{Kind: certs.DenyID, ID: p.ID} }), certs.ReasonDenied},
		{"a prefix is denied", deny(func(certs.Peer) certs.Rule { return certs.Rule{Kind: certs.DenyPrefix, ID: parent} }), certs.ReasonDenied},
		{"its trust domain is denied", deny(func(p certs.Peer) certs.Rule {
			return certs.Rule{Kind: certs.DenyTrustDomain, TrustDomain: p.ID.TrustDomain()}
		}), certs.ReasonDenied},
		{"its serial is denied", deny(func(p certs.Peer) certs.Rule {
			return certs.Rule{Kind: certs.DenySerial, IssuerSKI: p.IssuerSKI, Serial: p.Serial}
		}), certs.ReasonDenied},
		{"its key is denied", deny(func(p certs.Peer) certs.Rule { return certs.Rule{Kind: certs.DenySPKI, SPKI: p.SPKI} }), certs.ReasonDenied},
		{"its old certificates are denied", deny(func(p certs.Peer) certs.Rule {
			return certs.Rule{Kind: certs.DenyIssuedBefore, ID: p.ID, Before: p.NotBefore.Add(time.Second)}
		}), certs.ReasonDenied},
		{"its bundle is removed", rebundle(), certs.ReasonUnknownTrustDomain},
		{"its bundle is emptied", rebundle(emptied), certs.ReasonUntrusted},
		{"its authority is replaced", rebundle(certstest.NewCA(t, "partner.example").Bundle()), certs.ReasonUntrusted},
		{"the gateway loses its identity", func(_ *testing.T, self *certs.Snapshot, _ *certs.Denials, _ certs.Peer) {
			self.Withdraw(errors.New("the entry is gone"))
		}, certs.ReasonNotReady},
	}
}

// A client that was in must be out at once by every door: on its open connection,
// on a new one, and on one that tries to resume its TLS session.
func TestRevokedClientIsOut(t *testing.T) {
	t.Parallel()
	for _, tt := range revocations(t) {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			acme, partner := certstest.NewCA(t, "acme.ai"), certstest.NewCA(t, "partner.example")
			self := acme.Source(t, gatewayPath, certstest.Options{Federated: []*certs.Bundle{partner.Bundle()}})
			denials := certs.NewDenials()
			conf := certs.ServerConfig{Source: self, Denials: denials}
			s := serve(t, conf)
			resuming := &tls.Config{
				InsecureSkipVerify: true,
				ClientSessionCache: tls.NewLRUClientSessionCache(8),
				ServerName:         "gateway",
				Certificates:       []tls.Certificate{certstest.TLSCert(partner.SVID(t, "/ns/fraud/train", certstest.Options{}))},
			}
			open := mustBeIn(t, s, resuming)
			peer, err := certs.Verify(conf, (<-s.conns).ConnectionState().PeerCertificates, time.Now())
			if err != nil {
				t.Fatal(err)
			}

			tt.revoke(t, self, denials, peer)

			if answer, err := open.ask(); err != nil || answer != string(tt.want) {
				t.Errorf("open connection: %q, %v; want %q", answer, err, tt.want)
			}
			if again, err := s.dialConfig(t, resuming); err == nil {
				if answer, err := again.ask(); err == nil {
					t.Errorf("new connection (resumed: %v) got %q", again.conn.ConnectionState().DidResume, answer)
				}
			}
		})
	}
}

func mustBeIn(t *testing.T, s *server, conf *tls.Config) *client {
	t.Helper()
	c, err := s.dialConfig(t, conf)
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := c.ask(); err != nil || answer != "ok" {
		t.Fatalf("got %q, %v before anything was revoked", answer, err)
	}
	return c
}

// No ticket is ever given, so that there is no session to resume.
func TestServerNeverResumes(t *testing.T) {
	t.Parallel()
	ca := certstest.NewCA(t, "acme.ai")
	s := serve(t, certs.ServerConfig{Source: ca.Source(t, gatewayPath, certstest.Options{})})
	conf := &tls.Config{
		InsecureSkipVerify: true, ServerName: "gateway", ClientSessionCache: tls.NewLRUClientSessionCache(8),
		Certificates: []tls.Certificate{certstest.TLSCert(ca.SVID(t, "/a", certstest.Options{}))},
	}
	for range 3 {
		if mustBeIn(t, s, conf).conn.ConnectionState().DidResume {
			t.Error("a session was resumed")
		}
	}
	if _, cached := conf.ClientSessionCache.Get("gateway"); cached {
		t.Error("the server gave a session ticket")
	}
}

// The proof of concept in the other direction: a server that does give tickets lets a
// resumed session past every callback but VerifyConnection, which holds.
func TestVerifyConnectionHoldsEvenWithTickets(t *testing.T) {
	t.Parallel()
	ca := certstest.NewCA(t, "acme.ai")
	denials := certs.NewDenials()
	conf := certs.ServerTLS(certs.ServerConfig{Source: ca.Source(t, gatewayPath, certstest.Options{}), Denials: denials})
	conf.GetConfigForClient = nil
	conf.SessionTicketsDisabled = false
	me := ca.SVID(t, "/a", certstest.Options{})
	clientConf := &tls.Config{
		InsecureSkipVerify: true, ServerName: "gateway", ClientSessionCache: tls.NewLRUClientSessionCache(8),
		Certificates: []tls.Certificate{certstest.TLSCert(me)},
	}
	if resumed, err := handshakeBoth(t, conf, clientConf); err != nil || resumed {
		t.Fatalf("first: resumed %v, %v", resumed, err)
	}
	if resumed, err := handshakeBoth(t, conf, clientConf); err != nil || !resumed {
		t.Fatalf("second: resumed %v, %v; the test needs a resumption", resumed, err)
	}
	if err := denials.Deny(certs.Rule{Kind: certs.DenyID, ID: me.ID}); err != nil {
		t.Fatal(err)
	}
	if _, err := handshakeBoth(t, conf, clientConf); !errors.Is(err, certs.ErrDenied) {
		t.Errorf("a denied client resumed: %v", err)
	}
}

// handshakeBoth makes one connection and returns what the server saw.
func handshakeBoth(t *testing.T, serverConf, clientConf *tls.Config) (resumed bool, err error) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", serverConf)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, dialErr := tls.Dial("tcp", l.Addr().String(), clientConf)
		if dialErr != nil {
			return
		}
		defer func() { _ = c.Close() }()
		_, _ = c.Read(make([]byte, 1)) // reads the ticket; the server then closes
	}()
	raw, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	conn := raw.(*tls.Conn)
	err = conn.Handshake()
	resumed = conn.ConnectionState().DidResume
	_ = conn.Close() // the client has what it needs
	<-done
	return resumed, err
}
