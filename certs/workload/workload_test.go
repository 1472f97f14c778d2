// SPDX-License-Identifier: Apache-2.0

package workload_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/certs/certstest"
	"github.com/sealgate/sealgate/certs/workload"
)

// run starts a source in a hurry; its reports come on the channel.
func run(t *testing.T, c workload.Config) (*workload.Source, <-chan error) {
	t.Helper()
	reports := make(chan error, 1000)
	c.Report = func(err error) {
		select {
		case reports <- err:
		default: // the test has seen enough
		}
	}
	s, err := workload.New(c)
	if err != nil {
		t.Fatal(err)
	}
	workload.Hurry(s)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run returned %v", err)
		}
	})
	return s, reports
}

// await waits until ok holds for what the source holds.
func await(t *testing.T, s *workload.Source, what string, ok func(*certs.Material, error) bool) *certs.Material {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		updated := s.Updated()
		m, err := s.Current()
		if ok(m, err) {
			return m
		}
		select {
		case <-updated:
		case <-time.After(20 * time.Millisecond): // expiry and reasons change without news
		case <-deadline:
			t.Fatalf("%s: it never came; the source holds %v, %v", what, m, err)
		}
	}
}

func holds(want *certs.Material) func(*certs.Material, error) bool {
	return func(m *certs.Material, err error) bool { return err == nil && m.Chain[0].Equal(want.Chain[0]) }
}

// Whatever code a watch ends with, before the first message or after one, it is
// begun again and the next certificate arrives.
func TestEveryCodeIsSurvived(t *testing.T) {
	t.Parallel()
	ca := certstest.NewCA(t, "acme.ai")
	for code := codes.OK; code <= codes.Unauthenticated; code++ {
		t.Run(code.String(), func(t *testing.T) {
			t.Parallel()
			first, second := ca.SVID(t, "/gateway", certstest.Options{}), ca.SVID(t, "/gateway", certstest.Options{})
			end := fails(code)
			i := newIssuer(t, end, end, givesThen(t, end(nil), first), end, end, gives(t, second))
			s, _ := run(t, workload.Config{Socket: i.socket()})
			await(t, s, "the certificate after the failures", holds(second))
			if n := i.seen(); n != 6 {
				t.Errorf("%d watches, want 6", n)
			}
		})
	}
}

func TestRotationArrives(t *testing.T) {
	t.Parallel()
	ca, partner := certstest.NewCA(t, "acme.ai"), certstest.NewCA(t, "partner.example")
	first := ca.SVID(t, "/gateway", certstest.Options{})
	second := ca.SVID(t, "/gateway", certstest.Options{Federated: []*certs.Bundle{partner.Bundle()}})
	i := newIssuer(t, givesThen(t, nil, first), gives(t, second))
	s, _ := run(t, workload.Config{Socket: i.socket()})
	m := await(t, s, "the second", holds(second))
	if m.ID != second.ID || m.Bundles[partner.TrustDomain] == nil || !m.Bundles[partner.TrustDomain].X509[0].Equal(partner.Root) {
		t.Errorf("got %v with %d bundles", m.ID, len(m.Bundles))
	}
}

func TestBadUpdateKeepsLastGood(t *testing.T) {
	t.Parallel()
	ca := certstest.NewCA(t, "acme.ai")
	good := ca.SVID(t, "/gateway", certstest.Options{})
	mismatched := ca.SVID(t, "/gateway", certstest.Options{})
	mismatched.Key = certstest.P256(t)
	for name, bad := range map[string]*certs.Material{
		"key of another certificate": mismatched,
		"expired":                    ca.SVID(t, "/gateway", certstest.Options{NotBefore: time.Now().Add(-2 * time.Hour)}),
		"not under its bundle":       certstest.WithBundles(certstest.NewCA(t, "acme.ai").SVID(t, "/gateway", certstest.Options{}), ca.Bundle()),
		"root ID":                    ca.SVID(t, "/gateway", certstest.Options{URIs: []string{"spiffe://acme.ai"}}),
		"empty bundle":               certstest.WithBundles(good, &certs.Bundle{TrustDomain: ca.TrustDomain}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := newIssuer(t, givesThen(t, nil, good), gives(t, bad))
			s, _ := run(t, workload.Config{Socket: i.socket()})
			await(t, s, "the good one", holds(good))
			for i.seen() < 5 { // the bad one was met several times
				time.Sleep(time.Millisecond)
			}
			if m, err := s.Current(); !holds(good)(m, err) {
				t.Errorf("the last good identity is gone: %v", err)
			}
		})
	}
}

