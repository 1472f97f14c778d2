// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"slices"
	"time"

	"github.com/sealgate/sealgate/certs"
)

// ownSVID is the gateway's own identity (AUTHORITY.md §4.4).
type ownSVID struct {
	id       certs.ID
	snapshot *certs.Snapshot
	svid     *svid         // guarded by Authority.mu; nil before the first issue
	bundle   *certs.Bundle // guarded by Authority.mu; the one last published
}

// Source yields the gateway's own SVID with the bundle, renewed while
// [Authority.Serve] runs.
func (a *Authority) Source() certs.Source { return a.own.snapshot }

// renewOwn issues the own SVID anew at half its life, publishes it with the current
// bundle and returns when it is due next. It is called with mu held. If nothing can
// be issued, the SVID of before stays until it expires, with the current bundle.
func (a *Authority) renewOwn(ctx context.Context) (time.Time, error) {
	st, s := a.state.Load(), a.own.svid
	var errIssue error
	if s == nil || !a.cfg.Now().Before(s.rotateAt) {
		var fresh *svid
		if fresh, errIssue = a.issueX509(ctx, st, a.ownRequest()); errIssue == nil {
			s = fresh
		}
	}
	if s == nil {
		return time.Time{}, errIssue
	}
	return s.rotateAt, errors.Join(errIssue, a.publishOwn(s, st.bundle))
}

// publishOwn is called with mu held.
func (a *Authority) publishOwn(s *svid, bundle *certs.Bundle) error {
	if s == a.own.svid && bundle == a.own.bundle {
		return nil
	}
	m := &certs.Material{
		ID: a.own.id, Chain: []*x509.Certificate{s.cert}, Key: s.key,
		NotBefore: s.cert.NotBefore, NotAfter: s.cert.NotAfter,
		Bundles: map[certs.TrustDomain]*certs.Bundle{a.cfg.TrustDomain: bundle},
	}
	if err := a.own.snapshot.Publish(m); err != nil {
		return err
	}
	a.own.svid, a.own.bundle = s, bundle
	return nil
}

func (a *Authority) ownRequest() request {
	r := request{id: a.own.id, dns: slices.Clone(a.cfg.GatewayDNS)}
	for _, ip := range a.cfg.GatewayIPs {
		r.ips = append(r.ips, net.IP(ip.AsSlice()))
	}
	return r
}
