// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"context"
	"crypto/subtle"
	"fmt"
	"time"
)

// NewRecord makes a keyring version: it draws a key, wraps it, and unwraps it
// again to see that what will be stored is what will be used. It returns the
// error of kek, or ErrTampered if kek gives back another key than it was
// given.
func NewRecord(ctx context.Context, kek KEK, ec Context, created time.Time) (Record, *KeyringKey, error) {
	key := NewKey()
	k := NewKeyringKey(ec.Deployment, ec.Keyring, ec.Version, key)
	r := Record{Deployment: ec.Deployment, Keyring: ec.Keyring, Bucket: ec.Bucket, Prefix: ec.Prefix, Version: ec.Version}
	r.KCV, r.Created = k.KCV(ec), time.Unix(created.Unix(), 0).UTC()
	var err error
	if r.Wrapped, err = kek.Wrap(ctx, key[:], ec); err != nil {
		return Record{}, nil, fmt.Errorf("wrapping keyring %s/%d: %w", ec.Keyring, ec.Version, err)
	}
	if err := r.check(); err != nil {
		return Record{}, nil, fmt.Errorf("making record of keyring %s/%d: %w", ec.Keyring, ec.Version, err)
	}
	if _, err := OpenRecord(ctx, kek, r); err != nil {
		return Record{}, nil, err
	}
	return r, k, nil
}

// OpenRecord unwraps r's key and checks it against the KCV. Whether r is to
// be believed is for the caller, who knows the digests that count. It returns
// the error of kek, or ErrTampered if the key is not the one of the record.
func OpenRecord(ctx context.Context, kek KEK, r Record) (*KeyringKey, error) {
	ec := r.Context()
	plain, err := kek.Unwrap(ctx, r.Wrapped, ec)
	if err != nil {
		return nil, fmt.Errorf("unwrapping keyring %s/%d: %w", r.Keyring, r.Version, err)
	}
	defer clear(plain)
	if len(plain) != len(Key{}) {
		return nil, fmt.Errorf("unwrapping keyring %s/%d: %w: key of %d bytes", r.Keyring, r.Version, ErrTampered, len(plain))
	}
	k := NewKeyringKey(r.Deployment, r.Keyring, r.Version, Key(plain))
	// A key service that answers with a key of another name must be noticed
	// now, not when objects under that key cannot be opened.
	kcv := k.KCV(ec)
	if subtle.ConstantTimeCompare(kcv[:], r.KCV[:]) != 1 {
		return nil, fmt.Errorf("unwrapping keyring %s/%d: %w: check value differs", r.Keyring, r.Version, ErrTampered)
	}
	return k, nil
}

// Rewrap returns r under the current version of kek, verified by unwrapping
// it. changed is false, and r is returned as it is, if it is there already.
// r itself is opened first, so that a damaged record is not given new life.
func (r Record) Rewrap(ctx context.Context, kek KEK) (_ Record, changed bool, _ error) {
	if _, err := OpenRecord(ctx, kek, r); err != nil {
		return Record{}, false, err
	}
	w, changed, err := kek.Rewrap(ctx, r.Wrapped, r.Context())
	if err != nil {
		return Record{}, false, fmt.Errorf("rewrapping keyring %s/%d: %w", r.Keyring, r.Version, err)
	}
	if !changed {
		return r, false, nil
	}
	next := r
	next.Wrapped = w
	if err := next.check(); err != nil {
		return Record{}, false, fmt.Errorf("rewrapping keyring %s/%d: %w", r.Keyring, r.Version, err)
	}
	if _, err := OpenRecord(ctx, kek, next); err != nil {
		return Record{}, false, err
	}
	return next, true, nil
}
