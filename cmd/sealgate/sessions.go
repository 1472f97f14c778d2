// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"slices"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/config"
	"github.com/sealgate/sealgate/gateway/session"
)

// openSessions prepares what the listener for session keys needs. It gives
// what that presents: nil is the gateway's own SVID.
func (s *system) openSessions(ctx context.Context) (func() (*tls.Certificate, error), error) {
	if !s.cfg.Listeners.Session.Enabled {
		return nil, nil
	}
	s.issuersCtx = ctx
	if err := s.useSTS(s.cfg); err != nil {
		return nil, fail(exitUsage, err, "")
	}
	files := s.cfg.Listeners.Session.TLS
	if files.Cert == "" {
		return nil, nil
	}
	current, run, err := openServerCertificate(files, func(err error) {
		if err != nil {
			s.log.Error("certificate of s3_session_keys not renewed", "error", err.Error())
			return
		}
		s.log.Info("certificate of s3_session_keys renewed")
	})
	if err != nil {
		return nil, fail(exitFailed, err, "set listeners.s3_session_keys.tls")
	}
	s.run(func() error { return run(ctx) })
	return current, nil
}

// useSTS takes over how sessions are made. The keys of issuers are kept fresh
// until others take their place.
func (s *system) useSTS(cfg *config.Config) error {
	if !cfg.Listeners.Session.Enabled {
		return nil
	}
	var old *session.Issuers
	if s.sts != nil {
		old = s.sts.Issuers
	}
	if s.sts != nil && slices.Equal(cfg.STS.Issuers, s.cfg.STS.Issuers) {
		s.sts = stsOf(cfg, old)
		return nil
	}
	list, err := issuersOf(cfg)
	if err != nil {
		return err
	}
	issuers, err := session.NewIssuers(list, old, func(url string, err error) {
		if err != nil {
			s.log.Warn("keys of an issuer not fetched", "issuer", url, "error", err.Error())
		}
	})
	if err != nil {
		return fmt.Errorf("opening sts.issuers: %w", err)
	}
	if s.stopIssuers != nil {
		s.stopIssuers()
	}
	var ctx context.Context
	ctx, s.stopIssuers = context.WithCancel(s.issuersCtx)
	s.run(func() error { issuers.Run(ctx); return nil })
	s.sts = stsOf(cfg, issuers)
	return nil
}

func stsOf(cfg *config.Config, issuers *session.Issuers) *gateway.STS {
	return &gateway.STS{
		Terms: session.Terms{Max: cfg.STS.Session, Bind: cfg.STS.Bind}, MaxPresign: cfg.STS.MaxPresign, Issuers: issuers,
	}
}

// issuersOf reads the templates.
func issuersOf(cfg *config.Config) ([]session.Issuer, error) {
	var list []session.Issuer
	for i, c := range cfg.STS.Issuers {
		tmpl, err := session.ParseTemplate(c.ID)
		if err != nil {
			return nil, fmt.Errorf("sts.issuers[%d].id: %w", i, err)
		}
		list = append(list, session.Issuer{
			URL: c.URL, Audience: c.Audience, Template: tmpl, Keys: c.Keys, KeysFile: c.KeysFile, CAFile: c.CAFile,
		})
	}
	return list, nil
}
