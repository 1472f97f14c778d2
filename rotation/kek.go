// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/state"
)

// Report says what a rotation of a KEK did.
type Report struct {
	// KEK is the key's configured name.
	KEK string
	// From is the version that was current, To the one that is now.
	From, To string
	// Records is how many keyring records were moved to To.
	Records int
	// Duration is the time it took.
	Duration time.Duration
}

// RotateKEK makes a new version of a KEK and moves every keyring record under
// it; RUNBOOK.md "keys rotate-kek" has the steps. No object is touched, and a
// Set in use stays right: the keyring keys do not change.
//
// If records are found on an older version than the current one, an earlier
// rotation was cut off: this one then finishes it and makes no version of its
// own. A call while another runs is ErrRunning, a KEK that cannot rotate
// ErrNoRotator. After any error the call can be repeated.
func (k *Keyrings) RotateKEK(ctx context.Context, name string) (Report, error) {
	end, ok, err := k.c.State.BeginRotation(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("rotating KEK %s: %w", name, err)
	}
	if !ok {
		return Report{}, ErrRunning
	}
	defer end()
	unlock, err := k.c.State.LockRecords(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("rotating KEK %s: %w", name, err)
	}
	defer unlock()
	r := Report{KEK: name}
	start := k.c.Now()
	e := audit.Event{Event: eventRotate, Action: "key-rotate", Detail: map[string]string{"kek": name}}
	err = k.recorded(ctx, e, func(o *audit.Outcome) error {
		err := k.rotateKEK(ctx, &r)
		o.KEK, o.KEKVersion = name, r.To
		o.Detail = map[string]string{"from": r.From, "records": strconv.Itoa(r.Records)}
		return err
	})
	r.Duration = k.c.Now().Sub(start)
	if err != nil {
		return r, fmt.Errorf("rotating KEK %s: %w", name, err)
	}
	return r, nil
}

func (k *Keyrings) rotateKEK(ctx context.Context, r *Report) error {
	kek := k.c.KEKs[r.KEK]
	if kek == nil {
		return fmt.Errorf("%w: there is no such KEK", ErrConfig)
	}
	if err := k.sweep(ctx); err != nil {
		return err
	}
	if err := k.chooseVersion(ctx, kek, r); err != nil {
		return err
	}
	if err := canary(ctx, kek, r.To, k.c.Deployment); err != nil {
		return err
	}
	behind, err := k.behind(ctx, r.KEK, r.To)
	if err != nil {
		return err
	}
	var moved atomic.Int64
	err = each(ctx, k.c.Workers, behind, func(ctx context.Context, v state.KeyringVersion) error {
		err := k.moveRecord(ctx, kek, r.To, v)
		if err == nil {
			moved.Add(1)
		}
		return err
	})
	r.Records = int(moved.Load())
	if err != nil {
		return err
	}
	return k.proveMoved(ctx, r)
}

// chooseVersion sets From and To: to a new version, or, if records are behind
// the current one, to that.
func (k *Keyrings) chooseVersion(ctx context.Context, kek envelope.KEK, r *Report) error {
	in, err := kek.Info(ctx)
	if err != nil {
		return err
	}
	behind, err := k.behind(ctx, r.KEK, in.Version)
	if err != nil {
		return err
	}
	if len(behind) > 0 {
		r.From, r.To = behind[0].KEKVersion, in.Version
		return k.reachable(ctx, behind)
	}
	all, err := k.behind(ctx, r.KEK, "")
	if err != nil {
		return err
	}
	if err := k.reachable(ctx, all); err != nil {
		return err
	}
	rotator, ok := kek.(envelope.Rotator)
	if !ok {
		return ErrNoRotator
	}
	k.c.Persist(pointRotateKEK)
	r.From = in.Version
	if r.To, err = rotator.RotateKEK(ctx); err != nil {
		return err
	}
	if r.To == r.From {
		return fmt.Errorf("%w: version %s stayed current", envelope.ErrUnavailable, r.From)
	}
	return nil
}