func TestNeverServesExpired(t *testing.T) {
	t.Parallel()
	ca := certstest.NewCA(t, "acme.ai")
	brief := ca.SVID(t, "/gateway", certstest.Options{NotBefore: time.Now().Add(-time.Second), NotAfter: time.Now().Add(2 * time.Second)})
	i := newIssuer(t, givesThen(t, nil, brief), fails(codes.Unavailable))
	s, _ := run(t, workload.Config{Socket: i.socket()})
	await(t, s, "the brief one", holds(brief))
	await(t, s, "its end", func(_ *certs.Material, err error) bool { return errors.Is(err, certs.ErrNoMaterial) })
	if time.Now().Before(brief.NotAfter) {
		t.Error("it was dropped before its end")
	}
}

// A denial that lasts is believed; one that passes costs nothing.
func TestDenial(t *testing.T) {
	t.Parallel()
	ca := certstest.NewCA(t, "acme.ai")
	good := ca.SVID(t, "/gateway", certstest.Options{})
	t.Run("lasting", func(t *testing.T) {
		t.Parallel()
		i := newIssuer(t, givesThen(t, nil, good), fails(codes.PermissionDenied))
		s, _ := run(t, workload.Config{Socket: i.socket()})
		await(t, s, "the good one", holds(good))
		await(t, s, "its withdrawal", func(_ *certs.Material, err error) bool { return errors.Is(err, workload.ErrDenied) })
	})
	t.Run("from the start", func(t *testing.T) {
		t.Parallel()
		i := newIssuer(t, fails(codes.PermissionDenied))
		s, _ := run(t, workload.Config{Socket: i.socket()})
		await(t, s, "the reason", func(_ *certs.Material, err error) bool {
			return errors.Is(err, workload.ErrDenied) && errors.Is(err, certs.ErrNoMaterial)
		})
	})
	t.Run("passing", func(t *testing.T) {
		t.Parallel()
		no, yes := fails(codes.PermissionDenied), givesThen(t, nil, good)
		script := []answer{yes}
		for range 200 { // more than 300 ms of denials in all, never two in a row
			script = append(script, no, yes)
		}
		i := newIssuer(t, append(script, gives(t, good))...)
		s, _ := run(t, workload.Config{Socket: i.socket()})
		await(t, s, "the good one", holds(good))
		for i.seen() < 401 {
			if _, err := s.Current(); err != nil {
				t.Fatalf("lost the identity: %v", err)
			}
			time.Sleep(time.Millisecond)
		}
	})
	t.Run("of the configured ID", func(t *testing.T) {
		t.Parallel()
		i := newIssuer(t, givesThen(t, nil, good), gives(t, ca.SVID(t, "/other", certstest.Options{})))
		s, _ := run(t, workload.Config{Socket: i.socket(), ID: good.ID})
		await(t, s, "the good one", holds(good))
		await(t, s, "its withdrawal", func(_ *certs.Material, err error) bool { return errors.Is(err, workload.ErrDenied) })
	})
}

func TestChoosesByID(t *testing.T) {
	t.Parallel()
	ca := certstest.NewCA(t, "acme.ai")
	a, b := ca.SVID(t, "/a", certstest.Options{}), ca.SVID(t, "/b", certstest.Options{})
	t.Run("configured", func(t *testing.T) {
		t.Parallel()
		i := newIssuer(t, gives(t, a, b))
		s, _ := run(t, workload.Config{Socket: i.socket(), ID: b.ID})
		await(t, s, "the second SVID", holds(b))
	})
	t.Run("never the first of several", func(t *testing.T) {
		t.Parallel()
		i := newIssuer(t, gives(t, a, b))
		s, reports := run(t, workload.Config{Socket: i.socket()})
		err := <-reports
		if err == nil || !strings.Contains(err.Error(), a.ID.String()) || !strings.Contains(err.Error(), b.ID.String()) {
			t.Errorf("got %v, want an error that names both", err)
		}
		if m, err := s.Current(); err == nil {
			t.Errorf("took %s", m.ID)
		}
	})
}

