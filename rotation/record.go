// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/state"
	"github.com/sealgate/sealgate/gateway/store"
)

// sealed is a record with its encoding and the place where it will lie.
type sealed struct {
	envelope.Record
	bytes  []byte
	digest string
	path   string
}

// newSealed draws a place for r: RUNBOOK.md "Record objects". The random end
// makes every record object write-once, also in a store that ignores
// conditions.
func newSealed(r envelope.Record) (sealed, error) {
	b, err := r.Encode()
	if err != nil {
		return sealed{}, err
	}
	digest := r.Digest()
	path := fmt.Sprintf("%skeyrings/%s/%d/%s", store.Reserved, r.Keyring, r.Version, envelope.NewID())
	return sealed{Record: r, bytes: b, digest: hex.EncodeToString(digest[:]), path: path}, nil
}

// noted is the note that the database has of r before it is written.
func (r sealed) noted(home string) state.Leftover {
	return state.Leftover{Home: home, Path: r.path, Keyring: r.Keyring.String(), Version: r.Version, Digest: r.digest}
}

// putRecord writes a new record object and proves that what lies in the bucket
// then opens to the same key. Only after it may a row name the record.
func (k *Keyrings) putRecord(ctx context.Context, home string, r sealed) error {
	s, err := k.store(home)
	if err != nil {
		return err
	}
	if err := k.c.State.AddCandidate(ctx, r.noted(home)); err != nil {
		return err
	}
	k.c.Persist(pointRecordPut)
	_, err = s.Put(ctx, r.path, bytes.NewReader(r.bytes), store.PutOptions{Size: int64(len(r.bytes)), IfNoneMatch: true})
	if err != nil {
		return fmt.Errorf("writing keyring record %s: %w", r.path, err)
	}
	return k.proveRecord(ctx, s, r)
}

// proveRecord reads a record object back and opens it with the KEK. The record
// that is opened is the one that was read: its check value is that of the key
// that was wrapped.
func (k *Keyrings) proveRecord(ctx context.Context, s store.Store, r sealed) error {
	b, err := readAll(ctx, s, r.path, envelope.MaxRecord)
	if err != nil {
		return fmt.Errorf("reading keyring record %s back: %w", r.path, err)
	}
	if !bytes.Equal(b, r.bytes) {
		return fmt.Errorf("reading keyring record %s back: %w: the store gave other bytes than were written", r.path, ErrRecord)
	}
	return k.proveBytes(ctx, r, b)
}

// noteRecord is putRecord where the bucket was removed and there is nothing to
// write to: the note is what the row takes, and the record is proved as the row
// will hold it.
func (k *Keyrings) noteRecord(ctx context.Context, home string, r sealed) error {
	if err := k.c.State.AddCandidate(ctx, r.noted(home)); err != nil {
		return err
	}
	return k.proveBytes(ctx, r, r.bytes)
}

// proveBytes opens an encoded record with the KEK, to the key of its check value.
func (k *Keyrings) proveBytes(ctx context.Context, r sealed, b []byte) error {
	back, err := envelope.DecodeRecord(b)
	if err != nil {
		return err
	}
	kek, err := k.kek(r.Wrapped.KEK)
	if err != nil {
		return err
	}
	_, err = envelope.OpenRecord(ctx, kek, back)
	return err
}

// compareRecord holds the record object of a row against the row. An object
// that is gone is written again from the row; one that differs is ErrRecord.
func (k *Keyrings) compareRecord(ctx context.Context, v state.KeyringVersion) error {
	s, err := k.store(v.Home)
	if err != nil {
		return err
	}
	b, err := readAll(ctx, s, v.Path, envelope.MaxRecord)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return k.restoreRecord(ctx, s, v)
	case err != nil:
		return fmt.Errorf("reading keyring record %s in bucket %s: %w", v.Path, v.Home, err)
	case !bytes.Equal(b, v.Record):
		return fmt.Errorf("%w: %s in bucket %s is not what the state database knows; delete it, the next start writes the right one", ErrRecord, v.Path, v.Home)
	}
	return nil
}

