// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"context"
	"crypto/x509"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// TestClientsX509: unmodified go-spiffe clients get SVIDs that verify.
func TestClientsX509(t *testing.T) {
	t.Parallel()
	e := mine(t, "/job/a")
	e.DNS = []string{"job.example", "a.example"}
	_, socket := started(t, e)
	src, err := workloadapi.NewX509Source(t.Context(), workloadapi.WithClientOptions(workloadapi.WithAddr("unix://"+socket)))
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	svid, err := src.GetX509SVID()
	if err != nil {
		t.Fatal(err)
	}
	if want := "spiffe://test.local/job/a"; svid.ID.String() != want {
		t.Errorf("want %s, got %s", want, svid.ID)
	}
	id, _, err := x509svid.Verify(svid.Certificates, src)
	if err != nil || id != svid.ID {
		t.Errorf("verifying the SVID: %v, %v", id, err)
	}
	if want := []string{"a.example", "job.example"}; !slices.Equal(svid.Certificates[0].DNSNames, want) {
		t.Errorf("want DNS names %v, got %v", want, svid.Certificates[0].DNSNames)
	}
	bundles, err := client(t, socket).FetchX509Bundles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b, err := bundles.GetX509BundleForTrustDomain(spiffeid.RequireTrustDomainFromString("test.local"))
	if err != nil || len(b.X509Authorities()) != 1 {
		t.Errorf("want one root, got %v, %v", b, err)
	}
}

// TestClientsJWT: tokens from FetchJWTSVID validate here and by the bundle alone.
func TestClientsJWT(t *testing.T) {
	t.Parallel()
	_, socket := started(t, mine(t, "/job/a"))
	c := client(t, socket)
	svid, err := c.FetchJWTSVID(t.Context(), jwtsvid.Params{Audience: "sealgate:x"})
	if err != nil {
		t.Fatal(err)
	}
	valid, err := c.ValidateJWTSVID(t.Context(), svid.Marshal(), "sealgate:x")
	if err != nil || valid.ID.String() != "spiffe://test.local/job/a" {
		t.Errorf("validating: %v, %v", valid, err)
	}
	bundles, err := c.FetchJWTBundles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jwtsvid.ParseAndValidate(svid.Marshal(), bundles, []string{"sealgate:x"}); err != nil {
		t.Errorf("validating by the bundle: %v", err)
	}
	if _, err := c.ValidateJWTSVID(t.Context(), svid.Marshal(), "other"); status.Code(err) != codes.InvalidArgument {
		t.Errorf("another audience: want InvalidArgument, got %v", err)
	}
	src, err := workloadapi.NewJWTSource(t.Context(), workloadapi.WithClientOptions(workloadapi.WithAddr("unix://"+socket)))
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	if _, err := src.GetJWTBundleForTrustDomain(spiffeid.RequireTrustDomainFromString("test.local")); err != nil {
		t.Error(err)
	}
}

// TestJWTByName: a token is issued for one asked identity, never for another's.
func TestJWTByName(t *testing.T) {
	t.Parallel()
	_, socket := started(t, mine(t, "/job/a"), mine(t, "/job/b"), Entry{SPIFFE: testID(t, "/job/other"), UID: new(uint32(4242))})
	c := client(t, socket)
	for _, tc := range []struct {
		name, ask string
		want      codes.Code
		ids       int
	}{
		{"one", "spiffe://test.local/job/b", codes.OK, 1},
		{"all", "", codes.OK, 2},
		{"another's", "spiffe://test.local/job/other", codes.PermissionDenied, 0},
		{"nobody's", "spiffe://test.local/job/none", codes.PermissionDenied, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var subject spiffeid.ID
			if tc.ask != "" {
				subject = spiffeid.RequireFromString(tc.ask)
			}
			svids, err := c.FetchJWTSVIDs(t.Context(), jwtsvid.Params{Audience: "aud", Subject: subject})
			if status.Code(err) != tc.want || len(svids) != tc.ids {
				t.Errorf("want %v and %d tokens, got %v and %d", tc.want, tc.ids, err, len(svids))
			}
		})
	}
}

// watcher collects what a stream sends.
type watcher struct {
	updates chan *workloadapi.X509Context
	errs    chan error
}

func (w watcher) OnX509ContextUpdate(c *workloadapi.X509Context) { w.updates <- c }
func (w watcher) OnX509ContextWatchError(err error)              { w.errs <- err }

