// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"crypto/x509"
	"fmt"
	"strings"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"

	"github.com/sealgate/sealgate/certs"
)

// material makes a snapshot of one message. It is not checked here: the snapshot
// that publishes it does.
func material(x *workloadapi.X509Context, want certs.ID) (*certs.Material, error) {
	svid, err := choose(x.SVIDs, want)
	if err != nil {
		return nil, err
	}
	id, err := certs.ParseID(svid.ID.String())
	if err != nil {
		return nil, fmt.Errorf("reading the SVID's ID: %w", err)
	}
	all, err := bundles(x.Bundles)
	if err != nil {
		return nil, err
	}
	leaf := svid.Certificates[0]
	return &certs.Material{
		ID: id, Chain: svid.Certificates, Key: svid.PrivateKey,
		NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter, Bundles: all,
	}, nil
}

// choose picks the SVID by its ID, never by its place.
func choose(svids []*x509svid.SVID, want certs.ID) (*x509svid.SVID, error) {
	if want.IsZero() && len(svids) == 1 {
		return svids[0], nil
	}
	var names []string
	for _, s := range svids {
		if !want.IsZero() && s.ID.String() == want.String() {
			return s, nil
		}
		names = append(names, s.ID.String())
	}
	offered := strings.Join(names, ", ")
	if want.IsZero() {
		return nil, fmt.Errorf("it offers several (%s); configure which one to be", offered)
	}
	return nil, fmt.Errorf("%w: %s is not among what it offers (%s)", ErrDenied, want, offered)
}

func bundles(set *x509bundle.Set) (map[certs.TrustDomain]*certs.Bundle, error) {
	all := map[certs.TrustDomain]*certs.Bundle{}
	for _, b := range set.Bundles() {
		td, err := certs.ParseTrustDomain(b.TrustDomain().Name())
		if err != nil {
			return nil, fmt.Errorf("reading a bundle's name: %w", err)
		}
		all[td] = &certs.Bundle{TrustDomain: td, X509: append([]*x509.Certificate(nil), b.X509Authorities()...)}
	}
	return all, nil
}
