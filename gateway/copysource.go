// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"net/http"

	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/policy"
	"github.com/sealgate/sealgate/gateway/s3api"
	"github.com/sealgate/sealgate/gateway/store"
)

// copySource is what a copy reads: an object that the caller may read, whose
// header and manifest were verified under the source's own name.
type copySource struct {
	*source
	from   s3api.CopySource
	reader reader
	grant  policy.Grant

	x       *exchange
	pending audit.Pending
}

// openSource decides whether the caller may read the source, records that it
// is read, and opens it. The source has a record of its own, with the rule
// that allows it: whoever looks for readers of an object finds its copies. The
// caller ends it with end.
func (x *exchange) openSource(from s3api.CopySource, to s3api.Resource) (*copySource, error) {
	c := &copySource{from: from, x: x}
	event := x.event
	event.Event, event.Bucket, event.Key, event.VersionID = "artifact.read", from.Bucket, from.Key, from.VersionID
	event.AwaitOutcome, event.Object, event.Detail = false, "", map[string]string{"copied_to_bucket": to.Bucket, "copied_to_key": to.Key}
	if err := c.authorize(&event); err != nil {
		return nil, err
	}
	rd, err := x.readerAt(c.grant, from.VersionID)
	if err != nil {
		return nil, err
	}
	c.reader = rd
	x.noted, event.Decision = true, "allow"
	if c.pending, err = x.g.config.Audit.Begin(x.r.Context(), event); err != nil {
		return nil, x.unrecorded(err)
	}
	x.w.Header().Set("X-Sealgate-Audit", c.pending.Receipt().String())
	if err := c.open(); err != nil {
		c.end(err)
		return nil, err
	}
	return c, nil
}

// authorize decides on the source as on the path of a request. The record of a
// refusal is about the source: that is what was asked for without a right.
func (c *copySource) authorize(event *audit.Event) (err error) {
	x, r := c.x, c.from.Resource()
	reason, rule := policy.ReservedName, ""
	if !r.Reserved() {
		d := x.who.Decide(policy.Query{Verb: policy.VerbRead, Bucket: r.Bucket, Key: r.Key, Now: x.start})
		event.Rule, event.Role = d.Rule(), d.Role()
		if d.Allowed() {
			c.grant, err = d.Grant()
			return err
		}
		reason, rule = d.Reason(), d.Rule()
	}
	x.event = *event
	return x.deny(reason, rule, "read "+r.String())
}

// open finds the source, verifies it, and holds the conditions of the copy
// against it.
func (c *copySource) open() error {
	w := want{key: c.from.Key, checksums: true}
	s, err := c.reader.head(c.x.r.Context(), w)
	if err != nil {
		return c.x.missing(c.grant, "read "+c.from.Resource().String(), err)
	}
	c.source = s
	return c.from.Check(s3api.ETag(s.stored.ETag), s.stored.LastModified)
}

// body opens the source's bytes: those that the header belongs to.
func (c *copySource) body(ctx context.Context, o store.GetOptions) (*store.Reader, error) {
	o.IfMatch = c.stored.ETag
	r, err := c.reader.store.Get(ctx, c.from.Key, o)
	return r, changedMeanwhile(err)
}

// end records what came of reading the source.
func (c *copySource) end(err error) {
	o := audit.Outcome{Status: http.StatusOK}
	if err != nil {
		e := c.x.translate(err)
		o.Status, o.S3Error = e.Status, e.Code
		if isIntegrity(err) {
			o.Abort = audit.AbortIntegrity
		}
	}
	if c.source != nil {
		o.Object, o.VersionID = c.object.ObjectID().String(), c.stored.VersionID
		o.Keyring, o.KeyringVersion = c.object.Ring().String(), c.object.RingVersion()
	}
	ctx, cancel := c.x.detached()
	defer cancel()
	if err := c.pending.End(ctx, o); err != nil {
		_ = c.x.unrecorded(err) // the outcome of a read follows lazily; the log itself says what is wrong with it
	}
}
