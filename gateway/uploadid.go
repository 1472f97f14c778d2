// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"time"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/rotation"
)

// An upload id is a sealed token (S3.md, "Multipart uploads"). It opens only
// for the identity, bucket and key that it was made for, and does nothing
// without its row in the state database; what the row says is held against
// what the token says.

// uploadLife is how long an upload id is good for.
const uploadLife = 7 * 24 * time.Hour

// uploadScope is what an upload id is bound to.
type uploadScope struct{ Identity, Bucket, Key string }

// uploadToken is what an upload id says.
type uploadToken struct {
	object   envelope.ID
	metadata [sha256.Size]byte // of the sealed metadata
	created  time.Time         // in microseconds, as the row has it
	expires  time.Time

	// Conditions that the object shall meet when it appears.
	ifNoneMatch bool
	ifMatch     string // as the client sent it
}

// errUploadID is the one answer to every upload id that is not one of this
// scope.
var errUploadID = errors.New("the upload id is not one of this upload")

func uploadBox(keys *rotation.Set) rotation.Box { return keys.Box("tokens", "upload") }

func (s uploadScope) bytes() []byte {
	var b []byte
	for _, part := range []string{s.Identity, s.Bucket, s.Key} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(part)))
		b = append(b, part...)
	}
	return b
}

func sealUploadID(box rotation.Box, s uploadScope, t uploadToken) (string, error) {
	sealed, err := box.Seal(s.bytes(), t.encode())
	return base64.RawURLEncoding.EncodeToString(sealed), err
}

func openUploadID(box rotation.Box, s uploadScope, id string) (uploadToken, error) {
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(id)
	if err != nil {
		return uploadToken{}, errUploadID
	}
	plain, err := box.Open(s.bytes(), sealed)
	if err != nil {
		return uploadToken{}, errUploadID
	}
	return decodeUploadToken(plain)
}

// uploadTokenSize is that of a token without If-Match.
const uploadTokenSize = 16 + sha256.Size + 8 + 8 + 1

func (t uploadToken) encode() []byte {
	b := append(make([]byte, 0, uploadTokenSize+len(t.ifMatch)), t.object[:]...)
	b = append(b, t.metadata[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(t.created.UnixMicro()))
	b = binary.BigEndian.AppendUint64(b, uint64(t.expires.UnixMicro()))
	flag := byte(0)
	if t.ifNoneMatch {
		flag = 1
	}
	return append(append(b, flag), t.ifMatch...)
}

func decodeUploadToken(b []byte) (uploadToken, error) {
	if len(b) < uploadTokenSize || b[uploadTokenSize-1] > 1 {
		return uploadToken{}, errUploadID
	}
	micro := func(at int) time.Time {
		return time.UnixMicro(int64(binary.BigEndian.Uint64(b[at:]) & math.MaxInt64)).UTC()
	}
	return uploadToken{
		object: envelope.ID(b[:16]), metadata: [sha256.Size]byte(b[16:48]), created: micro(48), expires: micro(56),
		ifNoneMatch: b[64] == 1, ifMatch: string(b[uploadTokenSize:]),
	}, nil
}
