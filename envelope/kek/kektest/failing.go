// SPDX-License-Identifier: Apache-2.0

package kektest

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"

	"github.com/sealgate/sealgate/envelope"
)

// Op is one method of a KEK.
type Op string

// The methods that a Failing can be told to get wrong.
const (
	OpInfo   Op = "Info"
	OpWrap   Op = "Wrap"
	OpUnwrap Op = "Unwrap"
	OpRewrap Op = "Rewrap"
	OpRotate Op = "RotateKEK"
)

// Mode is a way to be wrong.
type Mode int

const (
	// Refuse returns Fault.Err and does nothing.
	Refuse Mode = iota
	// Lose does what was asked and then returns Fault.Err: the answer got lost.
	Lose
	// Garbage answers with random bytes of the right length.
	Garbage
	// WrongKey answers well-formed and wrong: Unwrap with a key that was never
	// wrapped, Wrap and Rewrap with a blob that opens to such a key.
	WrongKey
	// Hang does not answer until the context ends, then returns its error.
	Hang
)

// Fault is what goes wrong, and when.
type Fault struct {
	Op   Op
	Mode Mode
	// Err is what Refuse and Lose return.
	Err error
	// After is how many calls of Op go well first, counted from Set; Times is
	// how many go wrong then, 0 for all.
	After, Times int
}

// Failing is a KEK that passes every call on to another, but for the faults
// that were set. It is an envelope.Rotator; if the other is not, RotateKEK is
// ErrDenied.
type Failing struct {
	kek envelope.KEK

	mu     sync.Mutex // guards the fields below
	faults []*armed
	calls  map[Op]int
}

type armed struct {
	Fault
	seen int
}

var (
	_ envelope.KEK     = (*Failing)(nil)
	_ envelope.Rotator = (*Failing)(nil)
)

// NewFailing returns a wrapper of kek without faults.
func NewFailing(kek envelope.KEK) *Failing {
	return &Failing{kek: kek, calls: map[Op]int{}}
}

// Set adds a fault; of two that meet in one call the first one set wins.
func (f *Failing) Set(fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, &armed{Fault: fault})
}

// Heal drops all faults.
func (f *Failing) Heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = nil
}

// Calls returns how often op was called.
func (f *Failing) Calls(op Op) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[op]
}

// hit counts a call and returns the fault that meets it, nil if none does.
func (f *Failing) hit(op Op) *Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[op]++
	for _, a := range f.faults {
		if a.Op != op {
			continue
		}
		a.seen++
		if a.seen > a.After && (a.Times == 0 || a.seen <= a.After+a.Times) {
			return &a.Fault
		}
	}
	return nil
}

// stop returns the error of a fault that does nothing, after waiting if it is
// one that hangs; nil if the call goes on.
func (f *Fault) stop(ctx context.Context) error {
	switch {
	case f == nil:
		return nil
	case f.Mode == Refuse:
		return f.Err
	case f.Mode == Hang:
		<-ctx.Done()
		return ctx.Err()
	default:
		return nil
	}
}

// lost returns the error of a fault that loses an answer.
func (f *Fault) lost(err error) error {
	if f != nil && f.Mode == Lose {
		return errors.Join(f.Err, err)
	}
	return err
}

func (f *Fault) is(m Mode) bool { return f != nil && f.Mode == m }

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // it cannot fail: it ends the process instead
	return b
}

// Info implements envelope.KEK.
func (f *Failing) Info(ctx context.Context) (envelope.Info, error) {
	fault := f.hit(OpInfo)
	if err := fault.stop(ctx); err != nil {
		return envelope.Info{}, err
	}
	in, err := f.kek.Info(ctx)
	return in, fault.lost(err)
}

// Wrap implements envelope.KEK.
func (f *Failing) Wrap(ctx context.Context, plain []byte, ec envelope.Context) (envelope.Wrapped, error) {
	fault := f.hit(OpWrap)
	if err := fault.stop(ctx); err != nil {
		return envelope.Wrapped{}, err
	}
	if fault.is(WrongKey) {
		plain = random(len(plain))
	}
	w, err := f.kek.Wrap(ctx, plain, ec)
	if fault.is(Garbage) {
		w.Blob = random(len(w.Blob))
	}
	return w, fault.lost(err)
}

// Unwrap implements envelope.KEK.
func (f *Failing) Unwrap(ctx context.Context, w envelope.Wrapped, ec envelope.Context) ([]byte, error) {
	fault := f.hit(OpUnwrap)
	if err := fault.stop(ctx); err != nil {
		return nil, err
	}
	plain, err := f.kek.Unwrap(ctx, w, ec)
	if err == nil && (fault.is(Garbage) || fault.is(WrongKey)) {
		return random(len(plain)), nil
	}
	return plain, fault.lost(err)
}

// Rewrap implements envelope.KEK.
func (f *Failing) Rewrap(ctx context.Context, w envelope.Wrapped, ec envelope.Context) (envelope.Wrapped, bool, error) {
	fault := f.hit(OpRewrap)
	if err := fault.stop(ctx); err != nil {
		return envelope.Wrapped{}, false, err
	}
	moved, changed, err := f.kek.Rewrap(ctx, w, ec)
	if err == nil && fault.is(WrongKey) {
		moved, err = f.kek.Wrap(ctx, random(32), ec)
	}
	if fault.is(Garbage) {
		moved.Blob = random(len(moved.Blob))
	}
	return moved, changed, fault.lost(err)
}

// RotateKEK implements envelope.Rotator.
func (f *Failing) RotateKEK(ctx context.Context) (string, error) {
	fault := f.hit(OpRotate)
	if err := fault.stop(ctx); err != nil {
		return "", err
	}
	r, ok := f.kek.(envelope.Rotator)
	if !ok {
		return "", envelope.ErrDenied
	}
	version, err := r.RotateKEK(ctx)
	return version, fault.lost(err)
}
