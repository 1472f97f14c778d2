// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/envelope"
)

func boxSet() *Set {
	ring := envelope.NewID()
	key := envelope.NewKeyringKey(envelope.NewID(), ring, 3, envelope.NewKey())
	return NewSet([]Ring{{Scope: systemScope("tokens"), ID: ring, Active: key, Opens: map[uint32]*envelope.KeyringKey{3: key}}})
}

func TestBox(t *testing.T) {
	t.Parallel()
	set := boxSet()
	box := set.Box("tokens", "pages")
	sealed, err := box.Seal([]byte("aad"), []byte("a page token"))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := box.Open([]byte("aad"), sealed); err != nil || string(plain) != "a page token" {
		t.Fatalf("got %q, %v", plain, err)
	}
	if again, err := box.Seal([]byte("aad"), []byte("a page token")); err != nil || bytes.Equal(again, sealed) {
		t.Errorf("sealing twice gave the same bytes, %v", err)
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		_, err := box.Open([]byte("aad"), bad)
		wantErr(t, err, ErrBox)
		_, err = box.Open([]byte("aad"), sealed[:i])
		wantErr(t, err, ErrBox)
	}
	for name, other := range map[string]struct {
		box Box
		aad string
	}{
		"other aad":     {box, "aae"},
		"other purpose": {set.Box("tokens", "uploads"), "aad"},
		"other ring":    {set.Box("audit", "pages"), "aad"},
		"other key":     {boxSet().Box("tokens", "pages"), "aad"},
	} {
		if _, err := other.box.Open([]byte(other.aad), sealed); err == nil {
			t.Errorf("%s: it opened", name)
		}
	}
	_, err = set.Box("audit", "pages").Seal(nil, nil)
	wantErr(t, err, ErrNoKeyring)
}

// Nothing of a set may show a key when it is printed.
func TestASetPrintsNoKey(t *testing.T) {
	t.Parallel()
	key := envelope.Key(bytes.Repeat([]byte{0xa5}, 32))
	id := envelope.NewID()
	k := envelope.NewKeyringKey(id, id, 1, key)
	set := NewSet([]Ring{{Scope: "models/", ID: id, Active: k, Opens: map[uint32]*envelope.KeyringKey{1: k}}})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		for _, bytesOfKey := range []string{"a5a5", "165 165", "0xa5, 0xa5"} {
			for _, v := range []any{set, *set, set.rings, set.rings[0], &set.rings[0], set.Box("tokens", "pages")} {
				if text := fmt.Sprintf(verb, v); strings.Contains(text, bytesOfKey) {
					t.Errorf("%s of a %T printed key bytes: %s", verb, v, text)
				}
			}
		}
	}
}
