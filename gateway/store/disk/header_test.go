// SPDX-License-Identifier: Apache-2.0

package disk

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealgate/sealgate/gateway/store"
)

var headers = map[string]header{
	"plain": {size: 5, modified: time.Unix(1_700_000_000, 123).UTC(), etag: [16]byte{1, 2, 15: 3}, key: "a/b", metadata: "meta"},
	"empty": {key: "k", modified: time.Unix(0, 0).UTC()},
	"full": {
		size: 1 << 62, modified: time.Unix(1<<33, 999_999_999).UTC(), key: strings.Repeat("k", store.MaxKey),
		metadata: strings.Repeat("m", store.MaxMetadata),
	},
}

func TestHeader(t *testing.T) {
	t.Parallel()
	for name, h := range headers {
		b := h.encode()
		if int64(len(b)) != h.length() || len(b) > maxHeader {
			t.Errorf("%s: %d bytes, length says %d, at most %d", name, len(b), h.length(), maxHeader)
		}
		got, err := decodeHeader(append(b, "body"...))
		if diff := cmp.Diff(h, got, cmp.AllowUnexported(header{})); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}

// Every bit of a header is covered, every cut is noticed.
func TestDamagedHeader(t *testing.T) {
	t.Parallel()
	good := headers["plain"].encode()
	for i := range len(good) * 8 {
		b := bytes.Clone(good)
		b[i/8] ^= 1 << (i % 8)
		if _, err := decodeHeader(b); !errors.Is(err, store.ErrDamaged) {
			t.Errorf("bit %d flipped: %v", i, err)
		}
	}
	for n := range len(good) {
		if _, err := decodeHeader(good[:n]); !errors.Is(err, store.ErrDamaged) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
	next := bytes.Replace(good, []byte(magic), []byte("SGDISK2\n"), 1)
	if _, err := decodeHeader(next); err == nil || !strings.Contains(err.Error(), "unknown version") {
		t.Errorf("header of version 2: %v", err)
	}
}

func FuzzHeader(f *testing.F) {
	for _, h := range headers {
		f.Add(h.encode())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := decodeHeader(b)
		if err != nil {
			if !errors.Is(err, store.ErrDamaged) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		if !bytes.HasPrefix(b, h.encode()) {
			t.Fatalf("%+v does not encode to what it was decoded from", h)
		}
	})
}