func watchX509(t *testing.T, socket string) watcher {
	t.Helper()
	w := watcher{make(chan *workloadapi.X509Context, 100), make(chan error, 100)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	c := client(t, socket)
	go func() { defer close(done); c.WatchX509Context(ctx, w) }() //nolint:errcheck // ends with the test
	t.Cleanup(func() { cancel(); <-done })
	return w
}

func (w watcher) next(t *testing.T) *workloadapi.X509Context {
	t.Helper()
	select {
	case c := <-w.updates:
		return c
	case err := <-w.errs:
		t.Fatalf("want an update, got %v", err)
	case <-time.After(5 * time.Second):
		t.Fatal("no update came")
	}
	return nil
}

func (w watcher) fault(t *testing.T) error {
	t.Helper()
	select {
	case <-w.updates:
		t.Fatal("want an error, got an update")
	case err := <-w.errs:
		return err
	case <-time.After(5 * time.Second):
		t.Fatal("neither error nor update came")
	}
	return nil
}

// TestEntryChangesArePushed: each message is the full state; the last deletion ends
// the stream with PermissionDenied.
func TestEntryChangesArePushed(t *testing.T) {
	t.Parallel()
	a, socket := started(t, mine(t, "/job/a"))
	w := watchX509(t, socket)
	w.next(t)
	b := mustAdd(t, a, mine(t, "/job/b"))
	two := w.next(t)
	if len(two.SVIDs) != 2 {
		t.Fatalf("want 2 SVIDs, got %d", len(two.SVIDs))
	}
	mustAdd(t, a, Entry{SPIFFE: testID(t, "/not/mine"), UID: new(uint32(4242))}) // nobody's business here
	if err := a.DeleteEntry(a.Entries()[0].ID); err != nil {
		t.Fatal(err)
	}
	one := w.next(t)
	if len(one.SVIDs) != 1 || one.SVIDs[0].ID.Path() != "/job/b" {
		t.Fatalf("want /job/b alone, got %v", one.SVIDs)
	}
	if err := a.DeleteEntry(b.ID); err != nil {
		t.Fatal(err)
	}
	if err := w.fault(t); status.Code(err) != codes.PermissionDenied {
		t.Errorf("want PermissionDenied, got %v", err)
	}
}

// TestKeysAreNeverReused: whatever is fetched, by whatever call, has a key, serial
// and token id of its own.
func TestKeysAreNeverReused(t *testing.T) {
	t.Parallel()
	rec := &issues{}
	cfg := testConfig(t)
	cfg.Record = rec.record
	a := mustOpen(t, cfg)
	mustAdd(t, a, mine(t, "/job/a"))
	mustAdd(t, a, mine(t, "/job/b"))
	socket := serve(t, a)
	c := client(t, socket)
	keys, serials := map[string]bool{}, map[string]bool{}
	for range 10 {
		x, err := c.FetchX509Context(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range x.SVIDs {
			spki, err := x509.MarshalPKIXPublicKey(s.PrivateKey.Public())
			if err != nil {
				t.Fatal(err)
			}
			keys[string(spki)], serials[s.Certificates[0].SerialNumber.String()] = true, true
		}
		if _, err := c.FetchJWTSVID(t.Context(), jwtsvid.Params{Audience: "aud"}); err != nil {
			t.Fatal(err)
		}
	}
	if len(keys) != 20 || len(serials) != 20 {
		t.Errorf("20 SVIDs have %d keys and %d serials", len(keys), len(serials))
	}
	recorded := map[string]bool{}
	for _, i := range rec.list() {
		recorded[i.Kind+i.Serial] = true
	}
	if want := 20 + 20 + 1; len(recorded) != want { // X.509, JWT (both identities each time), the gateway's own
		t.Errorf("want %d different issues on record, got %d", want, len(recorded))
	}
}

// TestNothingLeavesUnrecorded: when the record fails, no SVID and no token leaves.
func TestNothingLeavesUnrecorded(t *testing.T) {
	t.Parallel()
	rec := &issues{}
	cfg := testConfig(t)
	cfg.Record = rec.record
	a := mustOpen(t, cfg)
	mustAdd(t, a, mine(t, "/job/a"))
	socket := serve(t, a)
	c := client(t, socket)
	rec.failWith(errors.New("disk full"))
	if _, err := c.FetchX509Context(t.Context()); status.Code(err) != codes.Unavailable {
		t.Errorf("X.509: want Unavailable, got %v", err)
	}
	if _, err := c.FetchJWTSVID(t.Context(), jwtsvid.Params{Audience: "aud"}); status.Code(err) != codes.Unavailable {
		t.Errorf("JWT: want Unavailable, got %v", err)
	}
	rec.failWith(nil)
	if _, err := c.FetchX509Context(t.Context()); err != nil {
		t.Errorf("after recovery: %v", err)
	}
}

// TestIssueIsDescribed: the record names who asked and what left.
func TestIssueIsDescribed(t *testing.T) {
	t.Parallel()
	rec := &issues{}
	cfg := testConfig(t)
	cfg.Record = rec.record
	a := mustOpen(t, cfg)
	e := mustAdd(t, a, mine(t, "/job/a"))
	socket := serve(t, a)
	x, err := client(t, socket).FetchX509Context(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := rec.list()
	own, got := all[0], all[len(all)-1]
	if own.ID.Path() != "/gateway" || own.Caller != nil {
		t.Errorf("the first issue is not the gateway's: %+v", own)
	}
	leaf := x.DefaultSVID().Certificates[0]
	if got.Kind != KindX509 || got.ID != e.SPIFFE || got.Serial != leaf.SerialNumber.Text(16) || !got.NotAfter.Equal(leaf.NotAfter) ||
		!slices.Equal(got.Entries, []string{e.ID}) {
		t.Errorf("the record does not describe the SVID: %+v", got)
	}
	if got.Caller == nil || got.Caller.PID == 0 || got.Caller.Exec == "" {
		t.Errorf("the record does not describe the caller: %+v", got.Caller)
	}
}

// TestDeletedWhileIssuing: an entry that goes while its issue is being recorded
// takes the issue with it.
func TestDeletedWhileIssuing(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{KindX509, KindJWT} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			var a *Authority
			cfg := testConfig(t)
			cfg.Record = func(_ context.Context, i Issue) error {
				if i.Caller != nil {
					return a.DeleteEntry(i.Entries[0])
				}
				return nil
			}
			a = mustOpen(t, cfg)
			mustAdd(t, a, mine(t, "/job/a"))
			c := client(t, serve(t, a))
			var err error
			if kind == KindX509 {
				_, err = c.FetchX509Context(t.Context())
			} else {
				_, err = c.FetchJWTSVID(t.Context(), jwtsvid.Params{Audience: "aud"})
			}
			wantCode(t, kind, codes.PermissionDenied, err)
		})
	}
}
