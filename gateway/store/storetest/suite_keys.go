// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sealgate/sealgate/gateway/store"
)

func testBadKeys(t *testing.T, h Harness) {
	s := h.Open(t)
	for name, key := range map[string]string{
		"empty":     "",
		"too long":  strings.Repeat("k", store.MaxKey+1),
		"not UTF-8": "a\xff",
		"surrogate": "a\xed\xa0\x80",
		"overlong":  "a\xc0\xaf",
	} {
		_, err := s.Put(t.Context(), key, strings.NewReader("x"), store.PutOptions{Size: 1})
		wantKind(t, name+": Put", err, store.ErrKey)
		_, err = s.Get(t.Context(), key, store.Whole())
		wantKind(t, name+": Get", err, store.ErrKey)
		_, err = s.Head(t.Context(), key)
		wantKind(t, name+": Head", err, store.ErrKey)
		wantKind(t, name+": Delete", s.Delete(t.Context(), key), store.ErrKey)
	}
	if keys, _ := allKeys(t, s, store.ListOptions{}); len(keys) > 0 {
		t.Errorf("listing shows %q", keys)
	}
}

// awkward are keys that something between a client and a disk is known to
// change, and the neighbours that the changed ones would be.
var awkward = []string{
	"plain", "a", "a/", "a/b", "a//b", "/a", "//a", "a/b/", "a.", "a0", "a-", "a=", "a+", "a~", "a=/b", "a+/b=", "a~/b",
	"a/./b", "a/../b", ".", "..", "../a", "a/..", ".hidden", "..a", "a..", "a/...", ".tmp/x", ".format", "lost+found",
	"with space", " leading", "trailing ", "a  b", "plus+plus", "a%20b", "a%2fb", "a%2Fb", "a%", "100%25", "%2e%2e/x",
	"Case", "case", "CASE", "dir/x", "Dir/x",
	"caf\u00e9", "cafe\u0301", "\u212b", "\u00c5", "\U0001f600/\u65e5\u672c", "\ufeffbom", "\u202eright",
	"q?x=1", "h#frag", "semi;colon", "amp&lt;", "<xml>", `quote"d`, "it's", "back\\slash", "star*", "pipe|", "colon:", "a,b", "at@", "{}", "[]", "^`", "$HOME", "!bang",
	"tab\there", "line\nbreak", "cr\rhere", "del\x7f", "x\x01y",
	"model.safetensors", "con", "nul.txt", "a.b/c.d", "under_score", "x/" + strings.Repeat("n", 255),
	strings.Repeat("s", 200), strings.Repeat("s", 201), strings.Repeat("s", 200) + "/x", strings.Repeat("s", 201) + "/x",
	strings.Repeat("\u00e9", 40), strings.Repeat("t", 199) + "\u00e9", strings.Repeat("t", 199) + "z",
	strings.Repeat("d/", 50) + "deep", strings.Repeat("l", store.MaxKey), strings.Repeat("\u20ac", store.MaxKey/3),
}

// testAwkwardKeys stores every awkward key beside all the others: each holds
// its own body, and the listing gives each back byte by byte.
func testAwkwardKeys(t *testing.T, h Harness) {
	s := h.Open(t)
	var held []string
	for i, key := range awkward {
		body := fmt.Sprintf("body %d", i)
		_, err := s.Put(t.Context(), key, strings.NewReader(body), store.PutOptions{Size: int64(len(body))})
		switch refuses := h.Refuses(key, held); {
		case refuses && !errors.Is(err, store.ErrKey):
			t.Errorf("Put(%q): %v, want ErrKey", key, err)
		case !refuses && err != nil:
			t.Errorf("Put(%q): %v", key, err)
		}
		if err == nil {
			held = append(held, key)
		}
	}
	slices.Sort(held)
	keys, _ := allKeys(t, s, store.ListOptions{})
	listed := slices.DeleteFunc(slices.Clone(held), func(key string) bool { return h.Hides(key, held) })
	if diff := cmp.Diff(listed, keys); diff != "" {
		t.Errorf("listing (-want +got):\n%s", diff)
	}
	for _, key := range held {
		expect(t, s, key, fmt.Sprintf("body %d", slices.Index(awkward, key)))
	}
	for i, key := range held {
		if err := s.Delete(t.Context(), key); err != nil {
			t.Errorf("Delete(%q): %v", key, err)
		}
		if i+1 < len(held) {
			expect(t, s, held[i+1], fmt.Sprintf("body %d", slices.Index(awkward, held[i+1])))
		}
	}
	if keys, _ := allKeys(t, s, store.ListOptions{}); len(keys) > 0 {
		t.Errorf("after deleting all: %q", keys)
	}
}
