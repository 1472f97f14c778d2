// SPDX-License-Identifier: Apache-2.0

package certstest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"slices"
	"testing"
	"time"

	"github.com/sealgate/sealgate/certs"
)

// Odd is a certificate that no server may let in, with the reason it must give.
type Odd struct {
	// Name says what is wrong.
	Name string
	// Want is the reason for which it must be refused.
	Want certs.Reason
	// Material is the certificate with its key; its other fields are not filled in.
	Material *certs.Material
}

// Odd returns one certificate for each rule that a client certificate can break.
// All but those of "untrusted_issuer" and "unknown_trust_domain" are signed by ca.
// self is the ID that the server holds.
func (ca *CA) Odd(tb testing.TB, self certs.ID) []Odd {
	tb.Helper()
	return slices.Concat(ca.oddIDs(tb, self), ca.oddRights(tb), ca.oddKeys(tb), ca.oddTimes(tb), ca.oddChains(tb))
}

// oddIDs are faults of the name. Spellings that crypto/x509 itself refuses to
// parse do not come as far as our own check and are not here.
func (ca *CA) oddIDs(tb testing.TB, self certs.ID) []Odd {
	tb.Helper()
	td := "spiffe://" + ca.TrustDomain.String()
	uris := func(name string, want certs.Reason, uris ...string) Odd {
		return Odd{name, want, ca.SVID(tb, "/odd", Options{URIs: uris})}
	}
	return []Odd{
		{"no URI SAN", certs.ReasonNoID, ca.SVID(tb, "/odd", Options{Edit: func(c *x509.Certificate) { c.URIs = nil }})},
		uris("two URI SANs", certs.ReasonManyIDs, td+"/a", td+"/b"),
		uris("the same URI SAN twice", certs.ReasonManyIDs, td+"/a", td+"/a"),
		uris("a URI SAN that is not SPIFFE beside one that is", certs.ReasonManyIDs, td+"/a", "https://acme.ai/a"),
		uris("root path", certs.ReasonRootID, td),
		uris("trailing slash", certs.ReasonBadID, td+"/a/"),
		uris("only a slash", certs.ReasonBadID, td+"/"),
		uris("empty segment", certs.ReasonBadID, td+"/a//b"),
		uris("dot segment", certs.ReasonBadID, td+"/a/./b"),
		uris("dot-dot segment", certs.ReasonBadID, td+"/a/../admin"),
		uris("upper-case trust domain", certs.ReasonBadID, "spiffe://ACME.AI/a"),
		uris("upper-case scheme", certs.ReasonBadID, "SPIFFE://"+ca.TrustDomain.String()+"/a"),
		uris("another scheme", certs.ReasonBadID, "https://"+ca.TrustDomain.String()+"/a"),
		uris("user", certs.ReasonBadID, "spiffe://u@"+ca.TrustDomain.String()+"/a"),
		uris("port", certs.ReasonBadID, td+":443/a"),
		uris("query", certs.ReasonBadID, td+"/a?x=y"),
		uris("empty query", certs.ReasonBadID, td+"/a?"),
		uris("fragment", certs.ReasonBadID, td+"/a#b"),
		uris("percent-escaped slash", certs.ReasonBadID, td+"/a%2fb"),
		uris("percent-escaped letter", certs.ReasonBadID, td+"/%61"),
		uris("star", certs.ReasonBadID, td+"/a/*"),
		uris("empty URI", certs.ReasonBadID, ""),
		uris("over 2048 bytes", certs.ReasonBadID, td+"/"+string(slices.Repeat([]byte("a"), 2048))),
		{"the server's own ID", certs.ReasonOwnID, ca.SVID(tb, self.Path(), Options{})},
	}
}

