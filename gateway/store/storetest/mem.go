// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sealgate/sealgate/gateway/store"
)

// Mem is a store in memory, for unit tests. Its zero value is empty. It passes
// [Run], and its listing is the model that the other stores are compared with.
type Mem struct {
	mu      sync.Mutex
	objects map[string]memObject
}

type memObject struct {
	store.Object
	body []byte
}

var _ store.Store = (*Mem)(nil)

// Put implements store.Store.
func (m *Mem) Put(ctx context.Context, key string, body io.Reader, o store.PutOptions) (store.Object, error) {
	if err := errors.Join(store.CheckKey(key), o.Check(), ctx.Err()); err != nil {
		return store.Object{}, fmt.Errorf("writing %q: %w", key, err)
	}
	b, err := io.ReadAll(store.NewExact(body, o.Size))
	if err = errors.Join(err, ctx.Err()); err != nil {
		return store.Object{}, fmt.Errorf("writing %q: %w", key, err)
	}
	obj := store.Object{Key: key, Size: o.Size, ETag: rand.Text(), LastModified: time.Now(), Metadata: o.Metadata}
	m.mu.Lock()
	defer m.mu.Unlock()
	old, exists := m.objects[key]
	if o.IfNoneMatch && exists || o.IfMatch != "" && (!exists || old.ETag != o.IfMatch) {
		return store.Object{}, fmt.Errorf("writing %q: %w", key, store.ErrPrecondition)
	}
	if m.objects == nil {
		m.objects = make(map[string]memObject)
	}
	m.objects[key] = memObject{obj, b}
	return obj, nil
}

func (m *Mem) get(ctx context.Context, key string) (memObject, error) {
	if err := errors.Join(store.CheckKey(key), ctx.Err()); err != nil {
		return memObject{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	obj, ok := m.objects[key]
	if !ok {
		return memObject{}, fmt.Errorf("reading %q: %w", key, store.ErrNotFound)
	}
	return obj, nil
}

// Get implements store.Store.
func (m *Mem) Get(ctx context.Context, key string, o store.GetOptions) (*store.Reader, error) {
	obj, err := m.get(ctx, key)
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
	obj, err := m.get(ctx, key)
	return obj.Object, err
}

// Delete implements store.Store.
func (m *Mem) Delete(ctx context.Context, key string) error {
	if err := errors.Join(store.CheckKey(key), ctx.Err()); err != nil {
		return fmt.Errorf("deleting %q: %w", key, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, key)
	return nil
}

// List implements store.Store.
func (m *Mem) List(ctx context.Context, o store.ListOptions) (store.ListPage, error) {
	m.mu.Lock()
	keys := slices.Sorted(maps.Keys(m.objects))
	m.mu.Unlock()
	page := listModel(keys, o)
	for i := range page.Objects {
		obj, err := m.get(ctx, page.Objects[i].Key)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return store.ListPage{}, err
		}
		obj.Metadata, obj.Key = "", page.Objects[i].Key
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
