// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

const keyMagic = "sealgate-audit-key-1"

// logKey is a log's identity: its uuid and the key that signs its tree heads.
type logKey struct {
	uuid string
	priv ed25519.PrivateKey
}

func (k logKey) public() ed25519.PublicKey {
	return k.priv.Public().(ed25519.PublicKey)
}

// Format keeps the key out of every log line and error.
func (k logKey) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte("[key]")) } // a State cannot fail in a way that matters

// shortLog is LOG of AUDIT.md "Files".
func shortLog(uuid string) string { return uuid[:8] }

// newLogKey draws a version 4 UUID and a key.
func newLogKey() logKey {
	var u [16]byte
	seed := make([]byte, ed25519.SeedSize)
	rand.Read(u[:]) // never fails: crypto/rand ends the program instead
	rand.Read(seed)
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	h := hex.EncodeToString(u[:])
	uuid := h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
	return logKey{uuid: uuid, priv: ed25519.NewKeyFromSeed(seed)}
}

func (k logKey) encode() []byte {
	s := keyMagic + " " + k.uuid + " " + base64.StdEncoding.EncodeToString(k.priv.Seed())
	return []byte(s + " " + keyCheck(s) + "\n")
}

// keyCheck tells a damaged key file from another log's. It is no secret.
func keyCheck(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:4])
}

var errKeyForm = errors.New("not an audit key, or damaged")

// parseLogKey decodes a key file. Its errors quote nothing of the content.
func parseLogKey(b []byte) (logKey, error) {
	if len(b) == 0 {
		return logKey{}, errors.New("the file is empty")
	}
	text, whole := strings.CutSuffix(string(b), "\n")
	at := strings.LastIndexByte(text, ' ')
	if !whole || at < 0 || keyCheck(text[:at]) != text[at+1:] {
		return logKey{}, errKeyForm
	}
	parts := strings.Split(text[:at], " ")
	if len(parts) != 3 || parts[0] != keyMagic || !validUUID(parts[1]) {
		return logKey{}, errKeyForm
	}
	seed, err := base64.StdEncoding.Strict().DecodeString(parts[2])
	if err != nil || len(seed) != ed25519.SeedSize {
		return logKey{}, errKeyForm
	}
	return logKey{uuid: parts[1], priv: ed25519.NewKeyFromSeed(seed)}, nil
}

// validUUID accepts the lower-case form with hyphens only: the uuid becomes
// part of signed names and must have one spelling.
func validUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch i {
		case 8, 13, 18, 23:
			if s[i] != '-' {
				return false
			}
		default:
			if !strings.Contains(hexDigits, s[i:i+1]) {
				return false
			}
		}
	}
	return true
}
