// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"slices"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/rotation"
)

// made says whether the object at the key is this upload's, of this list. One
// of another list has the same object id: it was decided before the store
// refused it, and made all the same.
func (c *completion) made(ctx context.Context) (bool, error) {
	s, err := c.x.present(ctx, c.u)
	if err != nil || s == nil {
		return false, err
	}
	rd := reader{x: c.x, bucket: c.u.row.Bucket, store: c.u.store}
	if err := rd.complete(ctx, s, want{key: c.u.row.Key}); err != nil {
		return false, err
	}
	if !slices.EqualFunc(s.manifest.Parts, c.tail.Manifest().Parts, sameAttempt) {
		return false, nil
	}
	c.object, c.found = s.stored, true
	return true, nil
}

// sameAttempt compares parts by what no two attempts to write one share.
func sameAttempt(a, b envelope.Part) bool { return a.Number == b.Number && a.IV == b.IV }

// present gives the object at the upload's key if it was made by it, nil if
// not.
func (x *exchange) present(ctx context.Context, u *upload) (*source, error) {
	loc := envelope.Location{Bucket: u.row.Bucket, Key: u.row.Key}
	return madeAt(ctx, u.store, loc, x.snap.Keys.Lookup, u.sealer.ObjectID())
}

// madeAt gives the object at a key if it has this id, nil if not: only an id
// from a header that opens decides.
func madeAt(ctx context.Context, s store.Store, loc envelope.Location, keys envelope.KeyLookup, id envelope.ID) (*source, error) {
	o, err := s.Head(ctx, loc.Key)
	if isNotFound(err) {
		return nil, nil //nolint:nilnil // documented above
	}
	if err != nil {
		return nil, err
	}
	object, err := envelope.OpenHeader(o.Metadata, loc, keys)
	switch {
	case errors.Is(err, envelope.ErrAuth), errors.Is(err, rotation.ErrNoKeyring):
		return nil, nil //nolint:nilnil // somebody else's, or damaged: not what this upload made
	case err != nil:
		return nil, err
	case object.ObjectID() != id:
		return nil, nil //nolint:nilnil // documented above
	}
	return &source{stored: o, object: object}, nil
}
