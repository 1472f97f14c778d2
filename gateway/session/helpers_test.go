// SPDX-License-Identifier: Apache-2.0

package session

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/certs/certstest"
	"github.com/sealgate/sealgate/envelope"
)

// testKeys seals like a keyring of one version.
type testKeys [32]byte

func newTestKeys() testKeys {
	var k testKeys
	_, _ = rand.Read(k[:])
	return k
}

func (k testKeys) aead() cipher.AEAD {
	block, err := aes.NewCipher(k[:])
	if err != nil {
		panic(err)
	}
	a, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return a
}

func (k testKeys) Seal(aad, plain []byte) ([]byte, error) {
	return k.aead().Seal(nil, nil, plain, aad), nil
}

func (k testKeys) Open(aad, sealed []byte) ([]byte, error) {
	return k.aead().Open(nil, nil, sealed, aad)
}

func (k testKeys) MAC(sealed []byte) ([]byte, error) {
	m := hmac.New(sha256.New, append(k[:], "secret"...))
	m.Write(sealed)
	return m.Sum(nil), nil
}

var testTerms = Terms{Max: time.Hour}

// world is what sessions are made and checked in.
type world struct {
	ca         *certstest.CA
	own        *certs.Snapshot
	denials    *certs.Denials
	keys       testKeys
	deployment envelope.ID
}

func newWorld(t *testing.T) *world {
	t.Helper()
	ca := certstest.NewCA(t, "acme.ai")
	return &world{
		ca: ca, own: ca.Source(t, "/gateway", certstest.Options{}), denials: certs.NewDenials(),
		keys: newTestKeys(), deployment: envelope.NewID(),
	}
}

func (w *world) checker(is *Issuers) Checker {
	return Checker{Source: w.own, Denials: w.denials, Issuers: is}
}

// peer is a verified certificate of the world.
func (w *world) peer(t *testing.T, path string, o certstest.Options) certs.Peer {
	t.Helper()
	p, err := certs.Verify(certs.ServerConfig{Source: w.own}, w.ca.SVID(t, path, o).Chain, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// session is one of a certificate, for as long as it may be.
func (w *world) session(t *testing.T, path string) *Session {
	t.Helper()
	n, err := Narrow("arn:sealgate:iam:::role/training", `{"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::models/fraud/*"}}`)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(FromPeer(w.peer(t, path, certstest.Options{})), n, 0, testTerms, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// jwtKeys puts keys of JWT-SVIDs into the world's bundle.
func (w *world) jwtKeys(t *testing.T, keys map[string]crypto.PublicKey) {
	t.Helper()
	b := w.ca.Bundle()
	b.JWT = keys
	if err := w.own.Publish(certstest.WithBundles(w.ca.SVID(t, "/gateway", certstest.Options{}), b)); err != nil {
		t.Fatal(err)
	}
}

func ecKey(t *testing.T, c elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// claims are those of an honest token, with changes; nil takes one away.
func claims(sub, aud string, changes map[string]any) map[string]any {
	now := time.Now()
	c := map[string]any{"sub": sub, "aud": aud, "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "jti": "one"}
	for k, v := range changes {
		c[k] = v
		if v == nil {
			delete(c, k)
		}
	}
	return c
}

// sign makes a token with whatever key, header and claims.
func sign(t *testing.T, alg jose.SignatureAlgorithm, key any, kid string, header map[jose.HeaderKey]any, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, &jose.SignerOptions{ExtraHeaders: header})
	if err != nil {
		t.Fatal(err)
	}
	object, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := object.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}
