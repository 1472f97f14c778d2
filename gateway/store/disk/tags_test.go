// SPDX-License-Identifier: Apache-2.0

package disk

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sealgate/sealgate/gateway/store"
)

// fullTags is the longest file of tags that there can be.
func fullTags() (string, []tagSet) {
	tags := make([]store.Tag, store.MaxTags)
	for i := range tags {
		tags[i] = store.Tag{Key: strings.Repeat("\U00010400", store.MaxTagKey), Value: strings.Repeat("\U00010400", store.MaxTagValue)}
	}
	return strings.Repeat("k", store.MaxKey), []tagSet{{[16]byte{1}, tags}, {[16]byte{2}, tags}}
}

func TestEncodeTags(t *testing.T) {
	t.Parallel()
	key, sets := fullTags()
	for name, sets := range map[string][]tagSet{
		"full": sets, "none": nil, "empty set": {{etag: [16]byte{3}}}, "one": {{[16]byte{4}, []store.Tag{{Key: "a", Value: ""}}}},
	} {
		b := encodeTags(key, sets)
		gotKey, got, err := decodeTags(b)
		if diff := cmp.Diff(sets, got, cmp.AllowUnexported(tagSet{})); diff != "" || err != nil || gotKey != key {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
		if len(b) > maxTagsFile {
			t.Errorf("%s: %d bytes, at most %d", name, len(b), maxTagsFile)
		}
	}
	if _, _, err := decodeTags(encodeTags(key, append(sets[:2:2], tagSet{}))); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("three sets: %v", err)
	}
}

// FuzzTags: what is taken is encoded so, and nothing is taken for more than it
// is.
func FuzzTags(f *testing.F) {
	key, sets := fullTags()
	f.Add(encodeTags(key, sets))
	f.Add(encodeTags("k", nil))
	f.Add(encodeTags("a/b", []tagSet{{[16]byte{1}, []store.Tag{{Key: "a", Value: "b"}}}, {}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		key, sets, err := decodeTags(b)
		if err != nil {
			if !errors.Is(err, store.ErrDamaged) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		if !bytes.Equal(b, encodeTags(key, sets)) {
			t.Fatalf("%q, %v is not encoded so", key, sets)
		}
	})
}
