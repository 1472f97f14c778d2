// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Capabilities are what a probe found a backend to do.
type Capabilities struct {
	// IfNoneMatch: a second create of the same key was refused.
	IfNoneMatch bool
	// IfMatch: a write with a stale ETag was refused, and one with the current
	// ETag was taken.
	IfMatch bool
	// BlindComplete: the backend has multipart uploads, and one was completed
	// although its condition did not hold, or not although it held. It is false
	// for a store that is no Multiparter.
	BlindComplete bool
}

// Conditional reports whether the conditions of every kind of write can be
// relied on.
func (c Capabilities) Conditional() bool { return c.IfNoneMatch && c.IfMatch && !c.BlindComplete }

// Probe finds out whether the backend honours conditional writes, of whole
// objects and of multipart uploads, by writing a few bytes under .sealgate/probe/
// and removing them. There are backends that ignore the headers and overwrite:
// with such a one `create` would mean `write`, so the gateway refuses it unless
// it is told to live without conditions. An error means that the probe could not
// be done at all, or that the backend folds names, which nothing can make up for:
// the keys of two objects, and the rights to them, would be one.
func Probe(ctx context.Context, s Store) (c Capabilities, err error) {
	// Replicas that start together probe at the same moment, and some servers then
	// fail a write for reasons of their own. What was written against its condition
	// is no such failure: one such write is enough to know the backend.
	for range 3 {
		p := prober{s: s}
		if c, err = p.probe(ctx); p.taken || errors.Is(err, ErrUnavailable) || err == nil && c.Conditional() {
			break
		}
	}
	return c, err
}

// prober is one probe.
type prober struct {
	s     Store
	taken bool // a write was taken whose condition did not hold
}

func (p *prober) probe(ctx context.Context) (_ Capabilities, err error) {
	s := p.s
	key := Reserved + "probe/" + rand.Text() + "e\u0301" // upper case, decomposed
	defer func() {
		// Detached: a cancelled start must not leave the probe object behind.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		if derr := s.Delete(ctx, key); err == nil && derr != nil {
			err = fmt.Errorf("removing the probe object: %w", derr)
		}
	}()
	first, err := probePut(ctx, s, key, PutOptions{IfNoneMatch: true})
	if errors.Is(err, ErrUnavailable) {
		return Capabilities{}, probing(err)
	}
	if err != nil {
		// A backend that refuses the very header, or one that lets nobody
		// write: a plain write tells.
		_, err = probePut(ctx, s, key, PutOptions{})
		return Capabilities{}, probing(err)
	}
	if err := refuseFolding(ctx, s, key); err != nil {
		return Capabilities{}, err
	}
	var c Capabilities
	if c.IfNoneMatch, err = p.refuses(ctx, key, PutOptions{IfNoneMatch: true}); err != nil {
		return Capabilities{}, err
	}
	current, err := probePut(ctx, s, key, PutOptions{})
	if err != nil {
		return Capabilities{}, probing(err)
	}
	if c.IfMatch, err = p.refuses(ctx, key, PutOptions{IfMatch: first.ETag}); err != nil {
		return Capabilities{}, err
	}
	if c.IfMatch {
		_, err = probePut(ctx, s, key, PutOptions{IfMatch: current.ETag})
		c.IfMatch = err == nil
	}
	if m, ok := s.(Multiparter); ok {
		c.BlindComplete, err = p.probeComplete(ctx, m, key, current.ETag)
	}
	return c, err
}

// probeComplete reports whether conditions of CompleteMultipart are decided
// otherwise than they should be. There is an object under key, and stale is not
// its tag.
func (p *prober) probeComplete(ctx context.Context, m Multiparter, key, stale string) (blind bool, err error) {
	for _, o := range []CompleteOptions{{IfNoneMatch: true}, {IfMatch: stale}} {
		_, err := probeUpload(ctx, m, key, o)
		if errors.Is(err, ErrUnavailable) {
			return false, probing(err)
		}
		if !errors.Is(err, ErrPrecondition) {
			p.taken = p.taken || err == nil
			return true, nil
		}
	}
	obj, err := probeUpload(ctx, m, key, CompleteOptions{})
	if err != nil {
		return false, probing(err)
	}
	_, err = probeUpload(ctx, m, key, CompleteOptions{IfMatch: obj.ETag})
	if errors.Is(err, ErrUnavailable) {
		return false, probing(err)
	}
	return err != nil, nil
}

// probeUpload makes the object out of one part, which may be as small as any.
func probeUpload(ctx context.Context, m Multiparter, key string, o CompleteOptions) (_ Object, err error) {
	upload, err := m.CreateMultipart(ctx, key, "")
	if err != nil {
		return Object{}, err
	}
	defer func() {
		if err != nil { // the abort of what a Complete has used up is none
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			err = errors.Join(err, m.AbortMultipart(ctx, key, upload))
		}
	}()
	text := "conditional upload probe " + rand.Text()
	tag, err := m.PutPart(ctx, key, upload, 1, strings.NewReader(text), int64(len(text)))
	if err != nil {
		return Object{}, err
	}
	return m.CompleteMultipart(ctx, key, upload, []PartTag{{Number: 1, ETag: tag}}, o)
}

// refuseFolding looks for the probe object under the names that some file
// systems, and so some servers, take for its own.
func refuseFolding(ctx context.Context, s Store, key string) error {
	for what, twin := range map[string]string{
		"upper and lower case":            Reserved + "probe/" + strings.ToLower(strings.TrimPrefix(key, Reserved+"probe/")),
		"composed and decomposed Unicode": strings.ReplaceAll(key, "e\u0301", "\u00e9"),
	} {
		_, err := s.Head(ctx, twin)
		if err == nil {
			return fmt.Errorf("storage does not tell %s apart: two objects would be one", what)
		}
		if !errors.Is(err, ErrNotFound) {
			return probing(err)
		}
	}
	return nil
}

// refuses reports whether a write whose condition does not hold is refused. A
// backend that does not know the condition is not a failed probe: it answers
// the question with no.
func (p *prober) refuses(ctx context.Context, key string, o PutOptions) (bool, error) {
	_, err := probePut(ctx, p.s, key, o)
	switch {
	case err == nil:
		p.taken = true
	case errors.Is(err, ErrPrecondition):
		return true, nil
	case errors.Is(err, ErrUnavailable):
		return false, probing(err)
	}
	return false, nil
}

func probing(err error) error {
	if err != nil {
		return fmt.Errorf("probing storage: %w", err)
	}
	return nil
}

// probePut writes a body that differs at each call, so that a backend whose
// ETag is a digest of the bytes gives a new one.
func probePut(ctx context.Context, s Store, key string, o PutOptions) (Object, error) {
	text := "conditional write probe " + rand.Text()
	o.Size = int64(len(text))
	return s.Put(ctx, key, strings.NewReader(text), o)
}
