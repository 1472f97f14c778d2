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

func (x *exchange) putObject(op *s3api.PutObject, g policy.Grant) error {
	rd, err := x.reader(g)
	if err != nil {
		return err
	}
	key, err := x.snap.Keys.Active(g.Bucket(), g.Key())
	if err != nil {
		return err
	}
	sealer, err := envelope.NewSealer(envelope.SealConfig{
		Key: key, Location: envelope.Location{Bucket: g.Bucket(), Key: g.Key()}, Size: op.Size, Attr: attrOf(op),
	})
	if err != nil {
		return err
	}
	if needsConditions(op) && !x.snap.Buckets[g.Bucket()].Conditional {
		return s3api.NotImplemented("conditional PutObject on this bucket")
	}
	x.event.Object, x.event.BytesPlanned = sealer.ObjectID().String(), op.Size
	if err := x.begin(); err != nil {
		return err
	}
	x.outcome.Keyring, x.outcome.KeyringVersion = key.Ring().String(), key.Version()
	put := store.PutOptions{Size: sealer.StoredSize(), Metadata: sealer.Metadata(), IfNoneMatch: op.IfNoneMatch}
	if put.IfMatch, err = rd.currentETag(x.r.Context(), op); err != nil {
		return x.readError(nil, g, err)
	}
	body := op.Body(x.body)
	stored, err := rd.store.Put(x.r.Context(), g.Key(), sealer.Reader(body, func() (envelope.Digests, error) { return digestsOf(body) }), put)
	if err != nil {
		return x.writeError(rd, g.Key(), sealer.ObjectID(), err)
	}
	return x.stored(g, stored, sealer.ObjectID(), body.Sums())
}

// needsConditions says whether the store itself must decide.
func needsConditions(op *s3api.PutObject) bool { return op.IfNoneMatch || op.IfMatch != "" }

// currentETag turns the ETag a client names into the store's own, so that the
// store decides atomically.
func (rd reader) currentETag(ctx context.Context, op *s3api.PutObject) (string, error) {
	if op.IfMatch == "" {
		return "", nil
	}
	o, err := rd.store.Head(ctx, op.Key)
	if err != nil {
		return "", err
	}
	if !op.IfMatches(s3api.ETag(o.ETag)) {
		return "", s3api.PreconditionFailed("If-Match")
	}
	return o.ETag, nil
}

// stored acknowledges a write once its outcome is durable.
func (x *exchange) stored(g policy.Grant, o store.Object, id envelope.ID, sums s3api.Sums) error {
	x.outcome.Status, x.outcome.Object, x.outcome.VersionID = http.StatusOK, id.String(), o.VersionID
	x.outcome.ObjectDigest, x.outcome.BytesReceived = x.digest(sums), x.event.BytesPlanned
	x.g.config.Metrics.received.Add(float64(x.event.BytesPlanned))
	x.g.pins.check(g.Bucket(), g.Key(), o.ETag, id)
	if err := x.end(); err != nil {
		return x.unrecorded(err)
	}
	h := x.w.Header()
	h.Set("X-Sealgate-Object", id.String())
	s3api.SetPutHeaders(h, s3api.ETag(o.ETag), sums.Client)
	x.w.WriteHeader(http.StatusOK)
	return nil
}

// writeError finds out what became of a change whose answer was lost, for the
// record; the client is told to try again either way. A zero id is a delete.
func (x *exchange) writeError(rd reader, key string, id envelope.ID, err error) error {
	if !errors.Is(err, store.ErrUnavailable) && !errors.Is(err, context.Canceled) {
		return err
	}
	ctx, cancel := x.detached()
	defer cancel()
	loc := envelope.Location{Bucket: rd.bucket, Key: key}
	x.outcome.Detail = map[string]string{"reconciled": reconcile(ctx, rd.store, loc, x.snap.Keys.Lookup, id)}
	return err
}

func (x *exchange) deleteObject(_ *s3api.DeleteObject, g policy.Grant) error {
	rd, err := x.reader(g)
	if err != nil {
		return err
	}
	if err := x.begin(); err != nil {
		return err
	}
	if err := rd.store.Delete(x.r.Context(), g.Key()); err != nil {
		return x.writeError(rd, g.Key(), envelope.ID{}, err)
	}
	x.outcome.Status = http.StatusNoContent
	if err := x.end(); err != nil {
		return x.unrecorded(err)
	}
	x.w.WriteHeader(http.StatusNoContent)
	return nil
}
