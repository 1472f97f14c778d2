// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"sync"
	"time"
)

// A POST with an Idempotency-Key acts once: the same caller, path and key are
// answered again what the first one was answered, for a day or until the
// gateway ends. A failure is not kept, so it can be tried again.
const (
	idempotentFor = 24 * time.Hour
	maxIdempotent = 1000 // kept answers; the oldest goes first
	maxKey        = 255  // bytes of a key
)

// once names an act that is done once.
type once struct{ actor, path, key string }

// kept is what became of an act.
type kept struct {
	body   [sha256.Size]byte
	at     time.Time
	done   bool
	result any
}

// answers remembers acts. The zero value is ready.
type answers struct {
	mu   sync.Mutex
	kept map[once]*kept
}

// begin gives the answer that was given before, or claims the act for the
// caller, who must then call end. An error says that neither can be.
func (a *answers) begin(o once, body []byte, now time.Time) (result any, repeated bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forget(now)
	sum := sha256.Sum256(body)
	switch k := a.kept[o]; {
	case k == nil:
		if a.kept == nil {
			a.kept = map[once]*kept{}
		}
		a.kept[o] = &kept{body: sum, at: now}
		return nil, false, nil
	case k.body != sum:
		return nil, false, Fail(Conflict, "this Idempotency-Key came with another body before; use a new one")
	case !k.done:
		return nil, false, Fail(Conflict, "the request with this Idempotency-Key is still running")
	default:
		return k.result, true, nil
	}
}

// end keeps the result of an act that was done, and forgets one that failed.
func (a *answers) end(o once, result any, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		delete(a.kept, o)
		return
	}
	a.kept[o].done, a.kept[o].result = true, result
}

// forget drops what is older than a day, and the oldest where there are too
// many. What is running stays.
func (a *answers) forget(now time.Time) {
	for o, k := range a.kept {
		if k.done && now.Sub(k.at) > idempotentFor {
			delete(a.kept, o)
		}
	}
	for len(a.kept) >= maxIdempotent {
		var oldest *once
		for o, k := range a.kept {
			if k.done && (oldest == nil || k.at.Before(a.kept[*oldest].at)) {
				oldest = &o
			}
		}
		if oldest == nil {
			return
		}
		delete(a.kept, *oldest)
	}
}

// errNotDone stands for an act that never began.
var errNotDone = errors.New("control: not done")

// actOnce is act for requests that may carry an Idempotency-Key. A repeated
// one is on the record too, as what it is.
func (c *call) actOnce(now time.Time, body []byte, act func(repeat func(context.Context) any) (any, error)) (any, error) {
	key := c.r.Header.Get("Idempotency-Key")
	if key == "" || c.r.Method != http.MethodPost || !c.row.change {
		return act(nil)
	}
	if len(key) > maxKey {
		return nil, Fail(Invalid, "an Idempotency-Key has at most 255 bytes")
	}
	o := once{actor: c.who.actor, path: c.r.URL.Path, key: key}
	before, repeated, err := c.s.answers.begin(o, body, now)
	if err != nil {
		return nil, err
	}
	if repeated {
		return act(func(context.Context) any { return before })
	}
	// What was done is kept though its outcome could not be recorded: the
	// caller is told to look, and a repetition must not do it again.
	c.failed = errNotDone
	defer func() { c.s.answers.end(o, c.result, c.failed) }()
	return act(nil)
}
