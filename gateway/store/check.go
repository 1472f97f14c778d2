// SPDX-License-Identifier: Apache-2.0

package store

import (
	"fmt"
	"unicode/utf8"
)

// CheckKey returns an error that wraps ErrKey unless key is a key at all: valid
// UTF-8 of 1 to MaxKey bytes. Every operation of every adapter calls it first.
func CheckKey(key string) error {
	switch {
	case key == "":
		return fmt.Errorf("empty key: %w", ErrKey)
	case len(key) > MaxKey:
		return fmt.Errorf("key of %d bytes, at most %d: %w", len(key), MaxKey, ErrKey)
	case !utf8.ValidString(key):
		return fmt.Errorf("key %q is not UTF-8: %w", key, ErrKey)
	}
	return nil
}

// Check returns an error that wraps ErrOptions unless the options can be
// carried by every backend: what one adapter took and another mangled would be
// an object that opens on one of them only.
func (o PutOptions) Check() error {
	switch {
	case o.Size < 0:
		return fmt.Errorf("size %d: %w", o.Size, ErrOptions)
	case o.IfNoneMatch && o.IfMatch != "":
		return fmt.Errorf("both IfNoneMatch and IfMatch: %w", ErrOptions)
	case len(o.Metadata) > MaxMetadata:
		return fmt.Errorf("metadata of %d bytes, at most %d: %w", len(o.Metadata), MaxMetadata, ErrOptions)
	}
	// Visible ASCII only: blanks at the ends are trimmed by HTTP, and anything
	// else is encoded differently from backend to backend.
	for i := range len(o.Metadata) {
		if c := o.Metadata[i]; c <= ' ' || c > '~' {
			return fmt.Errorf("metadata holds byte %#02x: %w", c, ErrOptions)
		}
	}
	return nil
}

// Resolve turns the options into the first byte and the length in an object of
// size bytes. ErrRange if that selects no byte, but for a whole empty object.
func (o GetOptions) Resolve(size int64) (off, n int64, err error) {
	if o.Off == 0 && o.Len < 0 {
		return 0, size, nil
	}
	if off, n = o.Off, o.Len; off < 0 {
		off, n = max(0, size+off), -1
	}
	if off >= size || n == 0 {
		return 0, 0, fmt.Errorf("range %d+%d of %d bytes: %w", o.Off, o.Len, size, ErrRange)
	}
	if n < 0 || n > size-off {
		n = size - off
	}
	return off, n, nil
}

// Limit returns the number of entries that a page may hold.
func (o ListOptions) Limit() int {
	if o.Max <= 0 || o.Max > MaxList {
		return MaxList
	}
	return o.Max
}
