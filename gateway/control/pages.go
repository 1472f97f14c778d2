// SPDX-License-Identifier: Apache-2.0

package control

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"maps"
	"net/url"
	"slices"
)

// pages seals the tokens with which a caller goes on after an answer. A token
// is good for the caller and the query that it was made for. Its key is drawn
// at start and never leaves the process: a place in this replica's log means
// nothing to another, and the log must be readable while no KEK is.
type pages struct{ aead cipher.AEAD }

func newPages() pages {
	var key [32]byte
	_, _ = rand.Read(key[:]) // never fails: it ends the process instead
	block, err := aes.NewCipher(key[:])
	if err == nil {
		var aead cipher.AEAD
		if aead, err = cipher.NewGCMWithRandomNonce(block); err == nil {
			return pages{aead}
		}
	}
	panic("control: internal error: " + err.Error()) // 32-byte AES keys are always accepted
}

// seal makes a token for going on after so many items.
func (p pages) seal(scope []byte, done int) string {
	plain := binary.BigEndian.AppendUint64(nil, uint64(done))
	return base64.RawURLEncoding.EncodeToString(p.aead.Seal(nil, nil, plain, scope)) //nolint:gosec // G407: this AEAD draws its nonce itself and takes none
}

// open gives the number of items that a token goes on after.
func (p pages) open(scope []byte, token string) (int, error) {
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err == nil {
		var plain []byte
		if plain, err = p.aead.Open(nil, nil, sealed, scope); err == nil && len(plain) == 8 {
			return int(binary.BigEndian.Uint64(plain)), nil
		}
	}
	return 0, Fail(Invalid, fmt.Sprintf("page %.40q is not what an answer to this very query gave as next since the gateway started; begin without it", token))
}

// pageScope is what a token is bound to: who asks, for what. How many items an
// answer holds may change on the way.
func (c *call) pageScope(query url.Values) []byte {
	var b []byte
	add := func(s string) { b = append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...) }
	add(c.who.actor)
	add(c.row.action)
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if name != "page" && name != "limit" {
			add(name)
			add(query.Get(name))
		}
	}
	return b
}
