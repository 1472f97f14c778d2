// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/sealgate/sealgate/certs"
)

const (
	maxAudiences = 8
	maxAudience  = 2048        // bytes
	maxToken     = 16 << 10    // bytes
	maxAhead     = time.Minute // how far in the future iat may be
)

// tokenClaims are the claims of a JWT-SVID that we issue (AUTHORITY.md §6).
type tokenClaims struct {
	Subject  string          `json:"sub"`
	Audience jwt.Audience    `json:"aud"`
	Expiry   jwt.NumericDate `json:"exp"`
	IssuedAt jwt.NumericDate `json:"iat"`
	ID       string          `json:"jti"`
}

// jwks is the JWT bundle (SPIFFE Trust Domain and Bundle §4).
func (s *keySet) jwks() jose.JSONWebKeySet {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, k := range s.jwt {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.public, KeyID: k.kid, Use: "jwt-svid", Algorithm: string(jose.ES256)})
	}
	return set
}

// checkAudience holds what a caller asks for to AUTHORITY.md §3.4.
func checkAudience(audience []string) error {
	if len(audience) == 0 || len(audience) > maxAudiences {
		return fmt.Errorf("%d audiences; 1 to %d are allowed", len(audience), maxAudiences)
	}
	for _, a := range audience {
		if a == "" || len(a) > maxAudience {
			return fmt.Errorf("an audience of %d bytes; 1 to %d are allowed", len(a), maxAudience)
		}
	}
	return nil
}

// issueJWT signs and records one JWT-SVID. Nothing is returned before the record is
// durable.
func (a *Authority) issueJWT(ctx context.Context, st *state, r request, audience []string) (string, error) {
	key := find(st.keys.jwt, active)
	now := a.cfg.Now()
	if key == nil || !now.Before(key.end) {
		return "", errors.New("the authority has no JWT key that is valid now")
	}
	if now.Before(key.created.Add(-backdate)) {
		return "", errClock
	}
	start := now.UTC().Truncate(time.Second)
	end := earlier(start.Add(a.cfg.JWTTTL), key.end)
	c := tokenClaims{
		Subject: r.id.String(), Audience: audience, ID: hex.EncodeToString(randomBytes(16)),
		Expiry: *jwt.NewNumericDate(end), IssuedAt: *jwt.NewNumericDate(start),
	}
	token, err := signToken(key, c)
	if err != nil {
		return "", fmt.Errorf("signing a JWT-SVID: %w", err)
	}
	if _, _, err := st.validateJWT(token, audience[0], now, a.cfg.TrustDomain); err != nil {
		return "", fmt.Errorf("checking the JWT-SVID of %s, which is not released: %w", r.id, err)
	}
	issue := Issue{
		Kind: KindJWT, ID: r.id, Entries: r.entries, Serial: c.ID, KeyID: key.kid,
		NotBefore: start, NotAfter: end, Audience: audience, Caller: r.caller,
	}
	if err := a.cfg.Record(ctx, issue); err != nil {
		return "", fmt.Errorf("recording the JWT-SVID of %s, which is not released: %w", r.id, err)
	}
	return token, nil
}

// signToken writes the compact form. kid is always there: a verifier must never have
// to try keys.
func signToken(key *signingKey, c tokenClaims) (string, error) {
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key.private, KeyID: key.kid}},
		(&jose.SignerOptions{}).WithType("JWT"),
	)
	if err != nil {
		return "", err
	}
	return jwt.Signed(signer).Claims(c).Serialize()
}

// validateJWT checks a token as AUTHORITY.md §3.4 says and returns whose it is with
// all of its claims. Only keys of the bundle count, chosen by kid, and only ES256.
func (st *state) validateJWT(token, audience string, now time.Time, td certs.TrustDomain) (certs.ID, map[string]any, error) {
	if len(token) > maxToken {
		return certs.ID{}, nil, fmt.Errorf("it has over %d bytes", maxToken)
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return certs.ID{}, nil, errors.New("it is not a JWT signed with ES256")
	}
	public, err := st.tokenKey(parsed)
	if err != nil {
		return certs.ID{}, nil, err
	}
	var c jwt.Claims
	all := map[string]any{}
	if err := parsed.Claims(public, &c, &all); err != nil {
		return certs.ID{}, nil, errors.New("its signature does not verify")
	}
	id, err := checkClaims(c, audience, now, td)
	return id, all, err
}

// tokenKey chooses the key by kid from our own bundle, and by nothing else that is in
// the token: no embedded key, no address to fetch one from.
func (st *state) tokenKey(token *jwt.JSONWebToken) (any, error) {
	h := token.Headers[0] // ParseSigned has seen to it that there is exactly one
	if typ, ok := h.ExtraHeaders[jose.HeaderType]; ok && typ != "JWT" && typ != "JOSE" {
		return nil, errors.New("its typ is neither JWT nor JOSE")
	}
	key, ok := st.bundle.JWT[h.KeyID]
	if !ok {
		return nil, errors.New("its kid is not in the bundle")
	}
	return key, nil
}

// checkClaims is called after the signature has been verified. Our own clock wrote
// exp, so there is no leeway at its end.
func checkClaims(c jwt.Claims, audience string, now time.Time, td certs.TrustDomain) (certs.ID, error) {
	id, err := certs.ParseID(c.Subject)
	switch {
	case err != nil:
		return certs.ID{}, fmt.Errorf("its sub: %w", err)
	case id.TrustDomain() != td || id.Path() == "":
		return certs.ID{}, fmt.Errorf("its sub %s is not a workload of %s", id, td)
	case !c.Audience.Contains(audience):
		return certs.ID{}, errors.New("it is for another audience")
	case c.Expiry == nil || !now.Before(c.Expiry.Time()):
		return certs.ID{}, errors.New("it has expired")
	case c.NotBefore != nil && now.Before(c.NotBefore.Time()),
		c.IssuedAt != nil && c.IssuedAt.Time().After(now.Add(maxAhead)):
		return certs.ID{}, errors.New("it is from the future")
	}
	return id, nil
}
