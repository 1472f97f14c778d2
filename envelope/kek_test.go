// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
)

// memoryKEK is a KEK in memory for the tests of this package. (The adapters
// have kektest, which imports this package.)
type memoryKEK struct {
	current int
	keys    map[string]*Key
	// mangle, if set, changes what Unwrap returns: a faulty key service.
	mangle func([]byte) []byte
	// confused makes Rewrap wrap another key than the one it was given.
	confused bool
	err      error
}

func newMemoryKEK() *memoryKEK {
	k := &memoryKEK{keys: map[string]*Key{}}
	k.rotate()
	return k
}

func (k *memoryKEK) rotate() {
	k.current++
	key := NewKey()
	k.keys[strconv.Itoa(k.current)] = &key
}

func (k *memoryKEK) Info(context.Context) (Info, error) {
	return Info{Name: "memory", Provider: "memory", Version: strconv.Itoa(k.current)}, k.err
}

func (k *memoryKEK) Wrap(_ context.Context, plain []byte, ec Context) (Wrapped, error) {
	version := strconv.Itoa(k.current)
	return Wrapped{"memory", version, seal(k.keys[version][:], plain, ec.Bytes())}, k.err
}

func (k *memoryKEK) Unwrap(_ context.Context, w Wrapped, ec Context) ([]byte, error) {
	if k.err != nil {
		return nil, k.err
	}
	key := k.keys[w.Version]
	if key == nil {
		return nil, fmt.Errorf("version %s: %w", w.Version, ErrKeyGone)
	}
	plain, err := open(key[:], w.Blob, ec.Bytes(), "")
	if err != nil {
		return nil, ErrTampered
	}
	if k.mangle != nil {
		return k.mangle(bytes.Clone(plain)), nil
	}
	return plain, nil
}

func (k *memoryKEK) Rewrap(ctx context.Context, w Wrapped, ec Context) (Wrapped, bool, error) {
	if w.Version == strconv.Itoa(k.current) {
		return w, false, nil
	}
	plain, err := k.Unwrap(ctx, w, ec)
	if err != nil {
		return Wrapped{}, false, err
	}
	if k.confused {
		plain[0] ^= 1
	}
	w, err = k.Wrap(ctx, plain, ec)
	return w, true, err
}
