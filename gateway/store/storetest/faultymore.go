// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/sealgate/sealgate/gateway/store"
)

var (
	_ store.Multiparter = (*Faulty)(nil)
	_ store.Copier      = (*Faulty)(nil)
	_ store.Tagger      = (*Faulty)(nil)
	_ store.Locker      = (*Faulty)(nil)
)

// Store returns the Faulty as a store that keeps versions only if the one behind
// it does: what a caller that looks for store.Versioner is to be given.
func (f *Faulty) Store() store.Store {
	if _, ok := f.inner.(store.Versioner); ok {
		return f
	}
	return unversioned{f, f, f}
}

// unversioned is a Faulty without its versions.
type unversioned struct {
	store.Multiparter
	copier
	tagger
}

// copier and tagger hide the Store in the interfaces, which is the same.
type copier interface {
	Copy(ctx context.Context, dst, src string, o store.CopyOptions) (store.Object, error)
}

type tagger interface {
	Tags(ctx context.Context, key, version string) ([]store.Tag, error)
	SetTags(ctx context.Context, key, version string, tags []store.Tag) error
}

// call makes one call of an optional operation by its rule: T is the interface
// that has it.
func call[T, R any](ctx context.Context, f *Faulty, op Op, key string, do func(T) (R, error)) (R, error) {
	var none R
	rule, err := f.begin(ctx, op, key)
	if err != nil {
		return none, fmt.Errorf("%q: %w", key, err)
	}
	inner, ok := f.inner.(T)
	if !ok {
		return none, fmt.Errorf("%T lacks an operation: %w", f.inner, errors.ErrUnsupported)
	}
	r, err := do(inner)
	if err = errors.Join(err, rule.Lost); err != nil {
		return none, err
	}
	if obj, ok := any(&r).(*store.Object); ok && rule.Object != nil {
		rule.Object(obj)
	}
	return r, nil
}

type nothing struct{}

// CreateMultipart implements store.Multiparter.
func (f *Faulty) CreateMultipart(ctx context.Context, key, metadata string) (string, error) {
	return call(ctx, f, CreateMultipart, key, func(m store.Multiparter) (string, error) {
		return m.CreateMultipart(ctx, key, metadata)
	})
}

// PutPart implements store.Multiparter.
func (f *Faulty) PutPart(ctx context.Context, key, upload string, number int, body io.Reader, size int64) (string, error) {
	return call(ctx, f, PutPart, key, func(m store.Multiparter) (string, error) {
		return m.PutPart(ctx, key, upload, number, body, size)
	})
}

// CompleteMultipart implements store.Multiparter.
func (f *Faulty) CompleteMultipart(
	ctx context.Context, key, upload string, parts []store.PartTag, o store.CompleteOptions,
) (store.Object, error) {
	return call(ctx, f, CompleteMultipart, key, func(m store.Multiparter) (store.Object, error) {
		return m.CompleteMultipart(ctx, key, upload, parts, o)
	})
}

// AbortMultipart implements store.Multiparter.
func (f *Faulty) AbortMultipart(ctx context.Context, key, upload string) error {
	_, err := call(ctx, f, AbortMultipart, key, func(m store.Multiparter) (nothing, error) {
		return nothing{}, m.AbortMultipart(ctx, key, upload)
	})
	return err
}

// Copy implements store.Copier.
func (f *Faulty) Copy(ctx context.Context, dst, src string, o store.CopyOptions) (store.Object, error) {
	return call(ctx, f, Copy, dst, func(c store.Copier) (store.Object, error) { return c.Copy(ctx, dst, src, o) })
}

// Tags implements store.Tagger.
func (f *Faulty) Tags(ctx context.Context, key, version string) ([]store.Tag, error) {
	return call(ctx, f, Tags, key, func(t store.Tagger) ([]store.Tag, error) { return t.Tags(ctx, key, version) })
}

// SetTags implements store.Tagger.
func (f *Faulty) SetTags(ctx context.Context, key, version string, tags []store.Tag) error {
	_, err := call(ctx, f, SetTags, key, func(t store.Tagger) (nothing, error) {
		return nothing{}, t.SetTags(ctx, key, version, tags)
	})
	return err
}

// Versioning implements store.Versioner.
func (f *Faulty) Versioning(ctx context.Context) (string, error) {
	return call(ctx, f, Versioning, "", func(v store.Versioner) (string, error) { return v.Versioning(ctx) })
}

// GetVersion implements store.Versioner.
func (f *Faulty) GetVersion(ctx context.Context, key, version string, o store.GetOptions) (*store.Reader, error) {
	v, ok := f.inner.(store.Versioner)
	if !ok {
		return nil, fmt.Errorf("%T lacks an operation: %w", f.inner, errors.ErrUnsupported)
	}
	return f.open(ctx, key, func() (*store.Reader, error) { return v.GetVersion(ctx, key, version, o) })
}

// HeadVersion implements store.Versioner.
func (f *Faulty) HeadVersion(ctx context.Context, key, version string) (store.Object, error) {
	return call(ctx, f, Head, key, func(v store.Versioner) (store.Object, error) { return v.HeadVersion(ctx, key, version) })
}

// DeleteVersion implements store.Versioner.
func (f *Faulty) DeleteVersion(ctx context.Context, key, version string) (store.Deleted, error) {
	return call(ctx, f, Delete, key, func(v store.Versioner) (store.Deleted, error) { return v.DeleteVersion(ctx, key, version) })
}

// ListVersions implements store.Versioner.
func (f *Faulty) ListVersions(ctx context.Context, o store.VersionListOptions) (store.VersionPage, error) {
	return call(ctx, f, ListVersions, o.Prefix, func(v store.Versioner) (store.VersionPage, error) { return v.ListVersions(ctx, o) })
}

// CreateLocked implements store.Locker.
func (f *Faulty) CreateLocked(ctx context.Context, key, metadata string, lock store.Lock) (string, error) {
	return call(ctx, f, CreateMultipart, key, func(l store.Locker) (string, error) {
		return l.CreateLocked(ctx, key, metadata, lock)
	})
}

// Retain implements store.Locker.
func (f *Faulty) Retain(ctx context.Context, key, version string, r store.Retention) error {
	_, err := call(ctx, f, Retain, key, func(l store.Locker) (nothing, error) {
		return nothing{}, l.Retain(ctx, key, version, r)
	})
	return err
}

// LockRule implements store.Locker.
func (f *Faulty) LockRule(ctx context.Context) (store.LockRule, error) {
	return call(ctx, f, LockRule, "", func(l store.Locker) (store.LockRule, error) { return l.LockRule(ctx) })
}
