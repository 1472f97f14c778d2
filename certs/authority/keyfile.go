// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/sealgate/sealgate/certs"
)

const keysVersion = 1

// keysDoc is keys.json: everything that matters is inside the seal, certificates
// too, so that nobody without the sealing key can add a root.
type keysDoc struct {
	Version     int    `json:"version"`
	TrustDomain string `json:"trust_domain"`
	Sealed      []byte `json:"sealed"`
}

// keysBody is what is sealed.
type keysBody struct {
	Sequence uint64      `json:"sequence"`
	X509     []keyRecord `json:"x509"`
	JWT      []keyRecord `json:"jwt"`
}

type keyRecord struct {
	State         keyState  `json:"state"`
	Created       time.Time `json:"created"`
	Retired       time.Time `json:"retired,omitzero"`
	End           time.Time `json:"end"`
	MaxTTLSeconds int64     `json:"max_ttl_seconds"`
	Public        []byte    `json:"public"`            // DER, SubjectPublicKeyInfo
	Private       []byte    `json:"private,omitempty"` // DER, PKCS #8; absent once retired
	Cert          []byte    `json:"cert,omitempty"`    // DER; of CAs only
}

// keysPurpose binds the seal to what it is for.
func keysPurpose(td certs.TrustDomain) string { return "authority/keys/" + td.String() }

// saveKeys makes s durable.
func (a *Authority) saveKeys(ctx context.Context, s *keySet) error {
	body := keysBody{Sequence: s.sequence}
	var err error
	if body.X509, err = records(s.x509); err != nil {
		return err
	}
	if body.JWT, err = records(s.jwt); err != nil {
		return err
	}
	plain, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encoding keys: %w", err)
	}
	defer clear(plain)
	sealed, err := a.cfg.Sealer.Seal(ctx, keysPurpose(a.cfg.TrustDomain), plain)
	if err != nil {
		return fmt.Errorf("sealing keys: %w", err)
	}
	doc := keysDoc{Version: keysVersion, TrustDomain: a.cfg.TrustDomain.String(), Sealed: sealed}
	data, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding keys: %w", err)
	}
	return a.files.write(keysFile, append(data, '\n'))
}

