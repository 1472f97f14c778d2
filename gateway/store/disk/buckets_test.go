// SPDX-License-Identifier: Apache-2.0

package disk_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/disk"
	"github.com/sealgate/sealgate/gateway/store/storetest"
)

func TestBuckets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	storetest.RunBuckets(t, disk.Buckets{Dir: dir}, func(t *testing.T, name string) (store.Store, func()) {
		t.Helper()
		s, err := disk.Open(disk.Config{Dir: filepath.Join(dir, name)})
		if err != nil {
			t.Fatal(err)
		}
		return s, func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// A bucket that is open, holds an upload, or is none of ours is not removed.
func TestBucketsThatStay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := disk.Buckets{Dir: dir}
	if err := errors.Join(b.MakeBucket(t.Context(), "open", store.BucketOptions{}), b.MakeBucket(t.Context(), "uploading", store.BucketOptions{})); err != nil {
		t.Fatal(err)
	}
	s := open(t, filepath.Join(dir, "open"))
	if err := b.RemoveBucket(t.Context(), "open"); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("removing an open bucket: %v", err)
	}
	put(t, s, "k")
	u, err := disk.Open(disk.Config{Dir: filepath.Join(dir, "uploading")})
	if err != nil {
		t.Fatal(err)
	}
	_, err = u.CreateMultipart(t.Context(), "k", "")
	if err := errors.Join(err, u.Close()); err != nil {
		t.Fatal(err)
	}
	if err := b.RemoveBucket(t.Context(), "uploading"); !errors.Is(err, store.ErrPrecondition) {
		t.Errorf("removing a bucket with an upload: %v", err)
	}
	thesis := filepath.Join(dir, "thesis", "thesis.doc")
	if err := errors.Join(os.Mkdir(filepath.Dir(thesis), 0o700), os.WriteFile(thesis, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := b.RemoveBucket(t.Context(), "thesis"); err == nil {
		t.Error("a directory that is no store was removed")
	}
	if _, err := os.Stat(thesis); err != nil {
		t.Error(err)
	}
}
