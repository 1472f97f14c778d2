// SPDX-License-Identifier: Apache-2.0

package state

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMadeBuckets(t *testing.T) {
	onBoth(t, func(t *testing.T, d *database) {
		c := newClock()
		db, ctx := d.with(c).open(t), t.Context()
		b := MadeBucket{Name: "new", Backend: "disk", KEK: "local", State: BucketMaking, Created: c.now.UTC()}
		check := func(want ...MadeBucket) {
			t.Helper()
			got, err := db.MadeBuckets(ctx)
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Fatal(diff, err)
			}
		}
		conflict := func(err error) {
			t.Helper()
			if !errors.Is(err, ErrConflict) {
				t.Errorf("got %v, want ErrConflict", err)
			}
		}
		check()
		must(t, db.MakeBucket(ctx, b), db.MakeBucket(ctx, b)) // the second is a retry after a crash
		check(b)
		conflict(db.MakeBucket(ctx, MadeBucket{Name: "new", Backend: "other", KEK: "local"}))
		conflict(db.MakeBucket(ctx, MadeBucket{Name: "new", Backend: "disk", KEK: "other"}))
		conflict(db.SetBucket(ctx, "new", BucketReady, BucketRemoving))
		conflict(db.SetBucket(ctx, "gone", BucketMaking, BucketReady))
		must(t, db.SetBucket(ctx, "new", BucketMaking, BucketReady))
		conflict(db.MakeBucket(ctx, b))
		must(t, db.SetBucket(ctx, "new", BucketReady, BucketRemoving))
		conflict(db.MakeBucket(ctx, b))
		must(t, db.SetBucket(ctx, "new", BucketRemoving, BucketRemoved))
		conflict(db.MakeBucket(ctx, MadeBucket{Name: "new", Backend: "other", KEK: "local"}))
		c.now = c.now.Add(time.Hour)
		must(t, db.MakeBucket(ctx, b), db.MakeBucket(ctx, MadeBucket{Name: "a", Backend: "s3", KEK: "main"}))
		b.Created, b.ObjectLock = c.now.UTC(), true
		must(t, db.MakeBucket(ctx, b)) // asked for again, and otherwise
		check(MadeBucket{Name: "a", Backend: "s3", KEK: "main", State: BucketMaking, Created: c.now.UTC()}, b)
		stateOf := func(name, want string) {
			t.Helper()
			if got, err := db.BucketState(ctx, name); got != want || err != nil {
				t.Errorf("state of %s: want %q, got %q, %v", name, want, got, err)
			}
		}
		must(t, db.ForgetBucket(ctx, "new"), db.ForgetBucket(ctx, "none"))
		stateOf("new", BucketMaking) // only what was removed is forgotten
		must(t, db.SetBucket(ctx, "a", BucketMaking, BucketRemoved))
		stateOf("a", BucketRemoved)
		must(t, db.ForgetBucket(ctx, "a"))
		stateOf("a", "")
		check(b)
	})
}
