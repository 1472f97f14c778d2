// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sealgate/sealgate/gateway/store"
)

// Op is an operation of a store.
type Op uint8

// The operations. Any in a Rule means all of them; Get, Head and Delete are also
// those of versions.
const (
	Any Op = iota
	Put
	Get
	Head
	Delete
	List
	CreateMultipart
	PutPart
	CompleteMultipart
	AbortMultipart
	Copy
	Tags
	SetTags
	Versioning
	ListVersions
	Retain
	LockRule
)

// Rule says what goes wrong, and when. Its zero value matches every call and
// does nothing.
type Rule struct {
	// Op and Key select calls; Any and "" match all. For List and ListVersions,
	// Key is compared with the prefix, for Copy with the destination.
	Op  Op
	Key string
	// Skip is the number of matching calls that go well before the rule works,
	// Times the number of calls it then works for; 0 is no end.
	Skip, Times int
	// Ratio, if not 0, is the share of the remaining calls that are hit, drawn
	// from the seed of the Faulty.
	Ratio float64

	// Delay is waited before the call, or until its context ends.
	Delay time.Duration
	// Err is returned in place of making the call: a write is lost.
	Err error
	// Lost is returned after the call was made: a write that is applied and
	// reported as lost. The result of a read is dropped.
	Lost error
	// Object, if not nil, changes what Head and Get say about the object, and
	// List about each: the store lies.
	Object func(*store.Object)
	// Body, if not nil, replaces the body of a Get; see Truncate, Cut, Flip,
	// Drip, Swap.
	Body func(r *store.Reader) io.ReadCloser
}

// Faulty is a store in front of another that breaks calls by rules. The first
// rule that matches a call is the one that works.
//
// It has all optional operations. Where the store behind it lacks one the call is
// errors.ErrUnsupported; [Faulty.Store] is for those who ask before they call.
type Faulty struct {
	inner store.Store

	mu    sync.Mutex // guards all below
	rnd   *rand.Rand
	rules []*Rule
	calls map[Op]int
}

var _ store.Store = (*Faulty)(nil)

// NewFaulty returns a Faulty without rules in front of inner. The same seed
// draws the same ratios in the same order of calls.
func NewFaulty(inner store.Store, seed uint64) *Faulty {
	rnd := rand.New(rand.NewPCG(seed, seed)) //nolint:gosec // repeatable
	return &Faulty{inner: inner, rnd: rnd, calls: make(map[Op]int)}
}

// Add adds a rule after those that are there.
func (f *Faulty) Add(r Rule) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = append(f.rules, &r)
}

// Clear removes all rules.
func (f *Faulty) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = nil
}

// Calls returns how many calls of op (Any: of all) have been made.
func (f *Faulty) Calls(op Op) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[op]
}

// begin counts the call, finds its rule, and waits and fails as it says.
func (f *Faulty) begin(ctx context.Context, op Op, key string) (Rule, error) {
	r := f.match(op, key)
	if r.Delay > 0 {
		select {
		case <-time.After(r.Delay):
		case <-ctx.Done():
			return r, ctx.Err()
		}
	}
	return r, r.Err
}

func (f *Faulty) match(op Op, key string) Rule {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[op]++
	f.calls[Any]++
	for _, r := range f.rules {
		if r.Op != Any && r.Op != op || r.Key != "" && r.Key != key || r.Times < 0 {
			continue
		}
		if r.Skip > 0 {
			r.Skip--
			continue
		}
		if r.Ratio > 0 && f.rnd.Float64() >= r.Ratio {
			continue
		}
		hit := *r
		if r.Times--; r.Times == 0 {
			r.Times = -1 // used up
		} else if r.Times < 0 {
			r.Times = 0 // it was 0: no end
		}
		return hit
	}
	return Rule{}
}

// Put implements store.Store.
func (f *Faulty) Put(ctx context.Context, key string, body io.Reader, o store.PutOptions) (store.Object, error) {
	r, err := f.begin(ctx, Put, key)
	if err != nil {
		return store.Object{}, fmt.Errorf("writing %q: %w", key, err)
	}
	obj, err := f.inner.Put(ctx, key, body, o)
	if err = errors.Join(err, r.Lost); err != nil {
		return store.Object{}, fmt.Errorf("writing %q: %w", key, err)
	}
	return obj, nil
}

// Get implements store.Store.
func (f *Faulty) Get(ctx context.Context, key string, o store.GetOptions) (*store.Reader, error) {
	return f.open(ctx, key, func() (*store.Reader, error) { return f.inner.Get(ctx, key, o) })
}

// open makes a Get by its rule.
func (f *Faulty) open(ctx context.Context, key string, get func() (*store.Reader, error)) (*store.Reader, error) {
	rule, err := f.begin(ctx, Get, key)
	if err != nil {
		return nil, fmt.Errorf("reading %q: %w", key, err)
	}
	r, err := get()
	if err != nil {
		return nil, err
	}
	if rule.Lost != nil {
		return nil, errors.Join(rule.Lost, r.Close())
	}
	if rule.Object != nil {
		rule.Object(&r.Object)
	}
	if rule.Body != nil {
		r.ReadCloser = rule.Body(r)
	}
	return r, nil
}

// Head implements store.Store.
func (f *Faulty) Head(ctx context.Context, key string) (store.Object, error) {
	r, err := f.begin(ctx, Head, key)
	if err != nil {
		return store.Object{}, fmt.Errorf("reading %q: %w", key, err)
	}
	obj, err := f.inner.Head(ctx, key)
	if err = errors.Join(err, r.Lost); err != nil {
		return store.Object{}, err
	}
	if r.Object != nil {
		r.Object(&obj)
	}
	return obj, nil
}

// Delete implements store.Store.
func (f *Faulty) Delete(ctx context.Context, key string) error {
	r, err := f.begin(ctx, Delete, key)
	if err != nil {
		return fmt.Errorf("deleting %q: %w", key, err)
	}
	return errors.Join(f.inner.Delete(ctx, key), r.Lost)
}

// List implements store.Store.
func (f *Faulty) List(ctx context.Context, o store.ListOptions) (store.ListPage, error) {
	r, err := f.begin(ctx, List, o.Prefix)
	if err != nil {
		return store.ListPage{}, fmt.Errorf("listing %q: %w", o.Prefix, err)
	}
	page, err := f.inner.List(ctx, o)
	if err = errors.Join(err, r.Lost); err != nil {
		return store.ListPage{}, err
	}
	for i := range page.Objects {
		if r.Object != nil {
			r.Object(&page.Objects[i])
		}
	}
	return page, nil
}
