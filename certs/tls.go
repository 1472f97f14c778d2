// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"time"
)

// ServerTLS returns the TLS configuration of a server that believes nobody but
// SPIFFE workloads: TLS 1.3, a client certificate required and checked by
// [Verify] in each handshake, no session tickets, HTTP/1.1 only. Certificate,
// bundles and denials are those of the moment of the handshake.
func ServerTLS(c ServerConfig) *tls.Config {
	conf := serverTLS(c, nil)
	conf.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		return serverTLS(c, hello.Conn.RemoteAddr()), nil
	}
	return conf
}

// serverTLS is the configuration of one connection: Rejected wants the remote
// address, which VerifyConnection is not told.
func serverTLS(c ServerConfig, remote net.Addr) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		// The chain is verified below: crypto/tls knows no trust domains.
		ClientAuth:             tls.RequireAnyClientCert,
		SessionTicketsDisabled: true,
		NextProtos:             []string{"http/1.1"},
		// Peers are programs that read answers whole: small records to begin
		// with, for early rendering, only cost them and us.
		DynamicRecordSizingDisabled: true,
		GetCertificate:              func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return currentCert(c.Source) },
		VerifyConnection: func(cs tls.ConnectionState) error {
			_, err := Verify(c, cs.PeerCertificates, time.Now())
			if err != nil && c.Rejected != nil {
				c.Rejected(ReasonOf(err), remote)
			}
			return err
		},
	}
}

// ReasonOf returns the reason in err, or "" if it holds no [RejectError].
func ReasonOf(err error) Reason {
	if r, ok := errors.AsType[*RejectError](err); ok {
		return r.Reason
	}
	return ""
}

// ClientTLS returns the TLS configuration of a client that shows src's
// certificate and talks to the server expect and to no other, whatever name or
// address was dialed: the server's chain must verify against the bundle of
// expect's trust domain and its leaf must hold exactly that ID.
func ClientTLS(src Source, expect ID) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		// Verified below: there is no DNS name to check, and no root store.
		InsecureSkipVerify:     true, //nolint:gosec // VerifyConnection verifies
		SessionTicketsDisabled: true,
		NextProtos:             []string{"http/1.1"},
		GetClientCertificate:   func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return currentCert(src) },
		VerifyConnection: func(cs tls.ConnectionState) error {
			return verifyServer(src, expect, cs.PeerCertificates, time.Now())
		},
	}
}

func verifyServer(src Source, expect ID, chain []*x509.Certificate, now time.Time) error {
	m, err := src.Current()
	if err != nil {
		return &RejectError{Reason: ReasonNotReady, Err: err}
	}
	peer, err := verifier{bundles: m.Bundles, usage: x509.ExtKeyUsageServerAuth}.verify(chain, now)
	if err != nil {
		return err
	}
	if peer.ID != expect || expect.IsZero() {
		return &RejectError{Reason: ReasonUnexpectedID, ID: peer.ID, Err: errors.New("expected " + expect.String())}
	}
	return nil
}

func currentCert(src Source) (*tls.Certificate, error) {
	m, err := src.Current()
	if err != nil {
		return nil, err
	}
	return m.TLS(), nil
}
