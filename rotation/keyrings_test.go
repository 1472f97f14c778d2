// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/envelope/kek/kektest"
	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/state"
)

func TestFirstStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	set := w.mustStart()
	w.wantWhole()
	want := slices.Repeat([]string{eventCreate}, len(scopes)+1)
	if diff := cmp.Diff(append(want, eventMarker), w.log.names()); diff != "" {
		t.Errorf("audit: %s", diff)
	}
	for _, e := range w.log.events {
		if e.Actor != "spiffe://acme.ai/gateway" || !e.AwaitOutcome || e.Decision != "allow" {
			t.Errorf("audit event %+v", e)
		}
	}
	if len(w.log.ends) != len(w.log.events) || w.log.ends[0].KEK != "main" || w.log.ends[0].KEKVersion != "1" {
		t.Errorf("audit outcomes %+v", w.log.ends)
	}
	again := w.mustStart()
	if diff := cmp.Diff(keys(set), keys(again)); diff != "" {
		t.Errorf("a second start changed keys: %s", diff)
	}
	if n := len(w.log.events); n != len(scopes)+2 {
		t.Errorf("a second start made %d changes", n-len(scopes)-2)
	}
}

func TestActivePicksTheLongestScope(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	set := w.mustStart()
	byScope := keys(set)
	for path, scope := range map[string]string{
		"models/a": "models/", "models/fraud/x": "models/", "models/fraud/pii": "models/",
		"models/fraud/pii/a": "models/fraud/pii/", "datasets/fraud/pii/a": "datasets/",
	} {
		bucket, key, _ := strings.Cut(path, "/")
		k, err := set.Active(bucket, key)
		if err != nil || k.KCV(kektest.Context()) != byScope[scope] {
			t.Errorf("%s: want the keyring of %s, got %v, %v", path, scope, k, err)
		}
		if got, err := set.Lookup(k.Ring(), k.Version()); err != nil || got != k {
			t.Errorf("%s: lookup gave %v, %v", path, got, err)
		}
	}
	for _, path := range []string{"features/a", "model/a", "modelsx/a", "gateway/tokens/a", "gateway/a"} {
		bucket, key, _ := strings.Cut(path, "/")
		_, err := set.Active(bucket, key)
		wantErr(t, err, ErrNoKeyring)
	}
	if set.System("tokens") == nil || set.System("other") != nil {
		t.Error("system keyrings are found by name")
	}
	if _, err := set.SystemVersion("tokens", 2); !errors.Is(err, ErrNoKeyring) {
		t.Errorf("got %v", err)
	}
	if _, err := set.Lookup(envelope.NewID(), 1); !errors.Is(err, ErrNoKeyring) {
		t.Errorf("got %v", err)
	}
}

// A narrow scope whose versions are all stopped must not fall back to the
// wide one around it: it may be there to be shredded on its own.
func TestAStoppedScopeSealsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustStart()
	for _, v := range w.rows() {
		if v.Scope == "models/fraud/pii/" {
			if err := w.db.SetState(t.Context(), v.Keyring, 1, state.StateActive, state.StateDecryptOnly); err != nil {
				t.Fatal(err)
			}
		}
	}
	set := w.mustLoad()
	_, err := set.Active("models", "fraud/pii/a")
	wantErr(t, err, ErrNoKeyring)
	if _, err := set.Active("models", "fraud/a"); err != nil {
		t.Error(err)
	}
}

func TestRetiredVersionsDoNotOpen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	set := w.mustStart()
	k, err := set.Active("models", "a")
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		from, to string
		want     error
	}{
		{state.StateActive, state.StateDecryptOnly, nil},
		{state.StateDecryptOnly, state.StateRetired, ErrNoKeyring},
		{state.StateRetired, state.StateDestroyed, ErrNoKeyring},
	} {
		if err := w.db.SetState(t.Context(), k.Ring().String(), 1, step.from, step.to); err != nil {
			t.Fatal(err)
		}
		_, err := w.mustLoad().Lookup(k.Ring(), 1)
		wantErr(t, err, step.want)
	}
}

