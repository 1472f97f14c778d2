// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/store"
)

// RunBuckets holds a store.BucketMaker to its contract. open opens a bucket that
// it made; close closes that again.
func RunBuckets(t *testing.T, b store.BucketMaker, open func(t *testing.T, name string) (s store.Store, closed func())) {
	ctx := t.Context()
	name := fmt.Sprintf("made-%d", time.Now().UnixNano())
	wantKind(t, "removing what is not there", b.RemoveBucket(ctx, name), store.ErrNotFound)
	var made atomic.Int32
	together(4, func(int) {
		if err := b.MakeBucket(ctx, name, store.BucketOptions{}); err == nil {
			made.Add(1)
		} else if !errors.Is(err, store.ErrUnavailable) {
			wantKind(t, "making what another makes", err, store.ErrPrecondition)
		}
	})
	if made.Load() > 1 {
		t.Errorf("%d of 4 made one bucket", made.Load())
	}
	wantKind(t, "making what is there", b.MakeBucket(ctx, name, store.BucketOptions{}), store.ErrPrecondition)
	for _, bad := range []string{"", "ab", "../" + name, "UPPER", "a/b", strings.Repeat("b", 64), ".removed"} {
		wantKind(t, fmt.Sprintf("making %q", bad), b.MakeBucket(ctx, bad, store.BucketOptions{}), store.ErrKey)
		wantKind(t, fmt.Sprintf("removing %q", bad), b.RemoveBucket(ctx, bad), store.ErrKey)
	}

	s, closed := open(t, name)
	put(t, s, "d/k", "body")
	closed()
	wantKind(t, "removing what holds an object", b.RemoveBucket(ctx, name), store.ErrPrecondition)
	s, closed = open(t, name)
	expect(t, s, "d/k", "body")
	if err := s.Delete(ctx, "d/k"); err != nil {
		t.Fatal(err)
	}
	closed()
	wantKind(t, "removing what is empty", b.RemoveBucket(ctx, name), nil)
	wantKind(t, "removing it again", b.RemoveBucket(ctx, name), store.ErrNotFound)
	wantKind(t, "making it again", b.MakeBucket(ctx, name, store.BucketOptions{}), nil)
	s, closed = open(t, name)
	expectAbsent(t, s, "d/k")
	closed()
	wantKind(t, "removing the second one", b.RemoveBucket(ctx, name), nil)

	ended, cancel := context.WithCancel(ctx)
	cancel()
	wantKind(t, "making after the end", b.MakeBucket(ended, name, store.BucketOptions{}), context.Canceled)
	wantKind(t, "removing after the end", b.RemoveBucket(ended, name), context.Canceled)
}