func (ca *CA) oddRights(tb testing.TB) []Odd {
	tb.Helper()
	edit := func(name string, want certs.Reason, edit func(*x509.Certificate)) Odd {
		return Odd{name, want, ca.SVID(tb, "/odd", Options{Edit: edit})}
	}
	return []Odd{
		edit("authority as leaf", certs.ReasonLeafIsCA, func(c *x509.Certificate) { c.IsCA = true }),
		edit("no key usage", certs.ReasonKeyUsage, func(c *x509.Certificate) { c.KeyUsage = 0 }),
		edit("key usage without digitalSignature", certs.ReasonKeyUsage, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }),
		edit("key usage with certSign", certs.ReasonKeyUsage, func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCertSign }),
		edit("key usage with crlSign", certs.ReasonKeyUsage, func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCRLSign }),
		edit("server only", certs.ReasonExtKeyUsage, func(c *x509.Certificate) { c.ExtKeyUsage = c.ExtKeyUsage[:1] }),
		edit("code signing only", certs.ReasonExtKeyUsage, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning} }),
	}
}

func (ca *CA) oddKeys(tb testing.TB) []Odd {
	tb.Helper()
	small, err := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // it is there to be refused
	if err != nil {
		tb.Fatal(err)
	}
	p521, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	with := func(k crypto.Signer) *certs.Material { return ca.SVID(tb, "/odd", Options{Key: k}) }
	return []Odd{
		{"RSA of 1024 bits", certs.ReasonWeakKey, with(small)},
		{"P-521", certs.ReasonWeakKey, with(p521)},
		{"P-521 of an intermediate", certs.ReasonWeakKey, ca.intermediate(tb, p521).SVID(tb, "/odd", Options{})},
	}
}

func (ca *CA) oddTimes(tb testing.TB) []Odd {
	tb.Helper()
	now := time.Now()
	times := func(name string, want certs.Reason, from, to time.Duration) Odd {
		return Odd{name, want, ca.SVID(tb, "/odd", Options{NotBefore: now.Add(from), NotAfter: now.Add(to)})}
	}
	return []Odd{
		times("expired", certs.ReasonExpired, -2*time.Hour, -time.Second),
		times("not yet valid", certs.ReasonNotYetValid, time.Minute, time.Hour),
		times("ten years of life", certs.ReasonLifetime, -time.Hour, 10*365*24*time.Hour),
		times("a second over the default cap", certs.ReasonLifetime, -time.Hour, 23*time.Hour+2*time.Second),
	}
}

// oddChains are faults of who signed what.
func (ca *CA) oddChains(tb testing.TB) []Odd {
	tb.Helper()
	evil := NewCA(tb, "evil.example")
	usurper := NewCA(tb, ca.TrustDomain.String())
	// A certificate of evil.example that ca signed: ca may not speak for it.
	foreign := &CA{TrustDomain: evil.TrustDomain, Root: ca.Root, key: ca.key, chain: ca.chain}
	// A workload that plays authority with its own honest certificate.
	honest := ca.SVID(tb, "/honest", Options{})
	upstart := &CA{TrustDomain: ca.TrustDomain, Root: ca.Root, key: honest.Key, chain: honest.Chain}
	deep := ca
	for range 4 {
		deep = deep.Intermediate(tb)
	}
	long := ca.SVID(tb, "/odd", Options{})
	for range 199 {
		long.Chain = append(long.Chain, ca.Root)
	}
	return []Odd{
		{"of a trust domain without a bundle", certs.ReasonUnknownTrustDomain, evil.SVID(tb, "/odd", Options{})},
		{"of another trust domain, signed by this authority", certs.ReasonUnknownTrustDomain, foreign.SVID(tb, "/odd", Options{})},
		{"of an authority that only claims the trust domain", certs.ReasonUntrusted, usurper.SVID(tb, "/odd", Options{})},
		{"signed by a workload", certs.ReasonUntrusted, upstart.SVID(tb, "/odd", Options{})},
		{"five certificates", certs.ReasonChainTooLong, deep.SVID(tb, "/odd", Options{})},
		{"two hundred certificates", certs.ReasonChainTooLong, long},
	}
}
