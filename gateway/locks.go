// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/sealgate/sealgate/gateway/policy"
	"github.com/sealgate/sealgate/gateway/s3api"
	"github.com/sealgate/sealgate/gateway/store"
)

// Locks are kept by the store. The gateway passes them on, and never what would
// loosen one (S3.md, "Object Lock").

func storeLock(l s3api.Lock) store.Lock {
	return store.Lock{Retention: store.Retention{Mode: l.Mode, Until: l.Until}, Hold: l.Hold}
}

func wireLock(l store.Lock) s3api.Lock {
	return s3api.Lock{Mode: l.Mode, Until: l.Until, Hold: l.Hold}
}

// mayLock decides whether the caller may lock what it writes, if it wants to:
// who takes from others the means to delete must have them too.
func (x *exchange) mayLock(g policy.Grant, l s3api.Lock) error {
	if l == (s3api.Lock{}) {
		return nil
	}
	if err := l.Check(x.start); err != nil {
		return err
	}
	d := x.who.Decide(policy.Query{Verb: policy.VerbDelete, Bucket: g.Bucket(), Key: g.Key(), Now: x.start})
	if !d.Allowed() {
		x.event.Role = d.Role()
		return x.deny(d.Reason(), d.Rule(), "lock "+g.Bucket()+"/"+g.Key())
	}
	return nil
}

// noteLock adds a lock to the record.
func (x *exchange) noteLock(l s3api.Lock) {
	if l != (s3api.Lock{}) && x.event.Detail == nil {
		x.event.Detail = map[string]string{}
	}
	for name, value := range map[string]string{"lock_mode": l.Mode, "legal_hold": l.Hold} {
		if value != "" {
			x.event.Detail[name] = value
		}
	}
	if l.Mode != "" {
		x.event.Detail["lock_until"] = l.Until.Format(time.RFC3339)
	}
}

// locker gives the bucket's store as one that locks. It may turn out that it
// does not for this bucket.
func (rd reader) locker() (store.Locker, error) {
	if l, ok := rd.store.(store.Locker); ok {
		return l, nil
	}
	return nil, s3api.BucketLocksNothing(nil)
}

// locking is mayLock for a write to a store, which must be one that locks. It
// puts the lock on the record.
func (x *exchange) locking(rd reader, g policy.Grant, l s3api.Lock) error {
	if err := x.mayLock(g, l); err != nil || l == (s3api.Lock{}) {
		return err
	}
	_, err := rd.locker()
	x.noteLock(l)
	return err
}

func (x *exchange) lockConfiguration(_ *s3api.GetObjectLockConfiguration, g policy.Grant) error {
	rd, err := x.reader(g)
	if err != nil {
		return err
	}
	if err := x.begin(); err != nil {
		return err
	}
	none := s3api.NewError("ObjectLockConfigurationNotFoundError", "")
	l, err := rd.locker()
	if err != nil {
		return none
	}
	rule, err := l.LockRule(x.r.Context())
	if errors.Is(err, store.ErrNoLock) {
		return none
	}
	if err != nil {
		return err
	}
	s3api.WriteLockConfiguration(x.w, s3api.LockRule(rule))
	return nil
}

func (x *exchange) getRetention(op *s3api.GetObjectRetention, g policy.Grant) error {
	l, err := x.lockOf(g, op.VersionID)
	if err != nil {
		return err
	}
	return s3api.WriteRetention(x.w, l)
}

func (x *exchange) getLegalHold(op *s3api.GetObjectLegalHold, g policy.Grant) error {
	l, err := x.lockOf(g, op.VersionID)
	if err != nil {
		return err
	}
	return s3api.WriteLegalHold(x.w, l)
}

// lockOf opens an object and gives its lock, as the store tells it.
func (x *exchange) lockOf(g policy.Grant, version string) (s3api.Lock, error) {
	locker, s, err := x.lockable(g, version)
	if err != nil {
		return s3api.Lock{}, err
	}
	if s.stored.Lock.IsZero() {
		if _, err := locker.LockRule(x.r.Context()); err != nil {
			return s3api.Lock{}, err
		}
	}
	return wireLock(s.stored.Lock), nil
}

// lockable opens the object that a lock is asked of or set on.
func (x *exchange) lockable(g policy.Grant, version string) (store.Locker, *source, error) {
	return openAs(x, g, version, reader.locker)
}

func (x *exchange) putRetention(op *s3api.PutObjectRetention, g policy.Grant) error {
	lock, err := op.Lock(x.body)
	if err != nil {
		return err
	}
	if err := x.mayLock(g, lock); err != nil {
		return err
	}
	x.noteLock(lock)
	locker, s, err := x.lockable(g, op.VersionID)
	if err != nil {
		return err
	}
	// The version that was looked at, and no newer one.
	if err := locker.Retain(x.r.Context(), g.Key(), s.stored.VersionID, storeLock(lock).Retention); err != nil {
		return x.readError(s, g, err)
	}
	x.outcome.Status, x.outcome.VersionID = http.StatusOK, s.stored.VersionID
	if err := x.end(); err != nil {
		return x.unrecorded(err)
	}
	s3api.SetVersion(x.w.Header(), s.stored.VersionID)
	x.w.WriteHeader(http.StatusOK)
	return nil
}

// createAt begins an upload at the store, locked or not.
func createAt(ctx context.Context, m store.Multiparter, key, metadata string, l store.Lock) (string, error) {
	if l.IsZero() {
		return m.CreateMultipart(ctx, key, metadata)
	}
	locker, ok := m.(store.Locker)
	if !ok {
		return "", store.ErrNoLock
	}
	return locker.CreateLocked(ctx, key, metadata, l)
}

// putVersioning answers that a bucket does what is asked already. To turn
// versions on or off is for who runs the store.
func (x *exchange) putVersioning(op *s3api.PutBucketVersioning, g policy.Grant) error {
	rd, err := x.reader(g)
	if err != nil {
		return err
	}
	asked, err := op.Status(x.body)
	if err != nil {
		return err
	}
	if err := x.begin(); err != nil {
		return err
	}
	status := ""
	if v, ok := rd.versioner(); ok {
		if status, err = v.Versioning(x.r.Context()); err != nil {
			return err
		}
	}
	if status != asked {
		return s3api.NotImplemented("a change of a bucket's versioning")
	}
	x.w.Header().Set("Content-Length", "0")
	x.w.WriteHeader(http.StatusOK)
	return nil
}
