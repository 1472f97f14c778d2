// SPDX-License-Identifier: Apache-2.0

package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
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
	"aligned": {size: 5, modified: time.Unix(1_700_000_000, 123).UTC(), etag: [16]byte{1, 2, 15: 3}, key: "a/b", metadata: "meta", aligned: true},
	"aligned and full": {
		modified: time.Unix(0, 0).UTC(), key: strings.Repeat("k", store.MaxKey), metadata: strings.Repeat("m", store.MaxMetadata), aligned: true,
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
	next := bytes.Replace(good, []byte(magic), []byte("SGDISK3\n"), 1)
	if _, err := decodeHeader(next); err == nil || !strings.Contains(err.Error(), "unknown version") {
		t.Errorf("header of version 3: %v", err)
	}
}

// A header of version 2 holds nothing beside its fields: there is one encoding
// of a header, and no room for what nobody looks at.
func TestDamagedAlignedHeader(t *testing.T) {
	t.Parallel()
	good := headers["aligned"].encode()
	sum := func(b []byte) []byte {
		binary.BigEndian.PutUint32(b[len(b)-4:], crc32.Checksum(b[:len(b)-4], castagnoli))
		return b
	}
	if _, err := decodeHeader(sum(bytes.Clone(good))); err != nil {
		t.Fatal(err)
	}
	for i := range len(good) {
		b := bytes.Clone(good)
		b[i] ^= 1
		if _, err := decodeHeader(b); !errors.Is(err, store.ErrDamaged) {
			t.Errorf("byte %d changed: %v", i, err)
		}
	}
	fields := fixedHeader - 4 + len("a/b") + len("meta")
	for i := fields; i < len(good)-4; i++ {
		b := bytes.Clone(good)
		b[i] = 1
		if _, err := decodeHeader(sum(b)); !errors.Is(err, store.ErrDamaged) {
			t.Errorf("byte %d of the padding set: %v", i, err)
		}
	}
	short := append(bytes.Clone(good[:fields]), 0, 0, 0, 0)
	binary.BigEndian.PutUint32(short[8:], uint32(len(short)))
	if _, err := decodeHeader(sum(short)); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("no padding: %v", err)
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
