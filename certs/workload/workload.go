// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/workloadapi"

	"github.com/sealgate/sealgate/certs"
)

// Config says where the Workload API is and whom to be.
type Config struct {
	// Socket is the address: unix:///ABSOLUTE/PATH or tcp://IP:PORT. Required.
	Socket string
	// ID is the SVID to take. Zero takes the only one there is, and nothing when
	// there are several: which one comes first means nothing.
	ID certs.ID
	// Tokens asks for the keys of JWT-SVIDs, too: [certs.Bundle.JWT] is empty
	// without it.
	Tokens bool
	// Report, if not nil, is told what became of each attempt: nil when an
	// update was taken, else why not. It must not block.
	Report func(error)
}

var (
	// ErrDenied tells that the Workload API answers, and knows no identity for this process,
	// or not the configured one.
	ErrDenied = errors.New("the Workload API has no identity for this process")
	// ErrUnavailable tells that the Workload API cannot be reached or does not answer.
	ErrUnavailable = errors.New("the Workload API does not answer")
)

// Source keeps the identity that a Workload API gives. It is a [certs.Source].
type Source struct {
	conf   Config
	timing timing
	snap   *certs.Snapshot

	// Both are used by Run's goroutine only.
	deniedSince time.Time // start of an unbroken row of denials; zero when there is none
	wait        backoff

	mu     sync.Mutex      // guards both below and orders what is published
	latest *certs.Material // as received last, without keys of tokens
	tokens tokenKeys       // as received last; nil until then
}

var _ certs.Source = (*Source)(nil)

// timing holds the waits, which tests shorten.
type timing struct {
	minWait, maxWait time.Duration // between two watches
	first            time.Duration // for the first message of a watch
	deniedFor        time.Duration // how long denials must last to be believed
}

var defaultTiming = timing{
	minWait: 250 * time.Millisecond, maxWait: 10 * time.Second,
	first: 10 * time.Second, deniedFor: 30 * time.Second,
}

// New checks c and returns a source that holds nothing until [Source.Run] is called.
func New(c Config) (*Source, error) {
	if err := CheckAddress(c.Socket); err != nil {
		return nil, err
	}
	if c.Report == nil {
		c.Report = func(error) {}
	}
	return &Source{conf: c, timing: defaultTiming, snap: certs.NewSnapshot()}, nil
}

// CheckAddress tells whether s is an address as in [Config.Socket].
func CheckAddress(s string) error {
	err := workloadapi.ValidateAddress(s)
	if u, _ := url.Parse(s); err == nil && u.Scheme == "unix" && u.Host != "" {
		err = errors.New("the path of the socket is not absolute")
	}
	if err != nil {
		return fmt.Errorf("reading Workload API address %q: %w; write unix:///PATH or tcp://IP:PORT", s, err)
	}
	return nil
}

// Current returns the identity in force. The error wraps [certs.ErrNoMaterial] and
// says what the last attempt met.
func (s *Source) Current() (*certs.Material, error) { return s.snap.Current() }

// Updated returns a channel that is closed at the next change.
func (s *Source) Updated() <-chan struct{} { return s.snap.Updated() }

// Run watches until ctx ends, whatever the Workload API answers, and then returns
// nil. It is called once.
func (s *Source) Run(ctx context.Context) error {
	if s.conf.Tokens {
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() { s.watchTokens(ctx) })
	}
	s.wait = backoff{min: s.timing.minWait, max: s.timing.maxWait}
	for ctx.Err() == nil {
		s.attempt(ctx)
		sleep(ctx, s.wait.next())
	}
	return nil
}

// attempt is one watch and what is made of its end.
func (s *Source) attempt(ctx context.Context) {
	if err := s.watch(ctx); ctx.Err() == nil {
		s.failed(err, time.Now())
	}
}

// took is called with a whole update.
func (s *Source) took(m *certs.Material) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.latest
	s.latest = m
	if err := s.publish(); err != nil {
		s.latest = before // of the last one that was good
		return fmt.Errorf("taking an update from %s: %w", s.conf.Socket, err)
	}
	s.deniedSince = time.Time{}
	s.wait.reset()
	return nil
}

// failed is called when a watch has ended. What is held stays in force while it is
// valid, unless the issuer has taken it back for good.
func (s *Source) failed(err error, now time.Time) {
	s.conf.Report(err)
	denied := errors.Is(err, ErrDenied)
	if denied && s.deniedSince.IsZero() {
		s.deniedSince = now
	}
	_, holdsNothing := s.snap.Current()
	if holdsNothing != nil || denied && now.Sub(s.deniedSince) >= s.timing.deniedFor {
		s.snap.Withdraw(err)
	}
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
