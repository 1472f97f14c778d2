// SPDX-License-Identifier: Apache-2.0

package state

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// upload makes a valid upload whose every field is its own.
func upload(n int, key string) Upload {
	return Upload{
		ID: fmt.Sprintf("upload-%d", n), Bucket: "models", Key: key, Actor: "spiffe://acme.ai/train", Object: hexOf(byte(n)),
		Metadata: "sealed", Algorithm: "CRC32C", ChecksumType: "COMPOSITE", Tags: "a=b",
		Created: time.UnixMicro(1e15 + int64(n)).UTC(), Expires: time.UnixMicro(2e15).UTC(),
	}
}

// must fails the test at the first error.
func must(t *testing.T, errs ...error) {
	t.Helper()
	for i, err := range errs {
		if err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	}
}

func TestUploadFromCreateToForget(t *testing.T) {
	t.Parallel()
	db, ctx := openAt(t, filepath.Join(t.TempDir(), "state.db")), t.Context()
	u := upload(1, "a/b")
	must(t, db.CreateUpload(ctx, u), db.OpenUpload(ctx, u.ID, "backend-1"), db.OpenUpload(ctx, u.ID, "backend-1"),
		db.IssuePart(ctx, u.ID, 3), db.IssuePart(ctx, u.ID, 2),
		db.AddReceipt(ctx, Receipt{Upload: u.ID, Number: 3, ETag: "e3", Sealed: []byte("s3")}))
	f := Frozen{List: "list", Tail: []byte("tail"), Slot: 4}
	won, err := db.FreezeUpload(ctx, u.ID, f)
	if err != nil || !cmp.Equal(won, f) {
		t.Fatalf("want %+v, got %+v, %v", f, won, err)
	}
	must(t, db.FinishUpload(ctx, u.ID, "etag"), db.FinishUpload(ctx, u.ID, "etag"))
	got, err := db.Upload(ctx, u.ID)
	if err != nil || got.State != UploadDone || got.Frozen.ETag != "etag" || got.Highest != 3 {
		t.Fatalf("got %+v, %v", got, err)
	}
	must(t, db.ForgetUpload(ctx, u.ID), db.ForgetUpload(ctx, u.ID))
	_, err = db.Upload(ctx, u.ID)
	wantErr(t, err, ErrNotFound)
}