func records(keys []*signingKey) ([]keyRecord, error) {
	out := make([]keyRecord, 0, len(keys))
	for _, k := range keys {
		r, err := k.record()
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// record is the form of k on disk. It holds the private key in clear and must only go
// to the Sealer.
func (k *signingKey) record() (keyRecord, error) {
	r := keyRecord{State: k.state, Created: k.created, Retired: k.retired, End: k.end, MaxTTLSeconds: int64(k.maxTTL / time.Second)}
	var err error
	if r.Public, err = x509.MarshalPKIXPublicKey(k.public); err != nil {
		return keyRecord{}, fmt.Errorf("encoding a public key: %w", err)
	}
	if k.private != nil {
		if r.Private, err = x509.MarshalPKCS8PrivateKey(k.private); err != nil {
			return keyRecord{}, fmt.Errorf("encoding a private key: %w", err)
		}
	}
	if k.cert != nil {
		r.Cert = k.cert.Raw
	}
	return r, nil
}

// loadKeys reads keys.json; no file is an empty set. A file that does not open is
// an error: a new CA in its place would void every SVID and hide the cause.
func (a *Authority) loadKeys(ctx context.Context) (*keySet, error) {
	data, err := a.files.read(keysFile)
	if err != nil {
		return nil, err
	}
	if data == nil {
		return &keySet{}, nil
	}
	s, err := a.openKeys(ctx, data)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", filepath.Join(a.cfg.Dir, keysFile.name), err)
	}
	return s, nil
}

// openKeys compares the domain before it unseals, for the better message; the seal
// itself is bound to the domain as well.
func (a *Authority) openKeys(ctx context.Context, data []byte) (*keySet, error) {
	var doc keysDoc
	if err := decodeStrict(data, &doc); err != nil {
		return nil, err
	}
	switch {
	case doc.Version != keysVersion:
		return nil, fmt.Errorf("it has version %d; this program reads version %d", doc.Version, keysVersion)
	case doc.TrustDomain != a.cfg.TrustDomain.String():
		return nil, fmt.Errorf("it is of trust domain %q, not %q; a trust domain never changes its folder", doc.TrustDomain, a.cfg.TrustDomain)
	}
	plain, err := a.cfg.Sealer.Open(ctx, keysPurpose(a.cfg.TrustDomain), doc.Sealed)
	if err != nil {
		return nil, fmt.Errorf("unsealing the keys: %w", err)
	}
	defer clear(plain)
	var body keysBody
	if err := decodeStrict(plain, &body); err != nil {
		return nil, fmt.Errorf("reading the unsealed keys: %w", err)
	}
	return a.decodeKeys(body)
}

// decodeKeys takes nothing for granted although it was sealed: a fault in an older
// version of this program is no reason to publish a root that is none.
func (a *Authority) decodeKeys(body keysBody) (*keySet, error) {
	s := &keySet{sequence: body.Sequence}
	var err error
	if s.x509, err = decodeKind(body.X509, a.decodeCA); err != nil {
		return nil, fmt.Errorf("X.509 keys: %w", err)
	}
	if s.jwt, err = decodeKind(body.JWT, decodeKey); err != nil {
		return nil, fmt.Errorf("JWT keys: %w", err)
	}
	return s, nil
}

// decodeKind decodes the keys of one kind. Two that sign, or two that wait, would
// make the next transition ambiguous.
func decodeKind(recs []keyRecord, decode func(keyRecord) (*signingKey, error)) ([]*signingKey, error) {
	var keys []*signingKey
	for i, r := range recs {
		k, err := decode(r)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i, err)
		}
		if k.state != retired && find(keys, k.state) != nil {
			return nil, fmt.Errorf("key %d: it is the second one that is %s", i, k.state)
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// decodeCA is decodeKey with the certificate, held to what a new one is held to.
func (a *Authority) decodeCA(r keyRecord) (*signingKey, error) {
	k, err := decodeKey(r)
	if err != nil {
		return nil, err
	}
	if k.cert, err = x509.ParseCertificate(r.Cert); err != nil {
		return nil, fmt.Errorf("reading the certificate: %w", err)
	}
	return k, checkCA(a.cfg.TrustDomain, k)
}

// decodeKey reads one key. A retired one has no private key, whatever the record has:
// nothing may be signed with it any more.
func decodeKey(r keyRecord) (*signingKey, error) {
	k := &signingKey{state: r.State, created: r.Created, retired: r.Retired, end: r.End, maxTTL: time.Duration(r.MaxTTLSeconds) * time.Second}
	parsed, err := x509.ParsePKIXPublicKey(r.Public)
	if err != nil {
		return nil, fmt.Errorf("reading the public key: %w", err)
	}
	var ok bool
	if k.public, ok = parsed.(*ecdsa.PublicKey); !ok {
		return nil, errors.New("it is not an ECDSA key")
	}
	if k.kid, err = keyID(k.public); err != nil {
		return nil, err
	}
	switch k.state {
	case retired:
		return k, nil
	case prepared, active:
		k.private, err = decodePrivate(r.Private, k.public)
		return k, err
	}
	return nil, fmt.Errorf("unknown state %q", k.state)
}

// decodePrivate also makes sure that the two halves belong together: SVIDs signed with
// another key than the bundle has would fail everywhere at once.
func decodePrivate(der []byte, public *ecdsa.PublicKey) (*ecdsa.PrivateKey, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errors.New("the private key does not parse") // never quote what may hold a key
	}
	private, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || !private.PublicKey.Equal(public) {
		return nil, errors.New("private and public key are not a pair")
	}
	return private, nil
}
