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
	tagger, err := x.tagging(rd, g, op.Tags)
	if err != nil {
		return err
	}
	if err := x.locking(rd, g, op.Lock); err != nil {
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
	put := store.PutOptions{Size: sealer.StoredSize(), Metadata: sealer.Metadata(), IfNoneMatch: op.IfNoneMatch, Lock: storeLock(op.Lock)}
	if put.IfMatch, err = rd.exactETag(x.r.Context(), op.Key, op.IfMatch); err != nil {
		return x.readError(nil, g, err)
	}
	body := op.Body(x.body)
	stored, err := rd.store.Put(x.r.Context(), g.Key(), sealer.Reader(body, func() (envelope.Digests, error) { return digestsOf(body) }), put)
	if err != nil {
		return x.writeError(rd, g.Key(), sealer.ObjectID(), err)
	}
	if err := x.tag(tagger, g.Key(), stored.VersionID, op.Tags); err != nil {
		return err
	}
	return x.stored(g, stored, sealer.ObjectID(), body.Sums())
}

// needsConditions says whether the store itself must decide.
func needsConditions(op *s3api.PutObject) bool { return op.IfNoneMatch || op.IfMatch != "" }

// exactETag turns the ETag that a client names for a key into the store's own,
// so that the store decides atomically; "" stays "".
func (rd reader) exactETag(ctx context.Context, key, sent string) (string, error) {
	if sent == "" {
		return "", nil
	}
	o, err := rd.store.Head(ctx, key)
	if err != nil {
		return "", err
	}
	if !s3api.IfMatches(sent, s3api.ETag(o.ETag)) {
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
	s3api.SetVersion(h, o.VersionID)
	s3api.SetPutHeaders(h, s3api.ETag(o.ETag), sums.Object())
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
	x.outcome.Detail = map[string]string{"reconciled": rd.whatBecame(ctx, key, x.event.VersionID, id, x.event.Detail[headerDetail])}
	return err
}

func (x *exchange) deleteObject(op *s3api.DeleteObject, g policy.Grant) error {
	rd, err := x.reader(g)
	if err != nil {
		return err
	}
	if err := rd.checkVersion(op.VersionID); err != nil {
		return err
	}
	if err := x.begin(); err != nil {
		return err
	}
	gone, err := rd.remove(x.r.Context(), g.Key(), op.VersionID)
	if err != nil {
		return x.writeError(rd, g.Key(), envelope.ID{}, err)
	}
	x.outcome.Status, x.outcome.VersionID = http.StatusNoContent, gone.VersionID
	if err := x.end(); err != nil {
		return x.unrecorded(err)
	}
	s3api.SetDeleted(x.w.Header(), gone.VersionID, gone.Marker)
	x.w.WriteHeader(http.StatusNoContent)
	return nil
}
