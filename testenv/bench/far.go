// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/policy"
	"github.com/sealgate/sealgate/gateway/state"
	"github.com/sealgate/sealgate/rotation"
	"github.com/sealgate/sealgate/testenv/gate"
)

// serveFar runs a gateway in this process, behind its real listener, whose
// store makes up what is read and drops what is written: no disk holds what is
// measured with it. It prints its address and ends when its standard input does.
func serveFar(dir, pem string, size int64) error {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	g, db, err := farGateway(ctx, dir, pem, size)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // the process ends
	l, err := listen()
	if err != nil {
		return err
	}
	atEnd(stop)
	return g.Serve(ctx, l, time.Second)
}

func farGateway(ctx context.Context, dir, pem string, size int64) (*gateway.Gateway, *state.DB, error) {
	own, err := identity(ctx, pem)
	if err != nil {
		return nil, nil, err
	}
	rules, faults := policy.Parse("policy.yaml", []byte(gate.Policy))
	if rules == nil {
		return nil, nil, fmt.Errorf("reading the policy: %v", faults)
	}
	keys, data := farKeyrings()
	db, err := state.Open(ctx, state.Config{Path: filepath.Join(dir, "state.db")})
	if err != nil {
		return nil, nil, err
	}
	g := gateway.New(gateway.Config{
		TLS: certs.ServerConfig{Source: own, Denials: certs.NewDenials()}, Audit: unwritten{}, State: db, Self: "spiffe://" + gate.TrustDomain + "/gateway",
		Metrics: gateway.NewMetrics(prometheus.NewRegistry()), Log: slog.New(slog.DiscardHandler),
	})
	g.Use(&gateway.Snapshot{Policy: rules, Keys: keys, Buckets: map[string]gateway.Bucket{"models": {Store: newEndless(data, size)}}})
	return g, db, nil
}

// farKeyrings are keyrings that no KEK wraps: they live as long as the process.
func farKeyrings() (*rotation.Set, *envelope.KeyringKey) {
	deployment := envelope.NewID()
	ring := func(scope string) rotation.Ring {
		id := envelope.NewID()
		k := envelope.NewKeyringKey(deployment, id, 1, envelope.NewKey())
		return rotation.Ring{Scope: scope, ID: id, Active: k, Opens: map[uint32]*envelope.KeyringKey{1: k}}
	}
	data := ring("models/")
	return rotation.NewSet([]rotation.Ring{data, ring("gateway/tokens/"), ring("gateway/audit/")}), data.Active
}

// unwritten is a log of a few requests that nobody will look at: the log itself
// is measured elsewhere.
type unwritten struct{}

// Begin implements audit.Recorder.
func (unwritten) Begin(context.Context, audit.Event) (audit.Pending, error) { return unwritten{}, nil }

// Deny implements audit.Recorder.
func (unwritten) Deny(context.Context, audit.Event) (audit.Receipt, error) {
	return audit.Receipt{}, nil
}

// Receipt implements audit.Pending.
func (unwritten) Receipt() audit.Receipt { return audit.Receipt{} }

// Progress implements audit.Pending.
func (unwritten) Progress(int64) {}

// End implements audit.Pending.
func (unwritten) End(context.Context, audit.Outcome) error { return nil }
