// SPDX-License-Identifier: Apache-2.0

package disk

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path"
	"slices"
	"syscall"

	"github.com/sealgate/sealgate/gateway/store"
)

const (
	sufTags   = '@' // of the file beside an object's that holds its tags
	magicTags = "SGTAGS1\n"
	// maxTagSets is how many objects a file of tags is about: the one that is
	// there and the one that is about to replace it.
	maxTagSets = 2
	// maxTagsFile bounds what is read, four bytes to a character.
	maxTagsFile = 8 + 2 + store.MaxKey + maxTagSets*(16+2+store.MaxTags*(2+2+4*(store.MaxTagKey+store.MaxTagValue))) + 4
)

// tagSet is the tags of one write of a key.
type tagSet struct {
	etag [16]byte
	tags []store.Tag
}

// tagsPath is the path of the file with the tags of a key. No key's file has
// this name, and no listing looks at it.
func tagsPath(key string) string {
	name := pathOf(key)
	return name[:len(name)-1] + string(sufTags)
}

// Tags implements store.Tagger.
func (s *Store) Tags(ctx context.Context, key, version string) ([]store.Tag, error) {
	tags, err := s.tagsOf(ctx, key, version)
	if err != nil {
		return nil, fmt.Errorf("reading the tags of %q: %w", key, err)
	}
	return tags, nil
}

func (s *Store) tagsOf(ctx context.Context, key, version string) ([]store.Tag, error) {
	if err := errors.Join(store.CheckKey(key), ctx.Err()); err != nil {
		return nil, err
	}
	if !current(version) {
		return nil, store.ErrNotFound
	}
	f, h, err := s.openObject(ctx, key)
	if err != nil {
		return nil, err
	}
	tags, err := s.readTags(key, h.etag)
	return tags, errors.Join(err, f.Close())
}

// SetTags implements store.Tagger.
func (s *Store) SetTags(ctx context.Context, key, version string, tags []store.Tag) error {
	if err := s.setTags(ctx, key, version, tags); err != nil {
		return fmt.Errorf("setting the tags of %q: %w", key, err)
	}
	return nil
}

func (s *Store) setTags(ctx context.Context, key, version string, tags []store.Tag) error {
	if err := errors.Join(store.CheckKey(key), store.CheckTags(tags), ctx.Err()); err != nil {
		return err
	}
	if !current(version) {
		return store.ErrNotFound
	}
	mu := s.keyLock(key)
	mu.Lock()
	defer mu.Unlock()
	f, h, err := s.openObject(ctx, key)
	if err != nil {
		return err
	}
	tags = slices.SortedFunc(slices.Values(tags), func(a, b store.Tag) int { return cmp.Compare(a.Key, b.Key) })
	if len(tags) == 0 {
		err = s.removeTags(key)
	} else {
		err = s.writeTags(key, []tagSet{{h.etag, tags}})
	}
	return classify(errors.Join(err, f.Close()))
}

// removeTags removes the file of a key's tags and makes that durable, also when
// it went a moment ago.
func (s *Store) removeTags(key string) error {
	name := tagsPath(key)
	s.persist(pointTags)
	if err := s.root.Remove(name); err != nil && !absent(err) {
		return err
	}
	s.persist(pointTagsSync)
	return s.syncDir(path.Dir(name))
}

// writeTags replaces the file of a key's tags and makes that durable. The key's
// lock is held and its directory is there.
func (s *Store) writeTags(key string, sets []tagSet) error {
	tmp := tmpDir + "/" + rand.Text()
	defer func() { _ = s.root.Remove(tmp) }() // what is left over even so, the next Open removes
	f, err := s.root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return classify(err)
	}
	_, err = f.Write(encodeTags(key, sets))
	s.persist(pointBody)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return classify(err)
	}
	name := tagsPath(key)
	s.persist(pointTags)
	if err := s.root.Rename(tmp, name); err != nil {
		return err // as it is: who published with it tries again when the directory has gone
	}
	s.persist(pointTagsSync)
	return classify(s.syncDir(path.Dir(name)))
}

// readTags reads the tags of the write of key that etag stands for.
func (s *Store) readTags(key string, etag [16]byte) ([]store.Tag, error) {
	name := tagsPath(key)
	f, err := s.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, classify(err)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxTagsFile+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, classify(err)
	}
	owner, sets, err := decodeTags(b)
	if err == nil && owner != key {
		err = damaged("file %s is of the key %q", name, owner)
	}
	if err != nil {
		return nil, err
	}
	for _, set := range sets {
		if set.etag == etag {
			return set.tags, nil
		}
	}
	return nil, nil // of a write that is no more
}

// encodeTags encodes a file of tags, as drawn in the package comment.
func encodeTags(key string, sets []tagSet) []byte {
	be := binary.BigEndian
	text := func(b []byte, s string) []byte { return append(be.AppendUint16(b, uint16(len(s))), s...) }
	b := text([]byte(magicTags), key)
	for _, set := range sets {
		b = be.AppendUint16(append(b, set.etag[:]...), uint16(len(set.tags)))
		for _, t := range set.tags {
			b = text(text(b, t.Key), t.Value)
		}
	}
	return be.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// decodeTags is the inverse of encodeTags, and of nothing else.
func decodeTags(b []byte) (key string, sets []tagSet, err error) {
	if len(b) < len(magicTags)+4 || len(b) > maxTagsFile || string(b[:len(magicTags)]) != magicTags {
		return "", nil, damaged("no file of tags")
	}
	n := len(b) - 4
	if binary.BigEndian.Uint32(b[n:]) != crc32.Checksum(b[:n], castagnoli) {
		return "", nil, damaged("checksum of tags")
	}
	key, rest, ok := cutString(b[len(magicTags):n])
	for ok && len(rest) > 0 {
		var set tagSet
		if set, rest, ok = cutTagSet(rest); ok {
			sets = append(sets, set)
		}
	}
	if !ok || len(sets) > maxTagSets {
		return "", nil, damaged("fields of tags")
	}
	return key, sets, nil
}

// cutTagSet cuts the tags of one write off b.
func cutTagSet(b []byte) (set tagSet, rest []byte, ok bool) {
	if len(b) < 18 {
		return set, nil, false
	}
	set.etag = [16]byte(b)
	count, rest := int(binary.BigEndian.Uint16(b[16:])), b[18:]
	for range count {
		var t store.Tag
		if t.Key, rest, ok = cutString(rest); !ok {
			return set, nil, false
		}
		if t.Value, rest, ok = cutString(rest); !ok {
			return set, nil, false
		}
		set.tags = append(set.tags, t)
	}
	return set, rest, true
}
