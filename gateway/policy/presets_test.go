// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"testing"
	"time"

	"github.com/sealgate/sealgate/certs"
)

func mustParse(tb testing.TB, src string) *Policy {
	tb.Helper()
	p, fs := Parse("policy.yaml", []byte(src))
	if p == nil {
		tb.Fatalf("parsing:\n%v", fs)
	}
	return p
}

func TestSeed(t *testing.T) {
	t.Parallel()
	user := certs.MustParseID("spiffe://sealgate.local/user/ana")
	p := mustParse(t, string(Seed("sealgate.local", user)))
	who := p.Principal(user)
	for _, tc := range []struct {
		verb   Verb
		bucket string
		key    string
		want   bool
	}{
		{VerbWrite, "models", "fraud/dev/v1.safetensors", true},
		{VerbRead, "datasets", "a/b", true},
		{VerbWrite, "models", "fraud/prod/v1.safetensors", false},
		{VerbRead, "raw", "x", false},
	} {
		d := who.Decide(Query{Verb: tc.verb, Bucket: tc.bucket, Key: tc.key, Now: time.Now()})
		if d.Allowed() != tc.want {
			t.Errorf("%s %s/%s: %v (%s), want %v", tc.verb, tc.bucket, tc.key, d.Allowed(), d.Reason(), tc.want)
		}
	}
	if other := p.Principal(certs.MustParseID("spiffe://sealgate.local/user/bob")); other.AnyGrant("models") {
		t.Error("another user has a grant")
	}
	if !who.AnyGrant("models") || who.AnyGrant("raw") {
		t.Error("buckets of the user are not models and datasets")
	}
}
