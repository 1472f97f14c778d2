// SPDX-License-Identifier: Apache-2.0

package disk_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/disk"
)

// What a directory cannot promise is refused, and nothing is written.
func TestNothingIsLocked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := disk.Buckets{Dir: dir}
	if err := b.MakeBucket(t.Context(), "locked", store.BucketOptions{ObjectLock: true}); !errors.Is(err, store.ErrNoLock) {
		t.Errorf("a bucket that locks: %v", err)
	}
	if err := b.MakeBucket(t.Context(), "locked", store.BucketOptions{}); err != nil {
		t.Fatal(err)
	}
	s, err := disk.Open(disk.Config{Dir: dir + "/locked"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, ok := store.Store(s).(store.Locker); ok {
		t.Error("it claims to lock")
	}
	lock := store.Lock{Retention: store.Retention{Mode: store.Compliance, Until: time.Now().UTC().Add(time.Hour).Truncate(time.Second)}}
	if _, err := s.Put(t.Context(), "k", strings.NewReader("body"), store.PutOptions{Size: 4, Lock: lock}); !errors.Is(err, store.ErrNoLock) {
		t.Errorf("Put: %v", err)
	}
	src, err := s.Put(t.Context(), "src", strings.NewReader("body"), store.PutOptions{Size: 4})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Copy(t.Context(), "k", "src", store.CopyOptions{SourceETag: src.ETag, Lock: lock}); !errors.Is(err, store.ErrNoLock) {
		t.Errorf("Copy: %v", err)
	}
	if _, err := s.Head(t.Context(), "k"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("something was written: %v", err)
	}
}
