// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/cmd/internal/cli"
	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/config"
	"github.com/sealgate/sealgate/gateway/policy"
	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/rotation"
)

// systemKeyrings seal what is the gateway's own: page tokens, digests on the
// record, the keys of the built-in authority.
var systemKeyrings = []string{"tokens", "audit", "identity"}

// auditConfig says how the log is kept.
func (s *system) auditConfig(registered []audit.Registration) audit.Config {
	return audit.Config{
		Dir: s.cfg.AuditDir(), CommitDeadline: s.cfg.Audit.CommitDeadline, Registered: registered,
		SegmentSize: s.cfg.Audit.SegmentSize, SegmentAge: s.cfg.Audit.SegmentAge,
		Info: audit.OpenInfo{Version: cli.Version, ConfigDigest: s.cfg.Digest(), PolicyDigest: s.policy.Digest()}, Persist: s.persist, Observe: s.observeCommits(),
	}
}

// observeCommits counts what the log commits.
func (s *system) observeCommits() func(audit.Commit) {
	seconds := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "sealgate_audit_commit_seconds", Help: "Time of one write and sync of the audit log.", Buckets: prometheus.ExponentialBuckets(0.0001, 2, 16),
	})
	batch := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "sealgate_audit_batch_records", Help: "Records in one commit of the audit log.", Buckets: prometheus.ExponentialBuckets(1, 2, 12),
	})
	failed := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "sealgate_audit_errors_total", Help: "Commits of the audit log that failed.",
	})
	closed := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sealgate_audit_closed", Help: "1 while the audit log takes no records and nothing is served.",
	}, func() float64 {
		if s.audit.State().Health == audit.Healthy {
			return 0
		}
		return 1
	})
	s.metrics.MustRegister(seconds, batch, failed, closed)
	return func(c audit.Commit) {
		seconds.Observe(c.Took.Seconds())
		batch.Observe(float64(c.Records))
		if c.Err != nil {
			failed.Inc()
		}
	}
}

// newMetrics makes the registry that /metrics shows.
func newMetrics() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// openKeys finds out which deployment this is, then opens the KEKs and makes
// the keyrings that are not there yet. In this order: a new keystore beside a
// bucket of another deployment would only confuse.
func (s *system) openKeys(ctx context.Context) (err error) {
	systemBucket := s.cfg.System.Bucket
	s.deployment, err = rotation.Identify(ctx, rotation.IdentifyConfig{
		State: s.db, SystemBucket: systemBucket, Store: s.stores[systemBucket], Name: s.cfg.Deployment,
	})
	if err != nil {
		return err
	}
	if err := s.openKEKs(ctx); err != nil {
		return err
	}
	whole, err := withMade(s.cfg, s.made)
	if err != nil {
		return err
	}
	s.rings, err = s.keyrings(ctx, whole, s.stores)
	return err
}

// openKEKs opens the KEKs, one replica after the other: of several that start
// for the first time one makes a keystore, and the others find it or miss it.
func (s *system) openKEKs(ctx context.Context) error {
	unlock, err := s.db.LockRecords(ctx)
	if err != nil {
		return awayIfSo(err)
	}
	defer unlock()
	s.keks = map[string]envelope.KEK{}
	for _, k := range s.cfg.KEKs {
		kek, made, err := openKEK(ctx, s.cfg, k.Name, s.db, s.acceptGeneration, s.persist)
		if err != nil {
			return err
		}
		s.keks[k.Name] = kek
		if made != "" {
			s.madeKeyFile = made
		}
	}
	return nil
}

// keyrings opens the keyrings of a config, making those that are not there
// yet.
func (s *system) keyrings(ctx context.Context, cfg *config.Config, stores map[string]store.Store) (*rotation.Keyrings, error) {
	rings, err := s.ringsOver(cfg, stores)
	if err != nil {
		return nil, err
	}
	if err := rings.Ensure(ctx, s.scopes(cfg)); err != nil {
		return nil, fail(exitFailed, fmt.Errorf("opening keyrings: %w", err), "")
	}
	return rings, nil
}

// ringsOver gives the keyrings whose records lie in these stores. It touches
// nothing.
func (s *system) ringsOver(cfg *config.Config, stores map[string]store.Store) (*rotation.Keyrings, error) {
	return rotation.New(rotation.Config{
		State: s.db, Stores: stores, SystemBucket: cfg.System.Bucket, KEKs: s.keks, Deployment: s.deployment, Audit: s.audit,
		Actor: cfg.GatewayID().String(), Persist: s.persist,
	})
}

// scopes gives what each keyring covers, those of the gateway's own first.
func (s *system) scopes(cfg *config.Config) []rotation.Scope {
	var all []rotation.Scope
	for _, name := range systemKeyrings {
		all = append(all, rotation.SystemScope(name, cfg.SystemKEK()))
	}
	for _, r := range cfg.Keyrings {
		bucket, prefix, _ := strings.Cut(r.Scope, "/")
		all = append(all, rotation.BucketScope(bucket, prefix, r.KEK))
	}
	return all
}

// loadPolicy reads the policy that a config names, or the embedded one.
func (a *app) loadPolicy(source configSource, cfg *config.Config, log *slog.Logger) (*policy.Policy, error) {
	file, src, err := source.policyText(cfg)
	if err != nil {
		return nil, err
	}
	var buckets []string
	for _, b := range cfg.Buckets {
		buckets = append(buckets, b.Name)
	}
	p, faults := policy.Check(file, src, policy.CheckOptions{Buckets: buckets})
	if p == nil {
		return nil, a.unusable(faultsOf(faults))
	}
	for _, f := range faults {
		log.Warn("policy", "fault", f.String())
	}
	if p.TrustDomain() != cfg.TrustDomain {
		return nil, fail(exitUsage, fmt.Errorf("%s: trust_domain is %s, the gateway's is %s", file, p.TrustDomain(), cfg.TrustDomain), "make them equal")
	}
	return p, nil
}