func TestScopesAreChecked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustStart()
	system := SystemScope("tokens", "main")
	tests := map[string]struct {
		scopes []Scope
		part   string
	}{
		"no system scope": {[]Scope{BucketScope("models", "", "main")}, "no system scope"},
		"twice":           {[]Scope{system, system}, "given twice"},
		"no slash":        {[]Scope{system, {Scope: "models/x", Bucket: "models", Prefix: "x", KEK: "main"}}, "end in a slash"},
		"parts differ":    {[]Scope{system, {Scope: "models/", Bucket: "raw", KEK: "main"}}, "is not bucket"},
		"slash in bucket": {[]Scope{system, {Scope: "a/b/", Bucket: "a/b", KEK: "main"}}, "is not bucket"},
		"client's system": {[]Scope{system, {Scope: "gateway/x/", Bucket: "gateway", Prefix: "x/", KEK: "main"}}, "only system keyrings"},
		"foreign system":  {[]Scope{system, {Scope: "models/", Bucket: "models", KEK: "main", System: true}}, "only system keyrings"},
		"other KEK":       {[]Scope{SystemScope("tokens", "other")}, "a keyring's KEK never changes"},
		"unknown KEK":     {[]Scope{system, BucketScope("models", "new/", "other")}, `KEK "other"`},
		"unknown bucket":  {[]Scope{system, BucketScope("raw", "", "main")}, `bucket "raw"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { wantErr(t, w.Ensure(t.Context(), tt.scopes), ErrConfig, tt.part) })
	}
	w.wantWhole()
}

// Nothing is changed unless it is on the audit log first.
func TestNoChangeWithoutAudit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.log.begin = audit.ErrClosed
	wantErr(t, w.start(), audit.ErrClosed)
	if n := len(w.rows()) + len(w.objects("models")) + len(w.objects("datasets")); n != 0 {
		t.Errorf("%d rows and objects were made", n)
	}
	w.log.begin = nil
	w.mustStart()
	w.log.begin = audit.ErrClosed
	_, err := w.RotateKEK(t.Context(), "main")
	wantErr(t, err, audit.ErrClosed)
	if in, err := w.memory.Info(t.Context()); err != nil || in.Version != "1" {
		t.Errorf("the KEK was rotated: %+v, %v", in, err)
	}
	w.log.begin, w.log.end = nil, audit.ErrDeadline
	_, err = w.RotateKEK(t.Context(), "main")
	wantErr(t, err, audit.ErrDeadline)
}

func TestLoadNamesTheKEK(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustStart()
	w.kek.Set(kektest.Fault{Op: kektest.OpUnwrap, Mode: kektest.Refuse, Err: envelope.ErrUnavailable})
	_, err := w.Load(t.Context())
	wantErr(t, err, envelope.ErrUnavailable, "unwrapping keyrings under main: ")
}

func TestABucketThatIsNotConfigured(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustStart()
	delete(w.c.Stores, "models")
	set := w.mustLoad()
	if _, err := set.Active("datasets", "a"); err != nil {
		t.Error(err)
	}
	_, err := set.Active("models", "a")
	wantErr(t, err, ErrNoKeyring)
	_, err = w.RotateKEK(t.Context(), "main")
	wantErr(t, err, ErrConfig, `bucket "models" holds keyring records and is not in the configuration`)
}

func TestNewWantsWhatItNeeds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustStart()
	for name, edit := range map[string]func(*Config){
		"state":         func(c *Config) { c.State = nil },
		"audit":         func(c *Config) { c.Audit = nil },
		"deployment":    func(c *Config) { c.Deployment = envelope.ID{} },
		"system bucket": func(c *Config) { c.SystemBucket = "raw" },
	} {
		c := w.c
		edit(&c)
		if _, err := New(c); !errors.Is(err, ErrConfig) {
			t.Errorf("without %s: got %v", name, err)
		}
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustStart()
	w.mustRotate()
	s, err := w.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n := len(scopes) + 1
	if len(s.Keyrings) != n || s.Leftovers != 0 || s.Keyrings[0].Scope != "datasets/" || s.Keyrings[0].KEKVersion != "2" ||
		s.Keyrings[0].State != "active" || s.Keyrings[0].Created.IsZero() || s.Keyrings[0].Activated.IsZero() {
		t.Errorf("keyrings %+v", s)
	}
	k := s.KEKs[0]
	if k.Name != "main" || k.Provider != "memory" || k.Version != "2" || k.Records != n || k.Versions[0].Records != 0 || k.Versions[1].Records != n {
		t.Errorf("KEK %+v", k)
	}
	w.kek.Set(kektest.Fault{Op: kektest.OpInfo, Mode: kektest.Refuse, Err: envelope.ErrDenied})
	s, err = w.Status(t.Context())
	if err != nil || !errors.Is(s.KEKs[0].Err, envelope.ErrDenied) || s.KEKs[0].Records != n {
		t.Errorf("a KEK that does not answer is part of the status: %+v, %v", s, err)
	}
}
