// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sealgate/sealgate/gateway/store"
)

type memUpload struct {
	key, metadata string
	lock          store.Lock
	parts         map[int]memPart
}

type memPart struct {
	etag string
	body []byte
}

// CreateMultipart implements store.Multiparter.
func (m *Mem) CreateMultipart(ctx context.Context, key, metadata string) (string, error) {
	return m.CreateLocked(ctx, key, metadata, store.Lock{})
}

// CreateLocked implements store.Locker.
func (m *Mem) CreateLocked(ctx context.Context, key, metadata string, lock store.Lock) (string, error) {
	if err := errors.Join(store.CheckKey(key), store.CheckMetadata(metadata), lock.Check(), m.mayLock(lock), ctx.Err()); err != nil {
		return "", fmt.Errorf("beginning an upload of %q: %w", key, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.uploads == nil {
		m.uploads = make(map[string]*memUpload)
	}
	name := rand.Text()
	m.uploads[name] = &memUpload{key, metadata, lock, make(map[int]memPart)}
	return name, nil
}

// upload returns an upload of a key. The lock is held.
func (m *Mem) upload(key, name string) (*memUpload, error) {
	if u := m.uploads[name]; u != nil && u.key == key {
		return u, nil
	}
	return nil, fmt.Errorf("upload of %q: %w", key, store.ErrNoUpload)
}

// PutPart implements store.Multiparter.
func (m *Mem) PutPart(ctx context.Context, key, upload string, number int, body io.Reader, size int64) (string, error) {
	if err := errors.Join(store.CheckKey(key), store.CheckPart(number, size), ctx.Err()); err != nil {
		return "", fmt.Errorf("writing part %d of %q: %w", number, key, err)
	}
	m.mu.Lock()
	_, err := m.upload(key, upload)
	m.mu.Unlock()
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(store.NewExact(body, size))
	if err = errors.Join(err, ctx.Err()); err != nil {
		return "", fmt.Errorf("writing part %d of %q: %w", number, key, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	u, err := m.upload(key, upload)
	if err != nil {
		return "", err
	}
	part := memPart{rand.Text(), b}
	u.parts[number] = part
	return part.etag, nil
}

// CompleteMultipart implements store.Multiparter.
func (m *Mem) CompleteMultipart(
	ctx context.Context, key, upload string, parts []store.PartTag, o store.CompleteOptions,
) (store.Object, error) {
	if err := errors.Join(store.CheckKey(key), o.Check(), ctx.Err()); err != nil {
		return store.Object{}, fmt.Errorf("completing %q: %w", key, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	u, err := m.upload(key, upload)
	if err == nil {
		err = store.CheckParts(parts)
	}
	if err != nil {
		return store.Object{}, fmt.Errorf("completing %q: %w", key, err)
	}
	var body bytes.Buffer
	for _, p := range parts {
		part, ok := u.parts[p.Number]
		if !ok || part.etag != p.ETag {
			return store.Object{}, fmt.Errorf("completing %q: part %d: %w", key, p.Number, store.ErrPart)
		}
		body.Write(part.body)
	}
	obj, err := m.publish(key, memObject{Object: store.Object{Metadata: u.metadata, Lock: u.lock}, body: body.Bytes()}, o)
	if err != nil {
		return store.Object{}, fmt.Errorf("completing %q: %w", key, err)
	}
	delete(m.uploads, upload)
	return obj, nil
}

// AbortMultipart implements store.Multiparter.
func (m *Mem) AbortMultipart(ctx context.Context, key, upload string) error {
	if err := errors.Join(store.CheckKey(key), ctx.Err()); err != nil {
		return fmt.Errorf("aborting an upload of %q: %w", key, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.upload(key, upload); err == nil {
		delete(m.uploads, upload)
	}
	return nil
}

// Uploads returns how many uploads are unfinished.
func (m *Mem) Uploads() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.uploads)
}

// Copy implements store.Copier.
func (m *Mem) Copy(ctx context.Context, dst, src string, o store.CopyOptions) (store.Object, error) {
	if err := errors.Join(store.CheckKey(dst), store.CheckKey(src), o.Check(), m.mayLock(o.Lock), ctx.Err()); err != nil {
		return store.Object{}, fmt.Errorf("copying %q to %q: %w", src, dst, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	i, ok := m.find(src, o.SourceVersion)
	if !ok || m.objects[src][i].marker {
		return store.Object{}, fmt.Errorf("copying %q to %q: %w", src, dst, store.ErrNotFound)
	}
	from := m.objects[src][i]
	err := store.ErrPrecondition
	var obj store.Object
	if from.ETag == o.SourceETag {
		c := store.CompleteOptions{IfNoneMatch: o.IfNoneMatch, IfMatch: o.IfMatch}
		obj, err = m.publish(dst, memObject{Object: store.Object{Metadata: o.Metadata, Lock: o.Lock}, body: from.body, tags: from.tags}, c)
	}
	if err != nil {
		return store.Object{}, fmt.Errorf("copying %q to %q: %w", src, dst, err)
	}
	return obj, nil
}

// Tags implements store.Tagger.
func (m *Mem) Tags(ctx context.Context, key, version string) ([]store.Tag, error) {
	obj, err := m.get(ctx, key, version)
	return slices.Clone(obj.tags), err
}

// SetTags implements store.Tagger.
func (m *Mem) SetTags(ctx context.Context, key, version string, tags []store.Tag) error {
	if err := store.CheckTags(tags); err != nil {
		return fmt.Errorf("setting the tags of %q: %w", key, err)
	}
	if _, err := m.get(ctx, key, version); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	i, ok := m.find(key, version)
	if !ok {
		return fmt.Errorf("setting the tags of %q: %w", key, store.ErrNotFound)
	}
	m.objects[key][i].tags = slices.SortedFunc(slices.Values(tags), func(a, b store.Tag) int { return cmp.Compare(a.Key, b.Key) })
	return nil
}

// Versioning implements store.Versioner.
func (m *Mem) Versioning(ctx context.Context) (string, error) {
	if m.keeps() {
		return "Enabled", ctx.Err()
	}
	return "", ctx.Err()
}

// DeleteVersion implements store.Versioner.
func (m *Mem) DeleteVersion(ctx context.Context, key, version string) (store.Deleted, error) {
	if err := errors.Join(store.CheckKey(key), ctx.Err()); err != nil {
		return store.Deleted{}, fmt.Errorf("deleting %q: %w", key, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if version == "" && m.keeps() {
		m.push(key, memObject{Object: store.Object{Key: key, LastModified: time.Now()}, marker: true})
		return store.Deleted{VersionID: m.objects[key][len(m.objects[key])-1].VersionID, Marker: true}, nil
	}
	i, ok := m.find(key, version)
	if !ok {
		return store.Deleted{}, nil
	}
	gone := m.objects[key][i]
	if gone.Lock.Holds(time.Now()) {
		return store.Deleted{}, fmt.Errorf("deleting %q: %w", key, store.ErrLocked)
	}
	if m.objects[key] = slices.Delete(slices.Clone(m.objects[key]), i, i+1); len(m.objects[key]) == 0 {
		delete(m.objects, key)
	}
	return store.Deleted{VersionID: gone.VersionID, Marker: gone.marker}, nil
}

// ListVersions implements store.Versioner, as directly as it can be written.
func (m *Mem) ListVersions(ctx context.Context, o store.VersionListOptions) (store.VersionPage, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	model := store.ListOptions{Prefix: o.Prefix, Delimiter: o.Delimiter, Max: o.Max}
	var page store.VersionPage
	for _, key := range slices.Sorted(maps.Keys(m.objects)) {
		name, grouped := groupModel(key, model)
		if grouped {
			last := len(page.Prefixes) - 1
			if name <= o.KeyMarker || last >= 0 && page.Prefixes[last] == name {
				continue
			}
			if full(&page, model.Limit()) {
				return page, ctx.Err()
			}
			page.Prefixes = append(page.Prefixes, name)
			page.NextKey, page.NextVersion = name, ""
			continue
		}
		if !strings.HasPrefix(key, o.Prefix) || key < o.KeyMarker || key == o.KeyMarker && o.VersionMarker == "" {
			continue
		}
		for _, v := range m.versionsAfter(key, o) {
			if full(&page, model.Limit()) {
				return page, ctx.Err()
			}
			page.Versions = append(page.Versions, v)
			page.NextKey, page.NextVersion = key, v.VersionID
		}
	}
	page.NextKey, page.NextVersion = "", ""
	return page, ctx.Err()
}

// full reports whether a page is, which then has more behind it.
func full(page *store.VersionPage, limit int) bool {
	page.More = len(page.Versions)+len(page.Prefixes) == limit
	return page.More
}

// versionsAfter returns the versions of a key that a listing gives, the newest
// first. The lock is held.
func (m *Mem) versionsAfter(key string, o store.VersionListOptions) []store.Version {
	all := m.objects[key]
	var versions []store.Version
	for i := len(all) - 1; i >= 0; i-- {
		v := store.Version{Object: all[i].Object, Latest: i == len(all)-1, Marker: all[i].marker}
		v.Metadata, v.Lock, v.VersionID = "", store.Lock{}, cmp.Or(v.VersionID, store.NullVersion)
		versions = append(versions, v)
		if key == o.KeyMarker && v.VersionID == o.VersionMarker {
			versions = nil
		}
	}
	return versions
}
