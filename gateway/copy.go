// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"net/http"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/policy"
	"github.com/sealgate/sealgate/gateway/s3api"
	"github.com/sealgate/sealgate/gateway/store"
)

// copying is one copy on its way: where to, what of, and how.
type copying struct {
	x   *exchange
	op  *s3api.CopyObject
	g   policy.Grant // of the destination
	rd  reader       // of the destination's bucket
	src *copySource
	key *envelope.KeyringKey // seals at the destination

	attr envelope.Attr // of the copy
	id   envelope.ID   // of the copy
	sum  s3api.Checksum
	made store.Object
	do   func(context.Context, store.PutOptions) error
}

// copyObject copies an object (S3.md, "Copies"). Inside one bucket and keyring
// the store copies the sealed bytes under a new header; everywhere else the
// plaintext is opened and sealed anew.
func (x *exchange) copyObject(op *s3api.CopyObject, g policy.Grant) (err error) {
	c := &copying{x: x, op: op, g: g}
	if c.rd, err = x.reader(g); err != nil {
		return err
	}
	if c.key, err = x.snap.Keys.Active(g.Bucket(), g.Key()); err != nil {
		return err
	}
	if (op.IfNoneMatch || op.IfMatch != "") && !x.snap.Buckets[g.Bucket()].Conditional {
		return s3api.NotImplemented("conditional CopyObject on this bucket")
	}
	if err := x.maySetTags(g, op.Tags); err != nil {
		return err
	}
	if err := x.locking(c.rd, g, op.Lock); err != nil {
		return err
	}
	if c.src, err = x.openSource(op.Source, op.Resource()); err != nil {
		return err
	}
	defer func() { c.src.end(err) }()
	if err := c.plan(); err != nil {
		return err
	}
	if err := c.begin(); err != nil {
		return err
	}
	if err := x.late(func() error { return c.run(x.r.Context()) }); err != nil {
		return x.missing(g, x.doing(), err)
	}
	return c.copied()
}

// plan decides how to copy, and what the copy will be.
func (c *copying) plan() error {
	c.attr = withRedirect(c.src.object.Attr(), c.op.Headers.Redirect)
	if c.op.Replace {
		c.attr = attrOf(&s3api.PutObject{Headers: c.op.Headers, Meta: c.op.Meta})
		c.attr.Checksum = c.src.object.Attr().Checksum
	}
	c.sum = checksumOf(c.src.source)
	copier, ok := c.rd.store.(store.Copier)
	sameRing := c.op.Bucket == c.op.Source.Bucket && c.key.Ring() == c.src.object.Ring()
	sameSum := c.op.Algorithm == s3api.ChecksumNone || c.op.Algorithm == c.sum.Algorithm
	if ok && sameRing && sameSum {
		return c.planRewrap(copier)
	}
	return c.planReseal()
}

// begin makes the intent durable, with what tells after a crash whether the
// copy was made.
func (c *copying) begin() error {
	x := c.x
	x.event.Object, x.event.BytesPlanned = c.id.String(), c.src.object.PlainSize()
	detail := map[string]string{"source_bucket": c.op.Source.Bucket, "source_key": c.op.Source.Key}
	if v := c.op.Source.VersionID; v != "" {
		detail["source_version"] = v
	}
	for name, value := range x.event.Detail {
		detail[name] = value
	}
	x.event.Detail = detail
	x.noteLock(c.op.Lock)
	if err := x.begin(); err != nil {
		return err
	}
	x.outcome.Keyring, x.outcome.KeyringVersion = c.key.Ring().String(), c.key.Version()
	return nil
}

// run makes the copy, and its tags. A key that is not there, where a condition
// needs one, is hidden by whoever answers.
func (c *copying) run(ctx context.Context) error {
	put := store.PutOptions{IfNoneMatch: c.op.IfNoneMatch, Lock: storeLock(c.op.Lock)}
	var err error
	if put.IfMatch, err = c.rd.exactETag(ctx, c.g.Key(), c.op.IfMatch); err != nil {
		return err
	}
	if err := c.do(ctx, put); err != nil {
		return c.x.writeError(c.rd, c.g.Key(), c.id, err)
	}
	return nil
}

// copied acknowledges the copy once its outcome is durable.
func (c *copying) copied() error {
	x := c.x
	x.outcome.Status, x.outcome.Object, x.outcome.VersionID = http.StatusOK, c.id.String(), c.made.VersionID
	x.g.pins.check(c.g.Bucket(), c.g.Key(), c.made.ETag, c.id)
	if err := x.end(); err != nil {
		return x.unrecorded(err)
	}
	told := s3api.Copied{
		ETag: s3api.ETag(c.made.ETag), Modified: c.made.LastModified, Checksum: c.sum,
		VersionID: c.made.VersionID, SourceVersionID: c.src.stored.VersionID,
	}
	if x.isLate {
		s3api.WriteCopiedLate(x.w, told)
		return nil
	}
	x.w.Header().Set("X-Sealgate-Object", c.id.String())
	s3api.WriteCopied(x.w, told)
	return nil
}

// maySetTags decides whether the caller may give an object these tags, if any.
func (x *exchange) maySetTags(g policy.Grant, tags []s3api.Tag) error {
	if len(tags) == 0 {
		return nil
	}
	d := x.who.Decide(policy.Query{Verb: policy.VerbTag, Bucket: g.Bucket(), Key: g.Key(), Now: x.start})
	if d.Allowed() {
		return nil
	}
	x.event.Role = d.Role()
	return x.deny(d.Reason(), d.Rule(), "tag "+g.Bucket()+"/"+g.Key())
}

// taggable gives the store of tags of a bucket; tags that cannot be kept are
// refused before anything is written.
func (rd reader) taggable() (store.Tagger, error) {
	if t, ok := rd.store.(store.Tagger); ok {
		return t, nil
	}
	return nil, s3api.NotImplemented("tagging in this bucket")
}

// raced turns a condition that failed inside the store into what the client
// can act on: its own condition on the destination, or a source that changed.
func (c *copying) raced(ctx context.Context, err error) error {
	if !errors.Is(err, store.ErrPrecondition) {
		return changedMeanwhile(err)
	}
	now, herr := c.src.reader.store.Head(ctx, c.op.Source.Key)
	if herr == nil && now.ETag == c.src.stored.ETag && (c.op.IfNoneMatch || c.op.IfMatch != "") {
		return err
	}
	return changedMeanwhile(err)
}
