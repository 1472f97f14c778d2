// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/policy"
	"github.com/sealgate/sealgate/gateway/s3api"
	"github.com/sealgate/sealgate/gateway/state"
	"github.com/sealgate/sealgate/gateway/store"
)

// A multipart upload lives in the state database and in the store; no replica
// holds anything of it that another one lacks (S3.md, "Multipart uploads").

// upload is an upload that the caller named and may go on with.
type upload struct {
	row    state.Upload
	token  uploadToken
	sealer *envelope.Upload
	store  store.Multiparter
	bucket Bucket
}

// multiparter gives the bucket's store, if it can hold uploads.
func (x *exchange) multiparter(g policy.Grant) (store.Multiparter, Bucket, error) {
	if _, err := x.reader(g); err != nil {
		return nil, Bucket{}, err
	}
	b := x.snap.Buckets[g.Bucket()]
	m, ok := b.Store.(store.Multiparter)
	if !ok || x.g.config.State == nil {
		return nil, Bucket{}, s3api.NotImplemented(x.op.Action() + " on this bucket")
	}
	return m, b, nil
}

// openUpload finds the upload that an id names. Whatever is wrong with the id,
// the answer is the same.
func (x *exchange) openUpload(g policy.Grant, id string) (*upload, error) {
	m, b, err := x.multiparter(g)
	if err != nil {
		return nil, err
	}
	scope := uploadScope{Identity: x.caller.ID.String(), Bucket: g.Bucket(), Key: g.Key()}
	t, err := openUploadID(uploadBox(x.snap.Keys), scope, id)
	if err != nil || !x.start.Before(t.expires) {
		return nil, s3api.NoSuchUpload(id)
	}
	row, err := x.g.config.State.Upload(x.r.Context(), id)
	if err != nil {
		return nil, x.uploadError(id, err)
	}
	if !t.fits(row, scope) || row.State == state.UploadOpening {
		return nil, s3api.NoSuchUpload(id)
	}
	loc := envelope.Location{Bucket: g.Bucket(), Key: g.Key()}
	sealer, err := envelope.ResumeUpload(row.Metadata, loc, x.snap.Keys.Lookup)
	if err != nil {
		return nil, err
	}
	x.event.Object = sealer.ObjectID().String()
	return &upload{row: row, token: t, sealer: sealer, store: m, bucket: b}, nil
}

// fits says whether the row is the one that the token was made with.
func (t uploadToken) fits(row state.Upload, s uploadScope) bool {
	return row.Bucket == s.Bucket && row.Key == s.Key && row.Actor == s.Identity &&
		row.Object == t.object.String() && sha256.Sum256([]byte(row.Metadata)) == t.metadata
}

// uploadError turns what the database or the store says of an upload into what
// the client is told: one that is not there, or takes nothing any more, is not
// there.
func (*exchange) uploadError(id string, err error) error {
	for _, gone := range []error{state.ErrNotFound, state.ErrConflict, store.ErrNoUpload} {
		if errors.Is(err, gone) {
			return s3api.NoSuchUpload(id).Cause(err)
		}
	}
	return err
}

func (x *exchange) createUpload(op *s3api.CreateMultipartUpload, g policy.Grant) error {
	m, b, err := x.multiparter(g)
	if err != nil {
		return err
	}
	if (op.IfNoneMatch || op.IfMatch != "") && !b.Conditional {
		return s3api.NotImplemented("conditional CreateMultipartUpload on this bucket")
	}
	if _, err := x.tagging(reader{x: x, bucket: g.Bucket(), store: m}, g, op.Tags); err != nil {
		return err
	}
	if err := x.locking(reader{x: x, bucket: g.Bucket(), store: m}, g, op.Lock); err != nil {
		return err
	}
	row, err := x.newUpload(op, g)
	if err != nil {
		return err
	}
	if err := x.begin(); err != nil {
		return err
	}
	ctx, db := x.r.Context(), x.g.config.State
	if err := db.CreateUpload(ctx, row); err != nil {
		return err
	}
	if err := x.openAtBackend(ctx, m, row, storeLock(op.Lock)); err != nil {
		later, cancel := x.detached()
		defer cancel()
		_, _ = x.g.removeUpload(later, m, row, x.start) // what is left even so, the reaper finds by its row
		return err
	}
	x.outcome.Status = 200
	if err := x.end(); err != nil {
		return x.unrecorded(err)
	}
	x.w.Header().Set("X-Sealgate-Object", row.Object)
	s3api.WriteCreated(x.w, op, row.ID)
	return nil
}

