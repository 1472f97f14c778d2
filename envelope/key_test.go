// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// TestKeysAreNeverPrinted: by no verb, through no struct, into no log.
func TestKeysAreNeverPrinted(t *testing.T) {
	t.Parallel()
	key := Key(bytes.Repeat([]byte{0xAB}, 32))
	k := NewKeyringKey(testDeployment, testRing, 1, key)
	s, err := NewSealer(SealConfig{Key: k, Location: testLocation})
	if err != nil {
		t.Fatal(err)
	}
	*s.dek() = key // the same marker in what holds DEKs
	u := newTestUpload(t)
	*u.dek() = key
	o := &Object{header: s.header, body: body{dek: keep(key)}}
	var out strings.Builder
	log := slog.New(slog.NewTextHandler(&out, nil))
	for _, v := range []any{key, &key, k, *k, s, u, *u, o, struct{ K Key }{key}, []Key{key}, SealConfig{Key: k}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%X", "%q"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		log.Info("value", "v", v)
	}
	doc, err := json.Marshal(map[string]any{"key": key, "keyring": k, "sealer": s, "object": o})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(doc)
	for _, leak := range []string{"ababab", "ABABAB", "171 171 171", "171,171,171", "0xab, 0xab, 0xab", `\xab\xab\xab`, "q6ur"} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("%q appears in the output", leak)
		}
	}
	if !strings.Contains(out.String(), "[key]") {
		t.Error("no [key] in the output")
	}
}

func TestID(t *testing.T) {
	t.Parallel()
	id := NewID()
	if got, err := ParseID(id.String()); err != nil || got != id || id.IsZero() || !(ID{}).IsZero() {
		t.Errorf("%s comes back as %s, %v", id, got, err)
	}
	if id == NewID() {
		t.Error("two ids are equal")
	}
	upper := strings.ToUpper(hex.EncodeToString([]byte("abcdefghijklmno\xff")))
	for _, s := range []string{"", "00", strings.Repeat("0", 31), strings.Repeat("0", 33), strings.Repeat("g", 32), upper} {
		if _, err := ParseID(s); err == nil {
			t.Errorf("%q was accepted", s)
		}
	}
}

// TestDerive: purposes, lengths and keys do not share output.
func TestDerive(t *testing.T) {
	t.Parallel()
	k := testKey()
	base := k.Derive("tokens", 32)
	for name, other := range map[string][]byte{
		"purpose": k.Derive("token", 32),
		"length":  k.Derive("tokens", 64)[:32],
		"key":     NewKeyringKey(testDeployment, testRing, 3, NewKey()).Derive("tokens", 32),
		"wrap":    wrapKey(k, ID{}),
	} {
		if bytes.Equal(base, other) {
			t.Errorf("another %s gives the same bytes", name)
		}
	}
	if !bytes.Equal(base, k.Derive("tokens", 32)) {
		t.Error("not deterministic")
	}
}

// TestContextInjective: no two contexts share bytes.
func TestContextInjective(t *testing.T) {
	t.Parallel()
	seen := map[string]Context{}
	for _, bucket := range []string{"a", "ab", "a\x00"} {
		for _, prefix := range []string{"", "b/", "/b/", "\x00"} {
			for version := range uint32(2) {
				c := Context{Bucket: bucket, Prefix: prefix, Version: version}
				if old, ok := seen[string(c.Bytes())]; ok {
					t.Errorf("%+v and %+v share bytes", c, old)
				}
				seen[string(c.Bytes())] = c
			}
		}
	}
	for k, v := range (Context{Bucket: "b"}).Map() {
		if k == "" || v == "" {
			t.Errorf("empty entry %q: %q", k, v)
		}
	}
}

// TestLabels: every label of FORMAT §4 is its own.
func TestLabels(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, l := range []string{
		labelContext, labelKCV, labelSystem, labelWrap, labelWrapAAD, labelCommit, labelMeta, labelReceipt, labelPart, labelTail, recordMagic,
	} {
		if seen[l] || len(l) < 2 {
			t.Errorf("label %q is used twice, or as short as the prefix of a FLOE input", l)
		}
		seen[l] = true
	}
}
