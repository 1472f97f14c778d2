// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/cmd/internal/cli"
	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/config"
	"github.com/sealgate/sealgate/gateway/control"
	"github.com/sealgate/sealgate/gateway/policy"
	"github.com/sealgate/sealgate/gateway/state"
	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/rotation"
)

// issuer is the built-in authority as the rest of the program sees it.
type issuer interface {
	Source() certs.Source
	Listen() (net.Listener, error)
	Serve(context.Context, net.Listener) error
	Entries() []control.Entry
	AddEntry(control.Entry) (control.Entry, error)
	DeleteEntry(id string) error
}

// system is a running gateway and all that it stands on, in the order in
// which it was started.
type system struct {
	app              *app
	cfg              *config.Config
	source           configSource
	started          time.Time
	log              *slog.Logger
	level            *slog.LevelVar
	persist          func(string)
	acceptGeneration uint64 // of an older keystore that an operator put back

	lock       *state.DirLock
	db         *state.DB
	instance   *state.Registration
	audit      *audit.Log
	keks       map[string]envelope.KEK
	stores     map[string]store.Store
	caps       map[string]bool // bucket -> conditional writes
	epoch      uint64          // of the keyrings in use; guarded by mu
	rings      *rotation.Keyrings
	deployment envelope.ID
	issuer     issuer // nil unless identity.source is authority
	identity   certs.Source
	tls        certs.ServerConfig
	gateway    *gateway.Gateway
	metrics    *prometheus.Registry

	s3, metricsListener net.Listener
	sessions            net.Listener // nil unless enabled
	sts                 *gateway.STS // nil unless enabled
	stopIssuers         context.CancelFunc
	issuersCtx          context.Context //nolint:containedctx // the life of the system, for what a reload starts
	controlListener     net.Listener    // nil unless configured
	madeKeyFile         string

	mu       sync.Mutex // serializes reloads and rotations, and guards what is in force
	policy   *policy.Policy
	made     []state.MadeBucket // buckets on demand that are in force
	changing map[string]*change // buckets that are being made or removed, by name; guarded by mu

	storeClosers map[string]func() error // of stores that must be closed, by bucket

	group   *errgroup.Group
	cancel  context.CancelFunc
	closers []func() error
	ended   sync.Once
	endErr  error
}

// start brings everything up, or takes down what it began.
func (s *system) start(ctx context.Context) (err error) {
	s.started = time.Now()
	ctx, s.cancel = context.WithCancel(ctx)
	s.group, ctx = errgroup.WithContext(ctx)
	defer func() {
		if err != nil {
			err = errors.Join(err, s.stop())
		}
	}()
	for _, step := range []func(context.Context) error{
		s.takeDataDir, s.openPolicy, s.bind, s.openState, s.openAudit, s.openStores, s.openKeys, s.openIdentity, s.openGateway, s.listen,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// onClose adds what must be undone, last first, when the system stops.
func (s *system) onClose(f func() error) { s.closers = append(s.closers, f) }

// run adds a task whose failure ends the system.
func (s *system) run(task func() error) { s.group.Go(task) }

// stop ends every task and closes what was opened. It may be called more than
// once.
func (s *system) stop() error {
	s.ended.Do(func() {
		s.cancel()
		s.endErr = s.group.Wait()
		if errors.Is(s.endErr, context.Canceled) {
			s.endErr = nil
		}
		for i := len(s.closers) - 1; i >= 0; i-- {
			s.endErr = errors.Join(s.endErr, s.closers[i]())
		}
	})
	return s.endErr
}

// takeDataDir makes the data directory this process's own.
func (s *system) takeDataDir(context.Context) (err error) {
	dir := s.cfg.DataDir
	for _, socket := range []string{s.cfg.ControlSocket(), s.cfg.WorkloadSocket()} {
		if err := checkSocket(socket); err != nil {
			return err
		}
	}
	for _, d := range []string{dir, filepath.Join(dir, "run")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return fail(exitFailed, fmt.Errorf("making the data directory: %w", rootCause(err)), "name another with --data")
		}
	}
	if s.lock, err = state.LockDir(dir); err != nil {
		return err
	}
	s.onClose(s.lock.Close)
	return nil
}

// openAudit opens the log before anything is decided or changed.
func (s *system) openAudit(ctx context.Context) error {
	logs, err := s.db.LogsOf(ctx, s.replica())
	if err != nil {
		return fmt.Errorf("reading the registered audit logs: %w", err)
	}
	registered, err := registrations(logs)
	if err != nil {
		return err
	}
	s.audit, err = audit.Open(s.auditConfig(registered))
	if err != nil {
		code := exitFailed
		if errors.Is(err, audit.ErrIntegrity) {
			code = exitAudit
		}
		return fail(code, err, "")
	}
	s.onClose(func() error {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		return s.audit.Close(end)
	})
	r := s.audit.Registration()
	if err := s.db.RegisterLog(ctx, state.AuditLog{
		UUID: r.Log, Epoch: r.Epoch, PublicKey: fmt.Sprintf("%x", []byte(r.PublicKey)), Replica: s.replica(),
	}); err != nil {
		return fmt.Errorf("registering the audit log: %w", err)
	}
	s.run(func() error { return s.watchAudit(ctx) })
	return nil
}

// watchAudit ends the process when the log cannot be trusted any more.
func (s *system) watchAudit(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.audit.Fatal():
		return fail(exitAudit, fmt.Errorf("the audit log cannot be trusted: %w", err), "look at the disk, then start again: the start verifies the log")
	}
}

