// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/s3api"
)

// attrOf gives what is sealed with an object: its headers, the client's own
// metadata, and the checksum that came ahead of the body.
func attrOf(op *s3api.PutObject) envelope.Attr {
	a := attrFrom(op.Headers, op.Meta)
	a.Checksum = sealedChecksum(op.Checksum)
	return a
}

func attrFrom(h s3api.Headers, meta []s3api.UserMeta) envelope.Attr {
	a := envelope.Attr{
		ContentType: h.ContentType, ContentEncoding: h.ContentEncoding, ContentDisposition: h.ContentDisposition,
		ContentLanguage: h.ContentLanguage, CacheControl: h.CacheControl, Expires: h.Expires,
	}
	for _, m := range meta {
		a.User = append(a.User, envelope.UserMeta(m))
	}
	return withRedirect(a, h.Redirect)
}

func headersOf(a envelope.Attr) s3api.Headers {
	return s3api.Headers{
		ContentType: a.ContentType, ContentEncoding: a.ContentEncoding, ContentDisposition: a.ContentDisposition,
		ContentLanguage: a.ContentLanguage, CacheControl: a.CacheControl, Expires: a.Expires, Redirect: redirectOf(a),
	}
}

func metaOf(a envelope.Attr) []s3api.UserMeta {
	var out []s3api.UserMeta
	for _, m := range withRedirect(a, "").User {
		out = append(out, s3api.UserMeta(m))
	}
	return out
}

// algorithms of the wire and of the format are the same list in the same
// order; a test holds that.
func sealedChecksum(c s3api.Checksum) envelope.Checksum {
	return envelope.Checksum{Algorithm: envelope.ChecksumAlgorithm(c.Algorithm), Sum: c.Sum}
}

func wireChecksum(c envelope.Checksum) s3api.Checksum {
	return s3api.Checksum{Algorithm: s3api.Algorithm(c.Algorithm), Sum: c.Sum}
}

// digestsOf gives what the manifest keeps of a body that was read whole.
func digestsOf(b *s3api.Body) (envelope.Digests, error) {
	s := b.Sums()
	return envelope.Digests{CRC64NVME: s.CRC64NVME, SHA256: s.SHA256, Client: sealedChecksum(s.Client)}, nil
}

// checksumOf gives the checksum a client is answered: its own, or the one
// that every object has.
func checksumOf(s *source) s3api.Checksum {
	c := s.object.Attr().Checksum
	if c.Algorithm == envelope.ChecksumNone && s.manifest != nil {
		return manifestChecksum(s.manifest)
	}
	return wireChecksum(c)
}

// digest gives the keyed digest of a plaintext for the record: equal content
// has equal digests, and no reader of the log can test a guess.
func (x *exchange) digest(s s3api.Sums) string {
	if s.SHA256 == nil {
		return ""
	}
	key := x.snap.Keys.System("audit")
	if key == nil {
		return ""
	}
	m := hmac.New(sha256.New, key.Derive("digest", sha256.Size))
	m.Write(s.SHA256[:])
	return hex.EncodeToString(m.Sum(nil))
}
