// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"
)

// Issuer is one whose tokens make sessions.
type Issuer struct {
	// URL is its iss, byte by byte.
	URL string
	// Audience is the one that its tokens must have.
	Audience string
	// Template gives the identity.
	Template Template
	// Keys is the https address of its JWK set. Either that or KeysFile is set.
	Keys string
	// CAFile holds the roots of that address, PEM. "" is the system's.
	CAFile string
	// KeysFile holds the JWK set.
	KeysFile string
}

// Issuers are the configured ones with their keys. A nil *Issuers is none.
type Issuers struct {
	all    []*issuer
	report func(url string, err error)
}

type issuer struct {
	Issuer
	keys *keySet
}

// NewIssuers takes the configured issuers. report is told what came of each
// fetch of keys, nil if it went well; it must not block. The keys of an issuer
// that old has with the same settings are kept; old may be nil.
func NewIssuers(list []Issuer, old *Issuers, report func(url string, err error)) (*Issuers, error) {
	is := &Issuers{report: report}
	for _, i := range list {
		if had := old.named(i.URL); had != nil && had.sameKeys(i) {
			is.all = append(is.all, &issuer{Issuer: i, keys: had.keys})
			continue
		}
		fetch := fromFile(i.KeysFile)
		if i.Keys != "" {
			if _, err := readRoots(i.CAFile); err != nil { // better now than at the first token
				return nil, fmt.Errorf("issuer %s: %w", i.URL, err)
			}
			fetch = overHTTPS(i.Keys, i.CAFile)
		}
		is.all = append(is.all, &issuer{Issuer: i, keys: &keySet{fetch: fetch}})
	}
	return is, nil
}

func (i *issuer) sameKeys(o Issuer) bool {
	return i.Keys == o.Keys && i.CAFile == o.CAFile && i.KeysFile == o.KeysFile
}

// readRoots reads the roots of an address; nil is the system's.
func readRoots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil //nolint:nilnil // crypto/tls takes nil for the system's
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("ca_file " + file + " holds no certificate")
	}
	return pool, nil
}

// Run keeps the keys fresh until ctx ends.
func (is *Issuers) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, i := range is.all {
		wg.Go(func() { i.keys.run(ctx, func(err error) { is.report(i.URL, err) }) })
	}
	wg.Wait()
}

// named gives the issuer with this iss, nil if there is none.
func (is *Issuers) named(iss string) *issuer {
	if is == nil {
		return nil
	}
	for _, i := range is.all {
		if i.URL == iss {
			return i
		}
	}
	return nil
}

// vouch says whether the issuer of a session is still there, still speaks for
// its trust domain, and still has the key that signed its token.
func (is *Issuers) vouch(s *Session) bool {
	i := is.named(s.Provider)
	if i == nil || i.Template.TrustDomain() != s.Identity.TrustDomain() {
		return false
	}
	key, ok := i.keys.held(s.Issuer)
	return ok && key.hash == s.Anchor
}

// catchUp fetches the keys of a session's issuer if those that are here are
// older than the session and lack its key. Nobody can make it fetch at will:
// the session was sealed by a gateway.
func (is *Issuers) catchUp(ctx context.Context, s *Session) {
	i := is.named(s.Provider)
	if i == nil {
		return
	}
	if _, ok := i.keys.held(s.Issuer); !ok && i.keys.olderThan(s.Issued) {
		i.keys.refresh(ctx)
	}
}