// openIdentity gets the gateway's own identity and the rules for those of
// others.
func (s *system) openIdentity(ctx context.Context) error {
	if err := s.openSource(ctx); err != nil {
		return err
	}
	s.tls = certs.ServerConfig{
		Source: s.identity, MaxLifetime: s.cfg.Identity.MaxClientSVIDLifetime, Denials: certs.NewDenials(),
		Rejected: s.rejected(),
	}
	return nil
}

func (s *system) openSource(ctx context.Context) error {
	if s.cfg.Identity.Source != config.SourceAuthority {
		source, run, err := openIdentitySource(ctx, s.cfg, s.identityReport)
		if err != nil {
			return fail(exitFailed, fmt.Errorf("opening the identity: %w", err), "")
		}
		s.identity = source
		s.run(func() error { return run(ctx) })
		return nil
	}
	keys, err := s.rings.Load(ctx)
	if err != nil {
		return fmt.Errorf("unwrapping keyrings: %w", err)
	}
	s.issuer, err = openAuthority(ctx, s.cfg, &ringSealer{keys: keys}, s.audit, s.persist, func(err error) {
		s.log.Error("authority", "error", err.Error())
	})
	if err != nil {
		return fail(exitFailed, fmt.Errorf("opening the authority: %w", err), "")
	}
	s.identity = s.issuer.Source()
	l, err := s.issuer.Listen()
	if err != nil {
		return fail(exitFailed, fmt.Errorf("opening the Workload API: %w", err), "")
	}
	s.run(func() error { return s.issuer.Serve(ctx, l) })
	return s.firstEntry()
}

// identityReport logs what became of an attempt to renew the identity.
func (s *system) identityReport(err error) {
	if err != nil {
		s.log.Error("identity not renewed", "error", err.Error())
		return
	}
	s.log.Info("identity renewed")
}

// firstEntry registers this user when the authority has no entry yet: whoever
// starts an embedded gateway can use it.
func (s *system) firstEntry() error {
	id, err := s.source.user(s.cfg)
	if err != nil || id.IsZero() || len(s.issuer.Entries()) > 0 {
		return err
	}
	return s.registerEntry(id.String(), "")
}

// rejected counts and records client certificates that were refused.
func (s *system) rejected() func(certs.Reason, net.Addr) {
	counter := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sealgate_tls_rejected_total", Help: "Client certificates refused, by reason.",
	}, []string{"reason"})
	s.metrics.MustRegister(counter)
	return func(reason certs.Reason, from net.Addr) {
		counter.WithLabelValues(string(reason)).Inc()
		if t, ok := from.(*net.TCPAddr); ok {
			s.audit.HandshakeFailed(string(reason), t.AddrPort().Addr().Unmap())
		}
	}
}

// describeKeys says which KEKs there are, and where the key file lies.
func (s *system) describeKeys() string {
	var parts []string
	for name, k := range s.keks {
		info, err := k.Info(context.Background())
		if err != nil {
			parts = append(parts, name+" (not available)")
			continue
		}
		parts = append(parts, name+"@"+info.Version)
	}
	slices.Sort(parts)
	text := strings.Join(parts, ", ")
	for _, k := range s.cfg.KEKs {
		if k.KeyFile != "" && filepath.Dir(k.KeyFile) == filepath.Dir(k.Keystore) {
			text += "; its key file lies beside the keystore: fine for a trial (sealgate keys passphrase)"
		}
	}
	if s.madeKeyFile != "" {
		text += "; made " + s.madeKeyFile
	}
	return text
}

func (s *system) describeStores() string {
	kinds := map[string][]string{}
	for _, b := range s.cfg.Buckets {
		kind := s.cfg.Backend(b.Backend).Kind
		kinds[kind] = append(kinds[kind], b.Name)
	}
	var parts []string
	for kind, names := range kinds {
		slices.Sort(names)
		parts = append(parts, kind+", buckets: "+strings.Join(names, " "))
	}
	slices.Sort(parts)
	return strings.Join(parts, "; ")
}

func (s *system) describeIdentity() string {
	if s.issuer == nil {
		return fmt.Sprintf("%s, trust domain %s", s.cfg.Identity.Source, s.cfg.TrustDomain)
	}
	text := "built-in authority, trust domain " + s.cfg.TrustDomain.String()
	for _, e := range s.issuer.Entries() {
		if e.UID != nil && e.Exec == "" && int(*e.UID) == os.Getuid() {
			text += fmt.Sprintf("; uid %d is %s", *e.UID, e.SPIFFE)
		}
	}
	return text
}

func (s *system) describeListeners() []string {
	control := "control unix:run/control.sock"
	if a := s.cfg.Listeners.Control.Address; a != "" {
		control += " and https://" + a
	}
	s3 := "s3 " + s.endpoint() + " (mTLS)"
	if s.sessions != nil {
		s3 += "  sessions " + s.sessionEndpoint() + " (audience sealgate:" + s.deployment.String() + ")"
	}
	return []string{s3, control, "metrics http://" + s.metricsListener.Addr().String()}
}

// missing says whether an error is that a file is not there.
func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