// restoreRecord writes a lost record object again: bucket and KEK alone must
// stay enough to open every object.
func (k *Keyrings) restoreRecord(ctx context.Context, s store.Store, v state.KeyringVersion) error {
	e := audit.Event{Event: eventRestore, Action: "record-restore", Bucket: v.Home, Key: v.Path, Detail: map[string]string{"scope": v.Scope}}
	return k.recorded(ctx, e, func(o *audit.Outcome) error {
		o.Keyring, o.KeyringVersion, o.KEK, o.KEKVersion = v.Keyring, v.Version, v.KEK, v.KEKVersion
		k.c.Persist(pointRecordPut)
		_, err := s.Put(ctx, v.Path, bytes.NewReader(v.Record), store.PutOptions{Size: int64(len(v.Record)), IfNoneMatch: true})
		if err != nil {
			return err
		}
		return k.takeBackIfMoved(ctx, v)
	})
}

// takeBackIfMoved deletes the object of a row again if the record was moved to
// another one meanwhile, as another replica does when this one has lost its
// lock: it would be an object that nobody knows.
func (k *Keyrings) takeBackIfMoved(ctx context.Context, v state.KeyringVersion) error {
	known, err := k.c.State.KnownDigest(ctx, v.Digest)
	if known || err != nil {
		return err
	}
	return k.takeBack(ctx, state.Leftover{Home: v.Home, Path: v.Path, Keyring: v.Keyring, Version: v.Version, Digest: v.Digest})
}

// takeBack deletes an object that this process wrote and that did not become a
// record. Another replica may have dropped the note of it.
func (k *Keyrings) takeBack(ctx context.Context, l state.Leftover) error {
	if err := k.c.State.AddCandidate(ctx, l); err != nil && !errors.Is(err, state.ErrConflict) { // a conflict: it is noted
		return err
	}
	return k.drop(ctx, l.Home, l.Path)
}

// orTakeBack is err, which is what came of putting r in use. If another replica
// was in the way, what lies in the bucket goes.
func (k *Keyrings) orTakeBack(ctx context.Context, home string, r sealed, err error) error {
	if !errors.Is(err, state.ErrConflict) {
		return err
	}
	if left := k.takeBack(ctx, r.noted(home)); left != nil {
		return fmt.Errorf("%w; and taking the object back: %w", err, left)
	}
	return err
}

// sweep deletes the record objects that the database noted as abandoned or
// replaced, and forgets each once it is gone, be it with its bucket. Those in
// buckets that are not configured wait.
func (k *Keyrings) sweep(ctx context.Context) error {
	left, err := k.c.State.Leftovers(ctx)
	if err != nil {
		return err
	}
	return each(ctx, k.c.Workers, left, func(ctx context.Context, l state.Leftover) error {
		if _, err := k.removed(ctx, l.Home); errors.Is(err, ErrConfig) {
			return nil
		} else if err != nil {
			return err
		}
		if l.Kind == state.Candidate { // whoever may still be writing it must find that it is too late
			if ok, err := k.c.State.ClaimLeftover(ctx, l.Home, l.Path); !ok || err != nil {
				return err
			}
		}
		return k.drop(ctx, l.Home, l.Path)
	})
}

// drop deletes one noted record object. One whose bucket was removed is gone.
func (k *Keyrings) drop(ctx context.Context, home, path string) error {
	if gone, err := k.removed(ctx, home); err != nil {
		return err
	} else if gone {
		return k.c.State.ForgetLeftover(ctx, home, path)
	}
	s, err := k.store(home)
	if err != nil {
		return err
	}
	k.c.Persist(pointRecordDelete)
	if err := s.Delete(ctx, path); err != nil {
		return fmt.Errorf("deleting keyring record %s: %w", path, err)
	}
	return k.c.State.ForgetLeftover(ctx, home, path)
}

// readAll reads a small object whole. One that is longer than limit comes back
// one byte too long, which no comparison takes.
func readAll(ctx context.Context, s store.Store, key string, limit int) ([]byte, error) {
	r, err := s.Get(ctx, key, store.Whole())
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }() // read side: nothing can be lost
	return io.ReadAll(io.LimitReader(r, int64(limit)+1))
}
