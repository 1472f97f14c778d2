// SPDX-License-Identifier: Apache-2.0

package pemfile

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync/atomic"
)

// Pair is a server certificate with its key in two files, of whatever
// authority: what a listener presents that asks nobody for a certificate. The
// files are read again when they change; what is faulty changes nothing.
type Pair struct {
	certFile, keyFile string
	report            func(error)
	current           atomic.Pointer[tls.Certificate]
	loaded            [2][]byte // of what is in force; used by one goroutine
	faults            int       // failed reads in a row; used by one goroutine
}

// NewPair reads the files, which must fit together: a mistake shows at the
// start. The key must be readable by its owner alone. report is told nil when a
// new certificate was taken, and why not when the files have not been usable
// for two seconds; it must not block.
func NewPair(certFile, keyFile string, report func(error)) (*Pair, error) {
	p := &Pair{certFile: certFile, keyFile: keyFile, report: report}
	if _, err := p.load(); err != nil {
		return nil, err
	}
	return p, nil
}

// Current returns the certificate in force. It is shared and must not be
// changed. The error is always nil.
func (p *Pair) Current() (*tls.Certificate, error) { return p.current.Load(), nil }

// Run looks at the files every two seconds until ctx ends, and then returns
// nil. It is called once.
func (p *Pair) Run(ctx context.Context) error {
	for {
		wait := poll
		if p.faults > 0 && p.faults < maxRetries {
			wait = retry
		}
		if !sleep(ctx, wait) {
			return nil
		}
		p.refresh()
	}
}

func (p *Pair) refresh() {
	changed, err := p.load()
	switch {
	case err != nil:
		if p.faults++; p.faults == maxRetries {
			p.report(err)
		}
	case changed:
		p.faults = 0
		p.report(nil)
	default:
		p.faults = 0
	}
}

// load takes the files if they differ from what is in force and fit together.
func (p *Pair) load() (changed bool, err error) {
	cert, err := readFile(p.certFile, 0)
	if err != nil {
		return false, fmt.Errorf("reading the certificate of a listener: %w", err)
	}
	key, err := readFile(p.keyFile, 0o077)
	if err != nil {
		return false, fmt.Errorf("reading the key of a listener: %w", err)
	}
	if bytes.Equal(cert, p.loaded[0]) && bytes.Equal(key, p.loaded[1]) {
		return false, nil
	}
	pair, err := tls.X509KeyPair(cert, key) // it also says whether they belong together
	if err != nil {
		return false, fmt.Errorf("reading the certificate of a listener in %s and %s: %w", p.certFile, p.keyFile, plain(err))
	}
	p.loaded = [2][]byte{cert, key}
	p.current.Store(&pair)
	return true, nil
}

// plain leaves out which package found it.
func plain(err error) error {
	text := err.Error()
	for _, prefix := range []string{"tls: ", "x509: "} {
		if len(text) > len(prefix) && text[:len(prefix)] == prefix {
			text = text[len(prefix):]
		}
	}
	return errors.New(text)
}
