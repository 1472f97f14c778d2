// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"crypto/x509"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sealgate/sealgate/certs"
)

// crash is what the persist hook panics with.
type crash struct{ point string }

// life is what is done to an authority in the crash test: every kind of change.
var life = []func(t *testing.T, a *Authority) error{
	func(_ *testing.T, a *Authority) error { return addNamed(a, "one") },
	func(_ *testing.T, a *Authority) error { return addNamed(a, "two") },
	func(*testing.T, *Authority) error { time.Sleep(15 * day); return nil }, // prepare
	stepOnce,
	func(*testing.T, *Authority) error { time.Sleep(time.Hour); return nil }, // activate
	stepOnce,
	func(_ *testing.T, a *Authority) error { return a.DeleteEntry("one") },
	func(*testing.T, *Authority) error { time.Sleep(2 * time.Hour); return nil }, // drop
	stepOnce,
}

func stepOnce(t *testing.T, a *Authority) error {
	t.Helper()
	_, err := a.Step(t.Context())
	return err
}

func addNamed(a *Authority, id string) error {
	_, err := a.AddEntry(Entry{ID: id, SPIFFE: certs.MustParseID("spiffe://test.local/" + id), UID: new(uint32(7))})
	return err
}

// TestCrashes: the process dies before each durable step of a whole life. What was
// acknowledged is there after the restart, what was issued still verifies, and life
// goes on.
func TestCrashes(t *testing.T) {
	t.Parallel()
	met := map[string]bool{}
	n := 0
	for ; ; n++ {
		point, crashed := "", false
		synctest.Test(t, func(t *testing.T) { point, crashed = liveOnce(t, n) })
		if !crashed {
			break
		}
		met[point] = true
	}
	for _, p := range PersistPoints {
		if !met[p] {
			t.Errorf("no crash at %s", p)
		}
	}
	if len(met) != len(PersistPoints) || n < 15 {
		t.Errorf("%d crashes at %v", n, met)
	}
}

// liveOnce lives one life and dies before its n-th durable step.
func liveOnce(t *testing.T, n int) (point string, crashed bool) {
	t.Helper()
	cfg := testConfig(t)
	calls := 0
	cfg.Persist = func(p string) {
		if calls++; calls-1 == n {
			panic(crash{p})
		}
	}
	w := &witness{t: t}
	var a *Authority
	survive := func(f func()) {
		defer func() {
			switch p := recover().(type) {
			case nil:
			case crash:
				point, crashed = p.point, true
				a = mustOpen(t, cfg)
				w.check(a)
			default:
				panic(p)
			}
		}()
		f()
	}
	survive(func() { a = mustOpen(t, cfg) })
	for _, act := range life {
		before := ids(a)
		done := false
		survive(func() {
			if err := act(t, a); err != nil {
				t.Fatal(err)
			}
			done = true
		})
		w.issue(a)
		if !done { // died: as before or as after, and the act can be done again
			if now := ids(a); len(now) > len(before)+1 || len(now) < len(before)-1 {
				t.Fatalf("entries %v became %v in one act", before, now)
			}
			if slices.Equal(ids(a), before) {
				if err := act(t, a); err != nil {
					t.Fatal(err)
				}
			}
		}
		w.check(a)
	}
	if want := []string{"two"}; !slices.Equal(ids(a), want) {
		t.Fatalf("after a crash at %q: want entries %v, got %v", point, want, ids(a))
	}
	return point, crashed
}

func ids(a *Authority) []string {
	var out []string
	for _, e := range a.Entries() {
		out = append(out, e.ID)
	}
	return out
}

// witness remembers what was issued and holds every bundle to it.
type witness struct {
	t      *testing.T
	leaves []*x509.Certificate
}

func (w *witness) issue(a *Authority) {
	w.t.Helper()
	s, err := a.issueX509(w.t.Context(), a.state.Load(), request{id: testID(w.t, "/witness")})
	if err != nil {
		w.t.Fatal(err)
	}
	w.leaves = append(w.leaves, s.cert)
}

func (w *witness) check(a *Authority) {
	w.t.Helper()
	now := time.Now()
	for _, c := range w.leaves {
		if !now.Before(c.NotAfter) {
			continue
		}
		if _, err := c.Verify(x509.VerifyOptions{Roots: a.state.Load().bundle.Pool(), CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
			w.t.Fatalf("an SVID of %s does not verify at %s: %v", c.NotBefore, now, err)
		}
	}
}
