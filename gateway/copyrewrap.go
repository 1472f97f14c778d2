// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/s3api"
	"github.com/sealgate/sealgate/gateway/store"
)

// planRewrap prepares a copy that the store makes: the same sealed bytes under
// a header for their new name (FORMAT.md §5, "Copies").
func (c *copying) planRewrap(copier store.Copier) error {
	r := envelope.RewrapConfig{Key: c.key, Location: envelope.Location{Bucket: c.g.Bucket(), Key: c.g.Key()}}
	if c.op.Replace || redirectOf(c.attr) != redirectOf(c.src.object.Attr()) {
		r.Attr = &c.attr
	}
	meta, err := c.src.object.Rewrap(r)
	if err != nil {
		return err
	}
	c.id = c.src.object.ObjectID()
	// All copies have one object id: the header tells this one from what was
	// there before.
	c.x.event.Detail = map[string]string{"how": "rewrap", headerDetail: headerDigest(meta)}
	var tagger store.Tagger
	if c.op.ReplaceTags {
		if tagger, err = c.rd.taggable(); err != nil {
			return err
		}
	}
	c.do = func(ctx context.Context, put store.PutOptions) error {
		made, err := copier.Copy(ctx, c.g.Key(), c.op.Source.Key, store.CopyOptions{
			Metadata: meta, SourceETag: c.src.stored.ETag, SourceVersion: c.op.Source.VersionID,
			IfNoneMatch: put.IfNoneMatch, IfMatch: put.IfMatch, Lock: put.Lock,
		})
		if err != nil {
			return c.raced(ctx, err)
		}
		if c.made, err = c.proved(ctx, meta, made); err != nil || tagger == nil {
			return err
		}
		return tagger.SetTags(ctx, c.g.Key(), made.VersionID, storeTags(c.op.Tags))
	}
	return nil
}

// headerDetail names the digest of a copy's header on the record.
const headerDetail = "header_sha256"

func headerDigest(meta string) string {
	sum := sha256.Sum256([]byte(meta))
	return hex.EncodeToString(sum[:])
}

// proved is proveCopy of the version that was made, where the store names one:
// what another write puts over it meanwhile is no fault of this copy.
func (c *copying) proved(ctx context.Context, meta string, made store.Object) (store.Object, error) {
	rd := c.rd
	var err error
	if rd.store, err = versioned(rd.store, made.VersionID); err != nil {
		return store.Object{}, err
	}
	return rd.proveCopy(ctx, c.g.Key(), meta, made)
}

// provedAtOnce is how much of a copy is fetched to begin with: small objects
// are read whole, of larger ones it holds the first segment.
const provedAtOnce = 2 * envelope.SegmentSize

// proveCopy opens header, manifest and first segment of a copy under its new
// name, before anybody is told that it is there: what the store says it has
// done is only a claim. It gives the object as the store has it now.
func (rd reader) proveCopy(ctx context.Context, key, meta string, made store.Object) (store.Object, error) {
	stored, begin, err := rd.fetch(ctx, key, store.GetOptions{Len: provedAtOnce, IfMatch: made.ETag})
	if err != nil {
		return stored, err
	}
	if stored.Metadata != meta {
		return stored, errReplaced // its tag may be that of the bytes alone
	}
	object, err := envelope.OpenHeader(meta, envelope.Location{Bucket: rd.bucket, Key: key}, rd.x.snap.Keys.Lookup)
	if err != nil {
		return stored, err
	}
	off, n, err := object.TailRange(stored.Size)
	if err != nil {
		return stored, err
	}
	tail := begin[min(off, int64(len(begin))):]
	if int64(len(begin)) < stored.Size {
		if _, tail, err = rd.fetch(ctx, key, store.GetOptions{Off: off, Len: n, IfMatch: made.ETag}); err != nil {
			return stored, err
		}
	}
	if _, err := object.UseManifest(stored.Size, tail); err != nil {
		return stored, shortTail(err, len(tail), n)
	}
	return stored, proveBegin(object, begin, stored.Size)
}

// proveBegin opens the first segment, or all of an object that was fetched
// whole.
func proveBegin(object *envelope.Object, begin []byte, stored int64) error {
	if int64(len(begin)) == stored {
		_, err := io.Copy(io.Discard, object.OpenAll(bytes.NewReader(begin), stored))
		return err
	}
	first := min(object.PlainSize(), envelope.SegmentSize)
	_, sealed, err := object.Plan(0, first)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, object.OpenRange(bytes.NewReader(begin[:min(sealed, int64(len(begin)))]), 0, first))
	return err
}

// errReplaced answers a copy over which another write went before it was
// proved.
var errReplaced = s3api.SlowDown("the copy was replaced before it was checked; try again")

// fetch reads a small range.
func (rd reader) fetch(ctx context.Context, key string, o store.GetOptions) (store.Object, []byte, error) {
	body, err := rd.store.Get(ctx, key, o)
	if errors.Is(err, store.ErrPrecondition) || errors.Is(err, store.ErrNotFound) {
		return store.Object{}, nil, errReplaced
	}
	if err != nil {
		return store.Object{}, nil, err
	}
	defer body.Close() //nolint:errcheck // read side: nothing can be lost
	b, err := io.ReadAll(io.LimitReader(body, o.Len+1))
	return body.Object, b, err
}
