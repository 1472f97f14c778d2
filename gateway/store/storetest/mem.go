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
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sealgate/sealgate/gateway/store"
)

// Mem is a store in memory, for unit tests. Its zero value is empty and keeps no
// versions. It passes every suite of this package, and its listing is the model
// that the other stores are compared with.
type Mem struct {
	// Versioned makes it keep what is overwritten and deleted. It is set before
	// the first use.
	Versioned bool
	// Locks makes it lock objects; it then keeps versions, too. It is set before
	// the first use.
	Locks bool
	// Rule is what the bucket locks of its own accord, as it is told; it does not.
	Rule store.LockRule

	mu      sync.Mutex // guards all below
	objects map[string][]memObject
	uploads map[string]*memUpload
}

// memObject is one version of a key; they are held with the newest last.
type memObject struct {
	store.Object
	body   []byte
	tags   []store.Tag
	marker bool
}

var (
	_ store.Multiparter = (*Mem)(nil)
	_ store.Copier      = (*Mem)(nil)
	_ store.Tagger      = (*Mem)(nil)
	_ store.Locker      = (*Mem)(nil)
)

// Put implements store.Store.
func (m *Mem) Put(ctx context.Context, key string, body io.Reader, o store.PutOptions) (store.Object, error) {
	if err := errors.Join(store.CheckKey(key), o.Check(), m.mayLock(o.Lock), ctx.Err()); err != nil {
		return store.Object{}, fmt.Errorf("writing %q: %w", key, err)
	}
	b, err := io.ReadAll(store.NewExact(body, o.Size))
	if err = errors.Join(err, ctx.Err()); err != nil {
		return store.Object{}, fmt.Errorf("writing %q: %w", key, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	obj, err := m.publish(key, memObject{Object: store.Object{Metadata: o.Metadata, Lock: o.Lock}, body: b}, store.CompleteOptions{IfNoneMatch: o.IfNoneMatch, IfMatch: o.IfMatch})
	if err != nil {
		return store.Object{}, fmt.Errorf("writing %q: %w", key, err)
	}
	return obj, nil
}

// publish makes obj the current version of key, if the condition holds. The
// lock is held.
func (m *Mem) publish(key string, obj memObject, o store.CompleteOptions) (store.Object, error) {
	old, exists := m.current(key)
	if o.IfNoneMatch && exists || o.IfMatch != "" && (!exists || old.ETag != o.IfMatch) {
		return store.Object{}, store.ErrPrecondition
	}
	obj.Key, obj.Size, obj.ETag, obj.LastModified = key, int64(len(obj.body)), rand.Text(), time.Now()
	m.push(key, obj)
	now, _ := m.current(key)
	return now.Object, nil
}

// push adds a version on top of the others, or in place of the one. The lock is
// held.
func (m *Mem) push(key string, obj memObject) {
	if m.objects == nil {
		m.objects = make(map[string][]memObject)
	}
	if m.keeps() {
		obj.VersionID = rand.Text()
		m.objects[key] = append(m.objects[key], obj)
	} else {
		m.objects[key] = []memObject{obj}
	}
}

// current returns what is there under a key. The lock is held.
func (m *Mem) current(key string) (memObject, bool) {
	all := m.objects[key]
	if len(all) == 0 || all[len(all)-1].marker {
		return memObject{}, false
	}
	return all[len(all)-1], true
}

// find returns the index of a version, the current one for "". The lock is held.
func (m *Mem) find(key, version string) (int, bool) {
	all := m.objects[key]
	if version == "" {
		_, ok := m.current(key)
		return len(all) - 1, ok
	}
	for i, obj := range all {
		if obj.VersionID == version || obj.VersionID == "" && version == store.NullVersion {
			return i, true
		}
	}
	return 0, false
}

func (m *Mem) get(ctx context.Context, key, version string) (memObject, error) {
	if err := errors.Join(store.CheckKey(key), ctx.Err()); err != nil {
		return memObject{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	i, ok := m.find(key, version)
	if !ok || m.objects[key][i].marker {
		return memObject{}, fmt.Errorf("reading %q: %w", key, store.ErrNotFound)
	}
	obj := m.objects[key][i]
	obj.VersionID = cmp.Or(version, obj.VersionID)
	return obj, nil
}

// Get implements store.Store.
func (m *Mem) Get(ctx context.Context, key string, o store.GetOptions) (*store.Reader, error) {
	return m.GetVersion(ctx, key, "", o)
}

// GetVersion implements store.Versioner.
func (m *Mem) GetVersion(ctx context.Context, key, version string, o store.GetOptions) (*store.Reader, error) {
	obj, err := m.get(ctx, key, version)
	if err != nil {
		return nil, err
	}
	if o.IfMatch != "" && o.IfMatch != obj.ETag {
		return nil, fmt.Errorf("reading %q: %w", key, store.ErrPrecondition)
	}
	off, n, err := o.Resolve(obj.Size)
	if err != nil {
		return nil, fmt.Errorf("reading %q: %w", key, err)
	}
	body := io.NopCloser(bytes.NewReader(obj.body[off : off+n]))
	return &store.Reader{Object: obj.Object, Off: off, Len: n, ReadCloser: body}, nil
}

// Head implements store.Store.
func (m *Mem) Head(ctx context.Context, key string) (store.Object, error) {
	return m.HeadVersion(ctx, key, "")
}

// HeadVersion implements store.Versioner.
func (m *Mem) HeadVersion(ctx context.Context, key, version string) (store.Object, error) {
	obj, err := m.get(ctx, key, version)
	return obj.Object, err
}

// Delete implements store.Store.
func (m *Mem) Delete(ctx context.Context, key string) error {
	_, err := m.DeleteVersion(ctx, key, "")
	return err
}

// List implements store.Store.
func (m *Mem) List(ctx context.Context, o store.ListOptions) (store.ListPage, error) {
	m.mu.Lock()
	var keys []string
	for key := range m.objects {
		if _, ok := m.current(key); ok {
			keys = append(keys, key)
		}
	}
	m.mu.Unlock()
	slices.Sort(keys)
	page := listModel(keys, o)
	for i := range page.Objects {
		obj, err := m.get(ctx, page.Objects[i].Key, "")
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return store.ListPage{}, err
		}
		obj.Metadata, obj.Lock, obj.Key = "", store.Lock{}, page.Objects[i].Key
		page.Objects[i] = obj.Object
	}
	return page, ctx.Err()
}

// listModel is the meaning of a listing, as directly as it can be written: the
// page of the sorted keys, with nothing but their names.
func listModel(sorted []string, o store.ListOptions) store.ListPage {
	var page store.ListPage
	last, count := "", 0
	for _, key := range sorted {
		name, isPrefix := groupModel(key, o)
		if !strings.HasPrefix(key, o.Prefix) || name <= o.StartAfter || isPrefix && name == last {
			continue
		}
		if count == o.Limit() {
			page.More, page.Next = true, last
			break
		}
		last, count = name, count+1
		if isPrefix {
			page.Prefixes = append(page.Prefixes, name)
		} else {
			page.Objects = append(page.Objects, store.Object{Key: name})
		}
	}
	return page
}

// groupModel returns what a key is listed as, and whether that is a prefix.
func groupModel(key string, o store.ListOptions) (string, bool) {
	rest, ok := strings.CutPrefix(key, o.Prefix)
	if !ok || o.Delimiter == "" {
		return key, false
	}
	if head, _, found := strings.Cut(rest, o.Delimiter); found {
		return o.Prefix + head + o.Delimiter, true
	}
	return key, false
}
