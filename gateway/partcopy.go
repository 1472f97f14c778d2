// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sealgate/sealgate/gateway/policy"
	"github.com/sealgate/sealgate/gateway/s3api"
	"github.com/sealgate/sealgate/gateway/store"
)

// copyPart makes a part of a range of another object, which is opened and
// sealed again: a part has a key of its own.
func (x *exchange) copyPart(op *s3api.UploadPartCopy, g policy.Grant) (err error) {
	u, err := x.openUpload(g, op.UploadID)
	if err != nil {
		return err
	}
	src, err := x.openSource(op.Source, op.Resource())
	if err != nil {
		return err
	}
	defer func() { src.end(err) }()
	size, err := copyLength(op, src.object.PlainSize())
	if err != nil {
		return err
	}
	x.event.BytesPlanned, x.event.Detail = size, partDetail(op.Number)
	x.event.Detail["source_bucket"], x.event.Detail["source_key"] = op.Source.Bucket, op.Source.Key
	if err := x.begin(); err != nil {
		return err
	}
	var w writtenPart
	if err := x.late(func() (err error) {
		w, err = x.copyBytes(u, src, op, size)
		return err
	}); err != nil {
		return err
	}
	x.outcome.Status = 200
	if err := x.end(); err != nil {
		return x.unrecorded(err)
	}
	answer := s3api.Copied{ETag: s3api.ETag(w.etag), Modified: time.Now(), SourceVersionID: src.stored.VersionID}
	if u.row.Algorithm != "" {
		answer.Checksum = w.checksum()
	}
	if x.isLate {
		s3api.WriteCopiedPartLate(x.w, answer)
	} else {
		s3api.WriteCopiedPart(x.w, answer)
	}
	return nil
}

// copyLength gives the number of plaintext bytes to copy.
func copyLength(op *s3api.UploadPartCopy, whole int64) (int64, error) {
	size := op.Len
	if size < 0 {
		size = whole
	}
	if op.Off+size > whole {
		return 0, s3api.InvalidArgument("x-amz-copy-source-range", fmt.Sprintf("bytes=%d-%d", op.Off, op.Off+size-1),
			fmt.Sprintf("Range specified is not valid for source object of size: %d", whole))
	}
	if limit := partLimit(op.Number); size > limit {
		return 0, partTooLarge(op.Number, size, limit)
	}
	return size, nil
}

// copyBytes opens the range and writes it as a part.
func (x *exchange) copyBytes(u *upload, src *copySource, op *s3api.UploadPartCopy, size int64) (writtenPart, error) {
	plain := io.Reader(strings.NewReader(""))
	if size > 0 {
		off, n, err := src.object.Plan(op.Off, size)
		if err != nil {
			return writtenPart{}, err
		}
		body, err := src.body(x.r.Context(), store.GetOptions{Off: off, Len: n})
		if err != nil {
			return writtenPart{}, err
		}
		defer body.Close() //nolint:errcheck // read side: nothing can be lost
		plain = src.object.OpenRange(body, op.Off, size)
	}
	return x.writePart(u, op.Number, size, copyPlain(plain, u.algorithm(s3api.ChecksumNone)))
}
