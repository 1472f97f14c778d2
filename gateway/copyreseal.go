// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"

	"github.com/minio/crc64nvme"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/s3api"
	"github.com/sealgate/sealgate/gateway/store"
)

// maxCopySource is S3's limit of a copy in one request, in bytes.
const maxCopySource = 5 << 30

// planReseal prepares a copy whose plaintext passes through the gateway: it is
// opened as a read is, and sealed as a write is, under a DEK and an id of its
// own. No byte is held longer than a segment.
func (c *copying) planReseal() error {
	size := c.src.object.PlainSize()
	if size > envelope.MaxPutSize {
		return s3api.InvalidRequest(fmt.Sprintf("The specified copy source is larger than the maximum allowable size for a copy source: %d", int64(maxCopySource)))
	}
	want := c.wantedSum()
	if want.known.Algorithm != s3api.Algorithm(c.attr.Checksum.Algorithm) {
		c.attr.Checksum = envelope.Checksum{} // the copy has another: it will stand in the manifest
	}
	sealer, err := envelope.NewSealer(envelope.SealConfig{
		Key: c.key, Location: envelope.Location{Bucket: c.g.Bucket(), Key: c.g.Key()}, Size: size, Attr: c.attr,
	})
	if err != nil {
		return err
	}
	tags, err := c.tags()
	if err != nil {
		return err
	}
	c.id = sealer.ObjectID()
	c.x.event.Detail = map[string]string{"how": "reseal"}
	c.do = func(ctx context.Context, put store.PutOptions) error {
		put.Size, put.Metadata = sealer.StoredSize(), sealer.Metadata()
		if err := c.stream(ctx, sealer, want, put); err != nil || len(tags) == 0 {
			return err
		}
		return c.rd.store.(store.Tagger).SetTags(ctx, c.g.Key(), c.made.VersionID, tags) // tags() has looked
	}
	return nil
}

// copiedSum says which checksum a copy gets.
type copiedSum struct {
	algorithm s3api.Algorithm
	known     s3api.Checksum // of the source, which the copy's must equal; zero when it has to be found
}

// wantedSum gives the checksum of a copy: the source's, unless another one is
// asked for or the source's is a sum of parts, which the copy has none of.
func (c *copying) wantedSum() copiedSum {
	w := copiedSum{algorithm: c.sum.Algorithm}
	if c.op.Algorithm != s3api.ChecksumNone {
		w.algorithm = c.op.Algorithm
	}
	if w.algorithm == c.sum.Algorithm && c.sum.Type() == s3api.FullObject {
		w.known = c.sum
	}
	return w
}

// tags gives what the copy is to be tagged with.
func (c *copying) tags() ([]store.Tag, error) {
	tags := storeTags(c.op.Tags)
	if !c.op.ReplaceTags {
		from, ok := c.src.reader.store.(store.Tagger)
		if !ok {
			return nil, nil
		}
		var err error
		if tags, err = from.Tags(c.x.r.Context(), c.op.Source.Key, c.op.Source.VersionID); err != nil {
			return nil, changedMeanwhile(err)
		}
	}
	if len(tags) == 0 {
		return nil, nil
	}
	_, err := c.rd.taggable()
	return tags, err
}

// stream reads the source and writes the copy.
func (c *copying) stream(ctx context.Context, sealer *envelope.Sealer, want copiedSum, put store.PutOptions) error {
	body, err := c.src.body(ctx, store.Whole())
	if err != nil {
		return err
	}
	defer body.Close() //nolint:errcheck // read side: nothing can be lost
	sums := newCopySums(want.algorithm)
	plain := io.TeeReader(c.src.object.OpenAll(body, c.src.stored.Size), sums)
	finish := func() (envelope.Digests, error) {
		c.sum = sums.client()
		if want.known.Algorithm != s3api.ChecksumNone && !bytes.Equal(c.sum.Sum, want.known.Sum) {
			return envelope.Digests{}, fmt.Errorf("the source's checksum is not that of its bytes: %w", envelope.ErrAuth)
		}
		return sums.digests(), nil
	}
	c.made, err = c.rd.store.Put(ctx, c.g.Key(), sealer.Reader(plain, finish), put)
	return err
}

// copySums computes what the manifest of a copy keeps.
type copySums struct {
	crc64     hash.Hash
	sha256    hash.Hash // nil unless it is the checksum
	other     hash.Hash // nil when it is one of the two
	algorithm s3api.Algorithm
}

func newCopySums(a s3api.Algorithm) *copySums {
	s := &copySums{crc64: crc64nvme.New(), algorithm: a}
	switch a {
	case s3api.ChecksumSHA256:
		s.sha256 = sha256.New()
	case s3api.ChecksumNone, s3api.ChecksumCRC64NVME:
	default:
		s.other = a.New()
	}
	return s
}

// Write implements io.Writer.
func (s *copySums) Write(p []byte) (int, error) {
	for _, h := range []hash.Hash{s.crc64, s.sha256, s.other} {
		if h != nil {
			_, _ = h.Write(p) // a hash.Hash never fails
		}
	}
	return len(p), nil
}

func (s *copySums) client() s3api.Checksum {
	h := s.crc64
	switch {
	case s.other != nil:
		h = s.other
	case s.sha256 != nil:
		h = s.sha256
	case s.algorithm == s3api.ChecksumNone:
		return s3api.Checksum{}
	}
	return s3api.Checksum{Algorithm: s.algorithm, Sum: h.Sum(nil)}
}

func (s *copySums) digests() envelope.Digests {
	d := envelope.Digests{Client: sealedChecksum(s.client())}
	copy(d.CRC64NVME[:], s.crc64.Sum(nil))
	if s.sha256 != nil {
		d.SHA256 = (*[32]byte)(s.sha256.Sum(nil))
	}
	return d
}