// behind lists the keyring versions whose record is not under version to.
// Destroyed ones have no record that could move.
func (k *Keyrings) behind(ctx context.Context, kek, to string) ([]state.KeyringVersion, error) {
	rows, err := k.c.State.ListKeyringVersions(ctx)
	if err != nil {
		return nil, err
	}
	var list []state.KeyringVersion
	for _, v := range rows {
		if v.KEK == kek && v.KEKVersion != to && v.State != state.StateDestroyed {
			list = append(list, v)
		}
	}
	return list, nil
}

// canary proves that the current version of kek is to and wraps and unwraps,
// before the first record is trusted to it.
func canary(ctx context.Context, kek envelope.KEK, to string, deployment envelope.ID) error {
	plain := make([]byte, 32)
	rand.Read(plain) // it cannot fail: it ends the process instead
	ec := envelope.Context{Deployment: deployment, Bucket: systemBucket, Prefix: "canary/", Keyring: envelope.NewID(), Version: 1}
	w, err := kek.Wrap(ctx, plain, ec)
	if err != nil {
		return fmt.Errorf("trying version %s: %w", to, err)
	}
	if w.Version != to {
		return fmt.Errorf("trying version %s: %w: it wraps under version %s", to, envelope.ErrUnavailable, w.Version)
	}
	back, err := kek.Unwrap(ctx, w, ec)
	if err != nil {
		return fmt.Errorf("trying version %s: %w", to, err)
	}
	if subtle.ConstantTimeCompare(back, plain) != 1 {
		return fmt.Errorf("trying version %s: %w: it unwraps to another key", to, envelope.ErrTampered)
	}
	return nil
}

// moveRecord puts one record under version to: the new object is written and
// proved, the row is flipped if it still is what was read, the old object goes.
// Where the bucket was removed there are no objects, and the row alone moves.
func (k *Keyrings) moveRecord(ctx context.Context, kek envelope.KEK, to string, v state.KeyringVersion) error {
	old, err := k.decodeRow(v)
	if err != nil {
		return err
	}
	rec, _, err := old.Rewrap(ctx, kek)
	if err != nil {
		return fmt.Errorf("keyring %s@%d: %w", v.Scope, v.Version, err)
	}
	if rec.Wrapped.KEK != v.KEK || rec.Wrapped.Version != to || rec.KCV != old.KCV {
		return fmt.Errorf("keyring %s@%d: %w: it was rewrapped to %s@%s", v.Scope, v.Version, ErrRecord, rec.Wrapped.KEK, rec.Wrapped.Version)
	}
	r, err := newSealed(rec)
	if err != nil {
		return err
	}
	gone, err := k.removed(ctx, v.Home)
	if err != nil {
		return err
	}
	put := k.putRecord
	if gone {
		put = k.noteRecord
	}
	if err := put(ctx, v.Home, r); err != nil {
		return err
	}
	err = k.c.State.ReplaceRecord(ctx, v.Keyring, v.Version, v.Digest, state.Replacement{
		KEK: r.Wrapped.KEK, KEKVersion: r.Wrapped.Version, Record: r.bytes, Digest: r.digest, Path: r.path,
	})
	if err != nil {
		return k.orTakeBack(ctx, v.Home, r, err)
	}
	return k.drop(ctx, v.Home, v.Path)
}

// errBehind is what must not happen at the end of a rotation.
var errBehind = errors.New("records are left on an older version; call it again")

// proveMoved demands that no record is left behind and no object left over.
func (k *Keyrings) proveMoved(ctx context.Context, r *Report) error {
	behind, err := k.behind(ctx, r.KEK, r.To)
	if err != nil {
		return err
	}
	left, err := k.c.State.Leftovers(ctx)
	if err != nil {
		return err
	}
	if n := len(behind) + len(left); n > 0 {
		return fmt.Errorf("%d %w", n, errBehind)
	}
	return nil
}
