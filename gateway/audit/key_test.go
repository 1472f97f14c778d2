// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

func TestKeyFile(t *testing.T) {
	t.Parallel()
	k := newLogKey()
	file := k.encode()
	got, err := parseLogKey(file)
	if err != nil || got.uuid != k.uuid || !got.priv.Equal(k.priv) {
		t.Fatalf("round trip: %v", err)
	}
	for i := range file {
		for bit := range 8 {
			bad := append([]byte(nil), file...)
			bad[i] ^= 1 << bit
			if _, err := parseLogKey(bad); err == nil {
				t.Errorf("bit %d of byte %d flipped: accepted", bit, i)
			}
		}
		if _, err := parseLogKey(file[:i]); err == nil {
			t.Errorf("first %d bytes: accepted", i)
		}
	}
	if _, err := parseLogKey(append(file, '\n')); err == nil {
		t.Error("a second newline: accepted")
	}
}

func TestKeyIsNeverPrinted(t *testing.T) {
	t.Parallel()
	k := newLogKey()
	seed := base64.StdEncoding.EncodeToString(k.priv.Seed())
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		if s := fmt.Sprintf(verb, k); s != "[key]" {
			t.Errorf("%s prints %s", verb, s)
		}
	}
	_, err := parseLogKey([]byte(keyMagic + " " + k.uuid + " " + seed + "\n"))
	if err == nil || strings.Contains(err.Error(), seed[:8]) {
		t.Errorf("error: %v", err)
	}
}

func TestCheckpoint(t *testing.T) {
	t.Parallel()
	k, other := newLogKey(), newLogKey()
	cp := checkpoint{uuid: k.uuid, epoch: 3, size: 19, root: tlog.RecordHash([]byte("x"))}
	msg, err := cp.sign(k)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := openCheckpoint(msg, k.public()); err != nil || got != cp {
		t.Fatalf("round trip: %+v, %v", got, err)
	}
	if _, err := openCheckpoint(msg, other.public()); err == nil {
		t.Error("another key's signature was accepted")
	}
	for i := range msg {
		for bit := range 8 {
			bad := append([]byte(nil), msg...)
			bad[i] ^= 1 << bit
			if _, err := openCheckpoint(bad, k.public()); err == nil {
				t.Errorf("bit %d of byte %d flipped: accepted", bit, i)
			}
		}
	}
}

func TestCheckpointText(t *testing.T) {
	t.Parallel()
	cp := checkpoint{uuid: newLogKey().uuid, epoch: 1, size: 5}
	good := cp.text()
	if _, err := parseCheckpoint(good); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"extension line": good + "more\n",
		"leading zero":   strings.Replace(good, "\n5\n", "\n05\n", 1),
		"sign":           strings.Replace(good, "\n5\n", "\n+5\n", 1),
		"negative":       strings.Replace(good, "\n5\n", "\n-5\n", 1),
		"other origin":   strings.Replace(good, "sealgate/audit", "sealgate/other", 1),
		"no epoch":       strings.Replace(good, "/1\n", "\n", 1),
		"bad hash":       strings.Replace(good, "AAAA", "AA*A", 1),
		"short hash":     strings.Replace(good, "AAAA", "", 1),
		"upper uuid":     strings.Replace(good, cp.uuid, strings.ToUpper(cp.uuid), 1),
		"no final line":  strings.TrimSuffix(good, "\n"),
	} {
		if text == good {
			continue // a uuid without letters
		}
		if _, err := parseCheckpoint(text); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