// A stopped issuer keeps its socket: nothing comes, or nothing more comes.
func TestHangingIssuerIsLeft(t *testing.T) {
	t.Parallel()
	ca := certstest.NewCA(t, "acme.ai")
	now := time.Now()
	almostOver := ca.SVID(t, "/gateway", certstest.Options{NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Minute)})
	fresh := ca.SVID(t, "/gateway", certstest.Options{})
	i := newIssuer(t, hangs, gives(t, almostOver), gives(t, fresh))
	s, reports := run(t, workload.Config{Socket: i.socket()})
	if err := <-reports; !errors.Is(err, workload.ErrUnavailable) {
		t.Errorf("an issuer that says nothing: %v", err)
	}
	await(t, s, "the successor", holds(fresh))
}

// What is said for having nothing is what the last attempt met.
func TestReasonForNothing(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, fails(codes.Internal))
	s, _ := run(t, workload.Config{Socket: i.socket()})
	await(t, s, "the reason", func(_ *certs.Material, err error) bool {
		return errors.Is(err, workload.ErrUnavailable) && errors.Is(err, certs.ErrNoMaterial)
	})
}

func TestSocketIsMadeAnew(t *testing.T) {
	t.Parallel()
	ca := certstest.NewCA(t, "acme.ai")
	first, second := ca.SVID(t, "/gateway", certstest.Options{}), ca.SVID(t, "/gateway", certstest.Options{})
	i := newIssuer(t, gives(t, first), gives(t, second))
	s, _ := run(t, workload.Config{Socket: i.socket()})
	await(t, s, "the first", holds(first))
	i.stop() // removes the socket
	time.Sleep(50 * time.Millisecond)
	if m, err := s.Current(); !holds(first)(m, err) {
		t.Errorf("while the issuer is down: %v", err)
	}
	i.start(t)
	await(t, s, "the second, from the new socket", holds(second))
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	limit := 250 * time.Millisecond
	for n, got := range workload.Waits(40) {
		if got < limit/2 || got > limit {
			t.Errorf("wait %d is %s, want %s to %s", n, got, limit/2, limit)
		}
		limit = min(2*limit, 10*time.Second)
	}
}

func TestNewRefusesAddress(t *testing.T) {
	t.Parallel()
	for _, socket := range []string{"", "/run/agent.sock", "unix:agent.sock", "tcp://localhost:1", "https://x", "unix://host/path"} {
		if _, err := workload.New(workload.Config{Socket: socket}); err == nil {
			t.Errorf("%q was taken as an address", socket)
		}
	}
}

func TestFetch(t *testing.T) {
	t.Parallel()
	ca := certstest.NewCA(t, "acme.ai")
	me := ca.SVID(t, "/me", certstest.Options{})
	for _, tt := range []struct {
		name   string
		script []answer
		want   error
	}{
		{"at once", []answer{gives(t, me)}, nil},
		{"after it has come up", []answer{fails(codes.Unavailable), fails(codes.Canceled), gives(t, me)}, nil},
		{"denied", []answer{fails(codes.PermissionDenied)}, workload.ErrDenied},
		{"expired", []answer{gives(t, ca.SVID(t, "/me", certstest.Options{NotBefore: time.Now().Add(-2 * time.Hour)}))}, certs.ErrExpired},
		{"never", []answer{hangs}, workload.ErrUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			i := newIssuer(t, tt.script...)
			start := time.Now()
			m, err := workload.Fetch(t.Context(), workload.Config{Socket: i.socket()})
			if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if err == nil && (m.ID != me.ID || !m.Chain[0].Equal(me.Chain[0])) {
				t.Errorf("got %s", m.ID)
			}
			if waited := time.Since(start); waited > 5*time.Second {
				t.Errorf("it took %s", waited)
			}
		})
	}
	t.Run("no socket", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if _, err := workload.Fetch(ctx, workload.Config{Socket: "unix:///nonexistent/s"}); !errors.Is(err, workload.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	})
}
