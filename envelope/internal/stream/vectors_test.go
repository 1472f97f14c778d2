// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// knownAnswers holds the vectors published with the FLOE specification. They
// live beside the repository, not in it: see FORMAT §14.
const knownAnswers = "../../../../shared/vectors/floe"

func TestKnownAnswers(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(knownAnswers); err != nil {
		t.Skipf("the known answers of the FLOE specification are not at %s", knownAnswers)
	}
	files, err := filepath.Glob(filepath.Join(knownAnswers, "*_ct.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no *_ct.txt in %s (%v)", knownAnswers, err)
	}
	for _, ct := range files {
		name := strings.TrimSuffix(filepath.Base(ct), "_ct.txt")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkKnownAnswer(t, name, readHex(t, ct), readHex(t, strings.Replace(ct, "_ct.txt", "_pt.txt", 1)))
		})
	}
}

func checkKnownAnswer(t *testing.T, name string, message, want []byte) {
	t.Helper()
	p := Params{Segment: int(binary.BigEndian.Uint32(message[2:]))}
	if strings.Contains(name, "rotation") {
		p.rotation = rotationOfVectors
	}
	key, aad := make([]byte, 32), []byte("This is AAD")
	o, err := NewOpener(p, key, message[:HeaderSize], aad)
	if err != nil {
		t.Fatalf("opening header: %v", err)
	}
	got, err := openAll(o, message[HeaderSize:], p.Segment)
	if err != nil {
		t.Fatalf("opening body: %v", err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("plaintext differs: got %d bytes, want %d", len(got), len(want))
	}
}

// rotationOfVectors: the published rotation vectors change the key every 4
// segments.
const rotationOfVectors = 2

// openAll splits a body by its marks, as a reader without a known length
// must. The envelope never does that.
func openAll(o *Opener, body []byte, segment int) ([]byte, error) {
	var plain []byte
	for pos := uint64(0); ; pos++ {
		if len(body) < markSize {
			return nil, ErrAuth
		}
		var err error
		if binary.BigEndian.Uint32(body) != innerMark {
			return o.Final(plain, body, pos)
		}
		if len(body) < segment {
			return nil, ErrAuth
		}
		if plain, err = o.Inner(plain, body[:segment], pos); err != nil {
			return nil, err
		}
		body = body[segment:]
	}
}

func readHex(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatalf("decoding %s: %v", path, err)
	}
	return b
}
