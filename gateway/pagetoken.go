// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"encoding/base64"
	"encoding/binary"
	"errors"

	"github.com/sealgate/sealgate/rotation"
)

// pageScope is what a continuation token is good for. A token of another
// identity, bucket, prefix or delimiter does not open.
type pageScope struct {
	Identity, Bucket, Prefix, Delimiter string
}

// errPageToken is the one answer to every token that was not made here for
// this very listing.
var errPageToken = errors.New("the continuation token is not one of this listing")

// pageBox seals continuation tokens.
func pageBox(keys *rotation.Set) rotation.Box { return keys.Box("tokens", "page") }

// sealPage makes a token for going on after a name.
func sealPage(box rotation.Box, s pageScope, after string) (string, error) {
	sealed, err := box.Seal(s.bytes(), []byte(after))
	return base64.RawURLEncoding.EncodeToString(sealed), err
}

// openPage gives the name a token goes on after.
func openPage(box rotation.Box, s pageScope, token string) (string, error) {
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil {
		return "", errPageToken
	}
	after, err := box.Open(s.bytes(), sealed)
	if err != nil {
		return "", errPageToken
	}
	return string(after), nil
}

// bytes encodes the scope so that no two scopes encode alike.
func (s pageScope) bytes() []byte {
	var b []byte
	for _, part := range []string{s.Identity, s.Bucket, s.Prefix, s.Delimiter} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(part)))
		b = append(b, part...)
	}
	return b
}
