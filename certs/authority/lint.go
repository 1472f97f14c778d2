// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/sealgate/sealgate/certs"
)

// finding is one row of AUTHORITY.md §4.1: what a certificate must be, and whether
// it is.
type finding struct {
	what string
	ok   bool
}

// lint holds a signed certificate to AUTHORITY.md §4.1, by what is in it and not by
// what was asked for. The error names every row that does not hold.
func lint(s *svid, ca *signingKey, r request, now time.Time, ttl time.Duration) error {
	rows := slices.Concat(lintForm(s, ca), lintTimes(s.cert, ca, now, ttl), lintRights(s.cert), lintNames(s.cert, r))
	var errs []error
	for _, row := range rows {
		if !row.ok {
			errs = append(errs, fmt.Errorf("wrong %s", row.what))
		}
	}
	if err := s.cert.CheckSignatureFrom(ca.cert); err != nil {
		errs = append(errs, fmt.Errorf("checking the signature: %w", err))
	}
	return errors.Join(errs...)
}

// lintForm: above all, the certificate is for the fresh key and by this very CA.
func lintForm(s *svid, ca *signingKey) []finding {
	c := s.cert
	bits := c.SerialNumber.BitLen()
	return []finding{
		{"version", c.Version == 3},
		{"signature algorithm", c.SignatureAlgorithm == x509.ECDSAWithSHA256},
		{"serial number", c.SerialNumber.Sign() > 0 && bits > 64 && bits <= 128},
		{"subject", c.Subject.String() == "O=Sealgate"},
		{"public key", s.key.PublicKey.Equal(c.PublicKey)},
		{"public key: it is the CA's", !ca.public.Equal(c.PublicKey)},
		{"subject key id", len(c.SubjectKeyId) == 20},
		{"authority key id", bytes.Equal(c.AuthorityKeyId, ca.cert.SubjectKeyId)},
		{"extensions", onlyExtensions(c)},
	}
}

// lintTimes: a certificate that outlives its issuer outlives its root in the bundle.
func lintTimes(c *x509.Certificate, ca *signingKey, now time.Time, ttl time.Duration) []finding {
	return []finding{
		{"start of validity", !c.NotBefore.After(now) && !c.NotBefore.Before(ca.cert.NotBefore)},
		{"end of validity", c.NotAfter.After(now) && !c.NotAfter.After(ca.cert.NotAfter)},
		{"length of validity", c.NotAfter.Sub(c.NotBefore) <= ttl+backdate && c.NotAfter.Sub(now) <= ttl},
	}
}

// lintRights: a leaf may show who it is, at both ends of TLS, and may do nothing else.
func lintRights(c *x509.Certificate) []finding {
	both := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	return []finding{
		{"basic constraints", c.BasicConstraintsValid && !c.IsCA},
		{"key usage", c.KeyUsage == x509.KeyUsageDigitalSignature && critical(c, oidKeyUsage)},
		{"extended key usage", slices.Equal(c.ExtKeyUsage, both) && len(c.UnknownExtKeyUsage) == 0},
	}
}

// lintNames: each name in a certificate is a door; there are those that the entry
// gives and no others.
func lintNames(c *x509.Certificate, r request) []finding {
	return []finding{
		{"SPIFFE ID", holdsOnly(c, r.id)},
		{"DNS names", slices.Equal(c.DNSNames, r.dns)},
		{"addresses", slices.EqualFunc(c.IPAddresses, r.ips, net.IP.Equal)},
		{"names of other kinds", len(c.EmailAddresses) == 0},
	}
}

// holdsOnly reports whether id, of a workload, is the only URI in c. The text is
// compared after one trip through the strict parser: net/url forgives too much.
func holdsOnly(c *x509.Certificate, id certs.ID) bool {
	if len(c.URIs) != 1 || id.Path() == "" {
		return false
	}
	got, err := certs.ParseID(c.URIs[0].String())
	return err == nil && got == id
}

var (
	oidKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 15}

	// leafExtensions are all that an SVID has, each once.
	leafExtensions = []asn1.ObjectIdentifier{
		oidKeyUsage,
		{2, 5, 29, 37}, // extended key usage
		{2, 5, 29, 19}, // basic constraints
		{2, 5, 29, 14}, // subject key id
		{2, 5, 29, 35}, // authority key id
		{2, 5, 29, 17}, // subject alternative name
	}
)

// onlyExtensions refuses what this table does not know, critical or not.
func onlyExtensions(c *x509.Certificate) bool {
	if len(c.Extensions) != len(leafExtensions) {
		return false
	}
	for _, want := range leafExtensions {
		if !slices.ContainsFunc(c.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(want) }) {
			return false
		}
	}
	return true
}

// critical reports whether the extension is there and must be understood.
func critical(c *x509.Certificate, id asn1.ObjectIdentifier) bool {
	for _, e := range c.Extensions {
		if e.Id.Equal(id) {
			return e.Critical
		}
	}
	return false
}
