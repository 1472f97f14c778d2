// SPDX-License-Identifier: Apache-2.0

package session

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/policy"
)

// Keys seals tokens and derives their secrets: the tokens keyring. It is safe
// for use by many goroutines.
type Keys interface {
	// Seal seals plain under the active version, bound to aad.
	Seal(aad, plain []byte) ([]byte, error)
	// Open opens what Seal made with the same aad; an error for all else.
	Open(aad, sealed []byte) ([]byte, error)
	// MAC is HMAC-SHA-256 of the sealed bytes under the secret key of the version
	// that sealed them. It is asked of what was opened only.
	MAC(sealed []byte) ([]byte, error)
}

// Credentials are what a client signs with.
type Credentials struct {
	AccessKey, Secret, Token string
	Expires                  time.Time
}

// Format shows the access key alone, whatever the verb.
func (c Credentials) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "credentials of session %s", c.AccessKey)
}

// ErrToken is the one answer to every token that was not sealed by this
// deployment, or is not the token of the access key.
var ErrToken = errors.New("the session token is not one of this gateway")

// ErrTooLarge tells that identity and narrowing do not fit into a token.
var ErrTooLarge = errors.New("role and policy of the session are too large")

const (
	tokenVersion = 1
	maxToken     = 6144 // bytes of the text
)

var encoding = base64.RawURLEncoding.Strict()

// Seal gives the credentials of a session. The error wraps [ErrTooLarge], or is
// that of the keys.
func Seal(k Keys, deployment envelope.ID, s *Session) (Credentials, error) {
	sealed, err := k.Seal(aad(deployment), s.encode())
	if err != nil {
		return Credentials{}, fmt.Errorf("sealing a session: %w", err)
	}
	secret, err := k.MAC(sealed)
	if err != nil {
		return Credentials{}, fmt.Errorf("deriving the secret of a session: %w", err)
	}
	token := encoding.EncodeToString(sealed)
	if len(token) > maxToken {
		return Credentials{}, ErrTooLarge
	}
	return Credentials{AccessKey: s.AccessKey(), Secret: encoding.EncodeToString(secret), Token: token, Expires: s.Expires}, nil
}

// Open gives the session that a token holds, and the secret key that its
// holder signs with. The access key must be the session's. Whether the session
// still holds is not looked at; see [Checker]. The error is [ErrToken].
func Open(k Keys, deployment envelope.ID, accessKey, token string) (*Session, []byte, error) {
	if len(token) > maxToken {
		return nil, nil, ErrToken
	}
	sealed, err := encoding.DecodeString(token)
	if err != nil || encoding.EncodeToString(sealed) != token { // encoding/base64 skips line feeds
		return nil, nil, ErrToken
	}
	plain, err := k.Open(aad(deployment), sealed)
	if err != nil {
		return nil, nil, ErrToken
	}
	s, ok := decode(plain)
	if !ok || s.AccessKey() != accessKey {
		return nil, nil, ErrToken
	}
	secret, err := k.MAC(sealed)
	if err != nil {
		return nil, nil, ErrToken
	}
	return s, []byte(encoding.EncodeToString(secret)), nil
}

func aad(deployment envelope.ID) []byte {
	return append(appendLP(nil, "SG1/session"), deployment[:]...)
}

// encode writes the plaintext of §1.
func (s *Session) encode() []byte {
	b := append([]byte{tokenVersion}, s.ID[:]...)
	b = append(b, byte(s.Kind))
	for _, t := range []time.Time{s.Issued, s.Expires, s.NotBefore, s.NotAfter} {
		b = binary.BigEndian.AppendUint64(b, uint64(t.Unix()))
	}
	b = append(append(b, s.Key[:]...), s.Anchor[:]...)
	for _, text := range []string{s.Identity.String(), s.Serial, s.Issuer, s.Provider, s.Narrowing.Role} {
		b = appendLP(b, text)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(s.Narrowing.Scopes)))
	for _, scope := range s.Narrowing.Scopes {
		b = appendLP(b, scope.String())
	}
	return b
}

// appendLP writes a text behind its length. One that is too long to have a
// length is cut so that it cannot be read back: [Seal] refuses tokens long
// before that.
func appendLP(b []byte, text string) []byte {
	text = text[:min(len(text), 1<<16-1)]
	return append(binary.BigEndian.AppendUint16(b, uint16(len(text))), text...)
}

// decode reads what encode wrote, and nothing else.
func decode(b []byte) (*Session, bool) {
	d := decoder{rest: b, ok: true}
	if d.take(1)[0] != tokenVersion {
		return nil, false
	}
	s := &Session{ID: [16]byte(d.take(16))}
	s.Kind = Kind(d.take(1)[0])
	for _, t := range []*time.Time{&s.Issued, &s.Expires, &s.NotBefore, &s.NotAfter} {
		*t = time.Unix(int64(binary.BigEndian.Uint64(d.take(8))), 0).UTC()
	}
	s.Key, s.Anchor = [32]byte(d.take(32)), [32]byte(d.take(32))
	identity, err := certs.ParseID(d.text())
	s.Identity, s.Serial, s.Issuer, s.Provider, s.Narrowing.Role = identity, d.text(), d.text(), d.text(), d.text()
	for range binary.BigEndian.Uint16(d.take(2)) {
		scope, err := policy.ParseScope(d.text())
		if err != nil || !d.ok {
			return nil, false
		}
		s.Narrowing.Scopes = append(s.Narrowing.Scopes, scope)
	}
	known := s.Kind == Certificate || s.Kind == JWTSVID || s.Kind == IssuerToken
	return s, d.ok && len(d.rest) == 0 && err == nil && known && identity.Path() != ""
}

// decoder takes fields from the front. When they end too early it gives zeros,
// and is not ok.
type decoder struct {
	rest []byte
	ok   bool
}

func (d *decoder) take(n int) []byte {
	if len(d.rest) < n {
		d.ok, d.rest = false, nil
		return make([]byte, n)
	}
	var field []byte
	field, d.rest = d.rest[:n], d.rest[n:]
	return field
}

func (d *decoder) text() string { return string(d.take(int(binary.BigEndian.Uint16(d.take(2))))) }