// openAtBackend begins the upload at the backend and notes its name there.
func (x *exchange) openAtBackend(ctx context.Context, m store.Multiparter, row state.Upload, lock store.Lock) error {
	backend, err := createAt(ctx, m, row.Key, row.Metadata, lock)
	if err != nil {
		return err
	}
	if err = x.g.config.State.OpenUpload(ctx, row.ID, backend); err == nil {
		return nil
	}
	later, cancel := x.detached()
	defer cancel()
	return errors.Join(err, m.AbortMultipart(later, row.Key, backend)) // nobody else knows its name
}

// newUpload draws the object's id and key and makes the upload's id and row.
func (x *exchange) newUpload(op *s3api.CreateMultipartUpload, g policy.Grant) (state.Upload, error) {
	key, err := x.snap.Keys.Active(g.Bucket(), g.Key())
	if err != nil {
		return state.Upload{}, err
	}
	up, err := envelope.NewMultipart(envelope.SealConfig{
		Key: key, Location: envelope.Location{Bucket: g.Bucket(), Key: g.Key()}, Attr: attrFrom(op.Headers, op.Meta),
	})
	if err != nil {
		return state.Upload{}, err
	}
	created := x.start.UTC().Truncate(1000) // microseconds
	t := uploadToken{
		object: up.ObjectID(), metadata: sha256.Sum256([]byte(up.Metadata())), created: created, expires: created.Add(uploadLife),
		ifNoneMatch: op.IfNoneMatch, ifMatch: op.IfMatch,
	}
	id, err := sealUploadID(uploadBox(x.snap.Keys), uploadScope{Identity: x.caller.ID.String(), Bucket: g.Bucket(), Key: g.Key()}, t)
	if err != nil {
		return state.Upload{}, err
	}
	x.event.Object = up.ObjectID().String()
	x.outcome.Keyring, x.outcome.KeyringVersion = key.Ring().String(), key.Version()
	return state.Upload{
		ID: id, Bucket: g.Bucket(), Key: g.Key(), Actor: x.caller.ID.String(), Object: up.ObjectID().String(), Metadata: up.Metadata(),
		Algorithm: op.Algorithm.String(), ChecksumType: op.ChecksumType.String(), Tags: encodeTags(op.Tags), Created: created, Expires: t.expires,
	}, nil
}

func (x *exchange) abortUpload(op *s3api.AbortMultipartUpload, g policy.Grant) error {
	u, err := x.openUpload(g, op.UploadID)
	if err != nil {
		return err
	}
	if at := op.IfInitiated; !at.IsZero() && !u.row.Created.Truncate(1e9).Equal(at) {
		return s3api.PreconditionFailed("x-amz-if-match-initiated-time")
	}
	if err := x.begin(); err != nil {
		return err
	}
	if err := x.giveUp(u); err != nil {
		return x.uploadError(op.UploadID, err)
	}
	if _, err := x.g.removeUpload(x.r.Context(), u.store, u.row, x.start); err != nil {
		return err
	}
	x.outcome.Status = 204
	if err := x.end(); err != nil {
		return x.unrecorded(err)
	}
	x.w.WriteHeader(204)
	return nil
}

// giveUp ends an upload for good. One whose Complete began may have become an
// object already: then there is nothing left to abort.
func (x *exchange) giveUp(u *upload) error {
	ctx, db := x.r.Context(), x.g.config.State
	if u.row.State == state.UploadDone {
		return state.ErrConflict
	}
	if u.row.State == state.UploadFrozen {
		s, err := x.present(ctx, u)
		if err != nil {
			return err
		}
		if s != nil {
			made := *u.row.Frozen
			made.ETag = s.stored.ETag
			_, err := db.FinishUpload(ctx, u.row.ID, made)
			return errors.Join(state.ErrConflict, err)
		}
		return db.AbandonUpload(ctx, u.row.ID, x.start.Add(uploadLife), x.start)
	}
	return db.AbortUpload(ctx, u.row.ID)
}

// partDetail is what the record says of a part beside its object.
func partDetail(number int) map[string]string {
	return map[string]string{"part": strconv.Itoa(number)}
}

// partTooLarge answers a part over the limit of its number.
func partTooLarge(number int, size, limit int64) error {
	e := s3api.NewError("EntityTooLarge", fmt.Sprintf(
		"part %d has %d bytes; a sealed part holds at most %d (5 GiB less its seals). Use more parts", number, size, limit))
	e.Extra = []s3api.Element{
		{Name: "ProposedSize", Value: strconv.FormatInt(size, 10)}, {Name: "MaxSizeAllowed", Value: strconv.FormatInt(limit, 10)},
	}
	return e
}
