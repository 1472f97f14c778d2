// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sealgate/sealgate/certs"
)

// checkSessions looks at what makes sessions.
func (d *decoder) checkSessions(c *Config) {
	if t := c.Listeners.Session.TLS; (t.Cert == "") != (t.Key == "") {
		d.faultAt("listeners.s3_session_keys.tls", "E515", "cert_file and key_file go together", "give both, or none for the gateway's own SVID")
	}
	seen := map[certs.TrustDomain]bool{c.TrustDomain: true}
	var urls []string
	for i, issuer := range c.STS.Issuers {
		switch {
		case issuer.URL != "" && slices.Contains(urls, issuer.URL):
			d.atIssuer(i, "E515", "the issuer "+issuer.URL+" is given twice", "")
		case (issuer.Keys == "") == (issuer.KeysFile == ""):
			d.atIssuer(i, "E515", "one of keys and keys_file is wanted", "keys: the https address of its JWK set")
		case issuer.Keys != "" && !strings.HasPrefix(issuer.Keys, "https://"):
			d.atIssuer(i, "E504", "keys are fetched over https alone", "")
		case issuer.CAFile != "" && issuer.Keys == "":
			d.atIssuer(i, "E515", "ca_file goes with keys", "")
		}
		urls = append(urls, issuer.URL)
		d.checkAudience(i, issuer)
		d.checkIssuerDomain(i, issuer, seen)
	}
}

// atIssuer places a fault at an issuer.
func (d *decoder) atIssuer(i int, code, text, hint string) {
	n := d.given[issuerPath(i)]
	if n == nil {
		n = d.root
	}
	n.Fault(d.faults, code, fmt.Sprintf("sts.issuers[%d]: %s", i, text), hint)
}

// clusterAudiences are those that the API server of Kubernetes gives to tokens
// which pods have anyway: with them, every pod's token would be one for us.
var clusterAudiences = []string{
	"https://kubernetes.default.svc", "https://kubernetes.default.svc.cluster.local", "kubernetes.default.svc", "https://kubernetes.default",
}

func (d *decoder) checkAudience(i int, issuer Issuer) {
	if slices.Contains(clusterAudiences, issuer.Audience) || issuer.Audience != "" && issuer.Audience == issuer.URL {
		d.atIssuer(i, "E515", fmt.Sprintf("%q is the audience of tokens that were made for somebody else", issuer.Audience),
			"take one of its own, such as sealgate, and have tokens made for it")
	}
}

// checkIssuerDomain keeps trust domains apart: whoever issues tokens must
// speak for nobody but its own.
func (d *decoder) checkIssuerDomain(i int, issuer Issuer, seen map[certs.TrustDomain]bool) {
	rest, ok := strings.CutPrefix(issuer.ID, "spiffe://")
	domain, _, _ := strings.Cut(rest, "/")
	td, err := certs.ParseTrustDomain(domain)
	switch {
	case issuer.ID == "":
	case !ok || err != nil:
		d.atIssuer(i, "E503", fmt.Sprintf("id %q is not a template of SPIFFE IDs", issuer.ID), "write spiffe://TRUST_DOMAIN/ns/{claim.ns}/sa/{claim.sa}")
	case seen[td]:
		d.atIssuer(i, "E503", fmt.Sprintf("trust domain %s has another authority", td), "each issuer needs a trust domain of its own, which the policy names under trust_domains")
	}
	seen[td] = true
}