// openPolicy reads the policy; without one, or with a faulty one, nothing
// starts.
func (s *system) openPolicy(context.Context) (err error) {
	s.policy, err = s.app.loadPolicy(s.source, s.cfg, s.log)
	return err
}

// openGateway puts the parts together and settles what a crash left open.
func (s *system) openGateway(ctx context.Context) error {
	epoch, err := s.db.Epoch(ctx) // before the keyrings: what changes in between is read again
	if err != nil {
		return awayIfSo(err)
	}
	s.epoch = epoch
	keys, err := s.rings.Load(ctx)
	if err != nil {
		return fmt.Errorf("unwrapping keyrings: %w", err)
	}
	if err := s.takeNames(ctx, s.cfg); err != nil {
		return awayIfSo(err)
	}
	certificate, err := s.openSessions(ctx)
	if err != nil {
		return err
	}
	s.gateway = gateway.New(gateway.Config{
		Domain: s.cfg.Listeners.S3.Domain, SessionDomain: s.cfg.Listeners.Session.Domain, SessionCertificate: certificate, Deployment: s.deployment,
		TLS: s.tls, Limits: limitsOf(s.cfg), Audit: s.audit, Metrics: gateway.NewMetrics(s.metrics), Log: s.log,
		State: s.db, AbandonAfter: s.cfg.Uploads.AbandonAfter, Self: s.cfg.GatewayID().String(), Buckets: s.bucketMaker(),
	})
	s.gateway.Use(s.snapshot(keys))
	if s.cfg.State.Postgres.URL != "" {
		s.run(func() error { return s.watchReplicas(ctx) })
	}
	if err := s.gateway.Reconcile(ctx, s.audit); err != nil {
		return err
	}
	s.run(func() error { return s.gateway.Reap(ctx) })
	return nil
}

func (s *system) snapshot(keys *rotation.Set) *gateway.Snapshot {
	snap := &gateway.Snapshot{Policy: s.policy, Keys: keys, Buckets: map[string]gateway.Bucket{}, STS: s.sts}
	for name, st := range s.stores {
		snap.Buckets[name] = gateway.Bucket{Store: st, Conditional: s.caps[name], Created: s.started.Truncate(time.Second)}
	}
	for _, b := range s.made {
		bucket := snap.Buckets[b.Name]
		bucket.Created = b.Created
		snap.Buckets[b.Name] = bucket
	}
	return snap
}

func limitsOf(cfg *config.Config) gateway.Limits {
	l := cfg.Limits
	return gateway.Limits{
		Connections: l.Connections, PerIdentity: l.ConnectionsPerIdentity, Requests: l.RequestsPerIdentity,
		MinRate: l.MinRate, MaxOverrun: cfg.Identity.MaxOverrun,
	}
}

// endpoint is the URL that clients on this machine use.
func (s *system) endpoint() string {
	_, port, _ := net.SplitHostPort(s.s3.Addr().String())
	return "https://" + net.JoinHostPort("localhost", port)
}

// sessionEndpoint is likewise that of the listener for session keys.
func (s *system) sessionEndpoint() string {
	_, port, _ := net.SplitHostPort(s.sessions.Addr().String())
	return "https://" + net.JoinHostPort("localhost", port)
}

func (s *system) logName() string { return s.audit.State().Log }

// banner says in a few lines what runs.
func (s *system) banner(w io.Writer) {
	fmt.Fprintf(w, "sealgate %s: %s\n", cli.Version, s.source.describe(s.cfg))
	for _, row := range s.bannerRows() {
		fmt.Fprintf(w, "  %-9s %s\n", row[0], row[1])
	}
	fmt.Fprintf(w, "ready in %d ms\n", time.Since(s.started).Milliseconds())
}

func (s *system) bannerRows() [][2]string {
	st := s.audit.State()
	records := counted(int(st.Records), "record")
	rows := [][2]string{
		{"store", s.describeStores()},
		{"keys", s.describeKeys()},
		{"identity", s.describeIdentity()},
		{"audit", fmt.Sprintf("log %s, %s, verified", st.Log, records)},
		{"listen", strings.Join(s.describeListeners(), "  ")},
	}
	if s.cfg.State.Postgres.URL != "" {
		rows = append([][2]string{{"state", s.db.Name()}}, rows...)
	}
	return rows
}
