// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"github.com/sealgate/sealgate/gateway/policy"
	"github.com/sealgate/sealgate/gateway/s3api"
)

// objectAttributes answers from the verified header and manifest: sizes,
// checksums and parts are the object's own, none is the store's word.
func (x *exchange) objectAttributes(op *s3api.GetObjectAttributes, g policy.Grant) error {
	rd, err := x.readerAt(g, op.VersionID)
	if err != nil {
		return err
	}
	if err := x.begin(); err != nil {
		return err
	}
	s, err := rd.head(x.r.Context(), want{key: g.Key(), checksums: true})
	if err != nil {
		return x.readError(s, g, err)
	}
	x.w.Header().Set("X-Sealgate-Object", s.object.ObjectID().String())
	a := s3api.Attributes{
		ETag: s3api.ETag(s.stored.ETag), Modified: s.stored.LastModified, VersionID: s.stored.VersionID,
		Size: s.object.PlainSize(), Checksum: checksumOf(s),
	}
	if s.object.Multipart() {
		a.Parts, a.More = partsOf(s, op.After, op.MaxParts)
		a.Total = len(s.manifest.Parts)
	}
	s3api.WriteAttributes(x.w, op, a)
	return nil
}

// partsOf gives at most limit parts after a number, as the manifest has them.
func partsOf(s *source, after, limit int) (parts []s3api.AttributePart, more bool) {
	algorithm := s3api.Algorithm(s.manifest.Digests.Client.Algorithm)
	for _, p := range s.manifest.Parts {
		if p.Number <= after {
			continue
		}
		if len(parts) == limit {
			return parts, true
		}
		part := s3api.AttributePart{Number: p.Number, Size: p.Size}
		if algorithm != s3api.ChecksumNone {
			part.Checksum = s3api.Checksum{Algorithm: algorithm, Sum: p.Checksum}
		}
		parts = append(parts, part)
	}
	return parts, false
}
