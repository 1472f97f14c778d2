// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
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
	if o.Size < 0 {
		return fmt.Errorf("size %d: %w", o.Size, ErrOptions)
	}
	return errors.Join(oneCondition(o.IfNoneMatch, o.IfMatch), CheckMetadata(o.Metadata), o.Lock.Check())
}

// Check returns an error that wraps ErrOptions for two conditions.
func (o CompleteOptions) Check() error { return oneCondition(o.IfNoneMatch, o.IfMatch) }

// Check returns an error that wraps ErrOptions for options as PutOptions.Check
// refuses them, and for a copy of just any version of its source.
func (o CopyOptions) Check() error {
	if o.SourceETag == "" {
		return fmt.Errorf("copy without the tag of its source: %w", ErrOptions)
	}
	return errors.Join(oneCondition(o.IfNoneMatch, o.IfMatch), CheckMetadata(o.Metadata), o.Lock.Check())
}

func oneCondition(noneMatch bool, match string) error { //nolint:revive // both are conditions, not modes
	if noneMatch && match != "" {
		return fmt.Errorf("both IfNoneMatch and IfMatch: %w", ErrOptions)
	}
	return nil
}

// CheckMetadata returns an error that wraps ErrOptions unless every backend
// takes the metadata and gives it back unchanged.
func CheckMetadata(metadata string) error {
	if len(metadata) > MaxMetadata {
		return fmt.Errorf("metadata of %d bytes, at most %d: %w", len(metadata), MaxMetadata, ErrOptions)
	}
	// Visible ASCII only: blanks at the ends are trimmed by HTTP, and anything
	// else is encoded differently from backend to backend.
	for i := range len(metadata) {
		if c := metadata[i]; c <= ' ' || c > '~' {
			return fmt.Errorf("metadata holds byte %#02x: %w", c, ErrOptions)
		}
	}
	return nil
}

// CheckPart returns an error unless a part of this number and size can be sent:
// ErrTooLarge for one that is over MaxPart, ErrOptions for what is no part.
func CheckPart(number int, size int64) error {
	switch {
	case number < 1 || number > MaxParts:
		return fmt.Errorf("part number %d, not 1 to %d: %w", number, MaxParts, ErrOptions)
	case size < 0:
		return fmt.Errorf("size %d: %w", size, ErrOptions)
	case size > MaxPart:
		return fmt.Errorf("part of %d bytes, at most %d: %w", size, MaxPart, ErrTooLarge)
	}
	return nil
}

// CheckParts returns an error that wraps ErrPart unless the list could be one
// of a CompleteMultipart: not empty, numbers that ascend, a tag for each.
func CheckParts(parts []PartTag) error {
	if len(parts) == 0 {
		return fmt.Errorf("no parts: %w", ErrPart)
	}
	last := 0
	for _, p := range parts {
		switch {
		case p.Number <= last || p.Number > MaxParts:
			return fmt.Errorf("part %d after part %d: %w", p.Number, last, ErrPart)
		case p.ETag == "":
			return fmt.Errorf("part %d without a tag: %w", p.Number, ErrPart)
		}
		last = p.Number
	}
	return nil
}

// CheckBucket returns an error that wraps ErrKey unless name is one that S3
// takes for a bucket: 3 to 63 of a-z 0-9 - . with a letter or digit at both ends
// and no two dots together.
func CheckBucket(name string) error {
	other := func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }
	inner := strings.Trim(name, "-.")
	switch {
	case len(name) < 3 || len(name) > 63:
	case inner != name || strings.Contains(name, ".."):
	case strings.ContainsFunc(strings.NewReplacer("-", "", ".", "").Replace(name), other):
	default:
		return nil
	}
	return fmt.Errorf("bucket name %.70q: %w", name, ErrKey)
}

// CheckTags returns an error that wraps ErrOptions unless the tags are ones
// that S3 takes.
func CheckTags(tags []Tag) error {
	if len(tags) > MaxTags {
		return fmt.Errorf("%d tags, at most %d: %w", len(tags), MaxTags, ErrOptions)
	}
	seen := make(map[string]bool, len(tags))
	for _, t := range tags {
		switch {
		case seen[t.Key]:
			return fmt.Errorf("tag %q twice: %w", t.Key, ErrOptions)
		case t.Key == "" || !tagText(t.Key, MaxTagKey):
			return fmt.Errorf("tag key %q is empty, longer than %d characters or holds one that a tag cannot: %w", t.Key, MaxTagKey, ErrOptions)
		case !tagText(t.Value, MaxTagValue):
			return fmt.Errorf("value of tag %q is longer than %d characters or holds one that a tag cannot: %w", t.Key, MaxTagValue, ErrOptions)
		}
		seen[t.Key] = true
	}
	return nil
}

// tagText reports whether s has at most most characters, all of them letters,
// digits, blanks or one of + - = . _ : / @.
func tagText(s string, most int) bool {
	if !utf8.ValidString(s) || utf8.RuneCountInString(s) > most {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.Is(unicode.Zs, r) && !strings.ContainsRune("+-=._:/@", r)
	})
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
