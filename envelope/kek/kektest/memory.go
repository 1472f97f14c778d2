// SPDX-License-Identifier: Apache-2.0

package kektest

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha512"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/sealgate/sealgate/envelope"
)

// Memory is a KEK in memory: it keeps the whole contract and forgets its keys
// with the process.
type Memory struct {
	name string

	mu       sync.RWMutex // guards the fields below
	versions []memoryVersion
}

type memoryVersion struct {
	key     *envelope.Key
	created time.Time
}

var (
	_ envelope.KEK     = (*Memory)(nil)
	_ envelope.Rotator = (*Memory)(nil)
)

// NewMemory returns a KEK with fresh keys, at version 1.
func NewMemory(name string) *Memory {
	m := &Memory{name: name}
	m.add()
	return m
}

func (m *Memory) add() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := envelope.NewKey()
	m.versions = append(m.versions, memoryVersion{key: &key, created: time.Now()})
	return strconv.Itoa(len(m.versions))
}

// Drop makes a version's key disappear, as a key service's operator can. What
// it wrapped is ErrKeyGone from then on.
func (m *Memory) Drop(version string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.versions {
		if strconv.Itoa(i+1) == version {
			m.versions[i].key = nil
		}
	}
}

// Info implements envelope.KEK.
func (m *Memory) Info(context.Context) (envelope.Info, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	in := envelope.Info{Name: m.name, Provider: "memory", Version: strconv.Itoa(len(m.versions))}
	for i, v := range m.versions {
		if v.key != nil {
			in.Versions = append(in.Versions, envelope.KEKVersion{Version: strconv.Itoa(i + 1), Created: v.created})
		}
	}
	return in, nil
}

// Wrap implements envelope.KEK.
func (m *Memory) Wrap(_ context.Context, plain []byte, ec envelope.Context) (envelope.Wrapped, error) {
	if len(plain) < 1 || len(plain) > 64 {
		return envelope.Wrapped{}, fmt.Errorf("wrapping %d bytes: %w", len(plain), envelope.ErrDenied)
	}
	m.mu.RLock()
	version := strconv.Itoa(len(m.versions))
	m.mu.RUnlock()
	salt := make([]byte, 32)
	rand.Read(salt) // it cannot fail: it ends the process instead
	aead, err := m.aead(version, salt)
	if err != nil {
		return envelope.Wrapped{}, err
	}
	blob := aead.Seal(salt, nil, plain, ec.Bytes()) //nolint:gosec // G407: this AEAD draws its nonce itself and takes none
	return envelope.Wrapped{KEK: m.name, Version: version, Blob: blob}, nil
}

// Unwrap implements envelope.KEK.
func (m *Memory) Unwrap(_ context.Context, w envelope.Wrapped, ec envelope.Context) ([]byte, error) {
	if w.KEK != m.name {
		return nil, fmt.Errorf("unwrapping for KEK %q: %w", w.KEK, envelope.ErrKeyGone)
	}
	aead, err := m.aead(w.Version, w.Blob[:min(32, len(w.Blob))])
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nil, w.Blob[min(32, len(w.Blob)):], ec.Bytes())
	if err != nil {
		return nil, fmt.Errorf("unwrapping: %w", envelope.ErrTampered)
	}
	return plain, nil
}

// Rewrap implements envelope.KEK.
func (m *Memory) Rewrap(ctx context.Context, w envelope.Wrapped, ec envelope.Context) (envelope.Wrapped, bool, error) {
	plain, err := m.Unwrap(ctx, w, ec)
	if err != nil {
		return envelope.Wrapped{}, false, err
	}
	in, err := m.Info(ctx)
	if err != nil || in.Version == w.Version {
		return w, false, err
	}
	moved, err := m.Wrap(ctx, plain, ec)
	return moved, err == nil, err
}

// RotateKEK implements envelope.Rotator.
func (m *Memory) RotateKEK(context.Context) (string, error) { return m.add(), nil }

// aead returns the AEAD of one wrap; the salt makes its key unique.
func (m *Memory) aead(version string, salt []byte) (cipher.AEAD, error) {
	key := m.key(version)
	if key == nil {
		return nil, fmt.Errorf("version %q: %w", version, envelope.ErrKeyGone)
	}
	k, err := hkdf.Key(sha512.New384, key[:], salt, "kektest/wrap", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(k)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func (m *Memory) key(version string) *envelope.Key {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for i, v := range m.versions {
		if strconv.Itoa(i+1) == version {
			return v.key
		}
	}
	return nil
}
