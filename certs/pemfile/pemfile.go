// SPDX-License-Identifier: Apache-2.0

package pemfile

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sealgate/sealgate/certs"
)

// Config names the files. CertFile and KeyFile may be one file that holds both.
type Config struct {
	// CertFile holds the leaf, then its intermediates. Required.
	CertFile string
	// KeyFile holds the leaf's private key: PKCS#8, SEC 1 or PKCS#1, not
	// encrypted, readable by its owner alone. Required.
	KeyFile string
	// BundleFile holds the roots of the leaf's own trust domain. Required.
	BundleFile string
	// Report, if not nil, is told nil when a new identity was taken, and why not
	// when the files have not been readable for two seconds. It must not block.
	Report func(error)
}

const (
	poll       = 2 * time.Second
	retry      = 100 * time.Millisecond // while the files do not fit together
	maxRetries = 20
)

// Source keeps the identity that is in the files. It is a [certs.Source].
type Source struct {
	conf   Config
	snap   *certs.Snapshot
	loaded digest // of the files of the identity in force; used by one goroutine
	faults int    // failed reads in a row; used by one goroutine
}

var _ certs.Source = (*Source)(nil)

// New reads the files once and returns a source. Files that are not there or do
// not fit together are no error here: Current says what is wrong with them, and
// [Source.Run] goes on trying.
func New(c Config) (*Source, error) {
	if c.CertFile == "" || c.KeyFile == "" || c.BundleFile == "" {
		return nil, errors.New("reading an identity: certificate, key and bundle file are all needed")
	}
	if c.Report == nil {
		c.Report = func(error) {}
	}
	s := &Source{conf: c, snap: certs.NewSnapshot()}
	s.refresh()
	return s, nil
}

// Load reads the files once. While they do not fit together it tries again, for
// two seconds at most.
func Load(ctx context.Context, c Config) (*certs.Material, error) {
	for tries := 1; ; tries++ {
		m, _, err := read(c)
		if err == nil {
			err = m.Check(time.Now())
		}
		if err == nil {
			return m, nil
		}
		if !mayPass(err) || tries == maxRetries || !sleep(ctx, retry) {
			return nil, fmt.Errorf("reading the identity in %s: %w", c.CertFile, err)
		}
	}
}

// Current returns the identity in force. The error wraps [certs.ErrNoMaterial].
func (s *Source) Current() (*certs.Material, error) { return s.snap.Current() }

// Updated returns a channel that is closed at the next change.
func (s *Source) Updated() <-chan struct{} { return s.snap.Updated() }

// Run looks at the files every two seconds until ctx ends, and then returns nil. It
// is called once.
func (s *Source) Run(ctx context.Context) error {
	for {
		wait := poll
		if s.faults > 0 && s.faults < maxRetries {
			wait = retry
		}
		if !sleep(ctx, wait) {
			return nil
		}
		s.refresh()
	}
}

// refresh takes the files if they have changed and fit together.
func (s *Source) refresh() {
	m, sum, err := read(s.conf)
	if err == nil && sum == s.loaded {
		s.faults = 0
		return
	}
	if err == nil {
		err = s.snap.Publish(m)
	}
	if err != nil {
		s.failed(fmt.Errorf("reading the identity in %s: %w", s.conf.CertFile, err))
		return
	}
	s.loaded, s.faults = sum, 0
	s.conf.Report(nil)
}

// failed tells of a fault once it has lasted: each rotation by another program
// makes some that pass.
func (s *Source) failed(err error) {
	if _, nothing := s.snap.Current(); nothing != nil {
		s.snap.Withdraw(err)
	}
	if s.faults++; s.faults == maxRetries {
		s.conf.Report(err)
	}
}

// sleep waits for d; it returns false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
