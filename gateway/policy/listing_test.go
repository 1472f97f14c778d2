// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strings"
	"testing"
	"time"
)

// TestBuckets is the last paragraph of §2.
func TestBuckets(t *testing.T) {
	t.Parallel()
	who := jobWith(t, `    can:
      - {do: [delete], paths: ["raw/{team}/x/y"]}
      - {do: [read], paths: ["timed/**"], when: {hours: "01:00-01:01", tz: UTC}}
      - {do: [read], paths: ["mfa/**"], when: {mfa: true}}
      - {do: [read], paths: ["taken/a/**"]}
      - {do: [read, list], paths: ["partly/a/**"]}
      - {do: [read], paths: ["timely/a/**"]}
      - {do: [status-read], paths: ["gateway/**"]}
    cannot:
      - {do: [read], paths: ["taken/*/**"]}
      - {do: [read], paths: ["partly/**"]}
      - {do: [read], paths: ["timely/**"], when: {hours: "01:00-01:01", tz: UTC}}
`, "")
	for bucket, want := range map[string]bool{
		"raw": true, "timed": true, "mfa": false, "taken": false, "partly": true, "timely": true, "gateway": true, "models": false, "": false, "ra": false, "secrets": false,
	} {
		d := who.DecideBucket(bucket)
		if d.Allowed() != want || who.AnyGrant(bucket) != want {
			t.Errorf("bucket %q: %v, want %v", bucket, d.Allowed(), want)
		}
		if g, err := d.Grant(); want && (err != nil || g.Bucket() != bucket || g.Key() != "" || d.Rule() == "") {
			t.Errorf("bucket %q: grant %+v, %v by %q", bucket, g, err, d.Rule())
		}
	}
}

// TestListing is 09's neighbours of prefixes: what a listing may be asked for.
func TestListing(t *testing.T) {
	t.Parallel()
	noon := time.Date(2027, 3, 2, 12, 0, 0, 0, time.UTC)
	who := jobWith(t, `    can:
      - {do: [list], paths: ["models/fraud/**", "models/*/cards/*"]}
      - {do: [list], paths: ["only/fraud/v1/**", "exact/a.bin", "exact/x/*", "unsure/**"]}
      - {do: [list], paths: ["raw/x/**"], when: {hours: "01:00-02:00", tz: UTC}}
      - {do: [read], paths: ["datasets/**"]}
    cannot:
      - {do: [list], paths: ["models/fraud/pii/**", "exact/a.bin"]}
      - {do: [list], paths: ["unsure/a/**", "unsure/x.bin"], when: {mfa: true}}
`, "guardrails:\n  - {name: g, deny: [list], paths: [\"models/*/hidden/**\"]}\n")
	for _, tc := range []struct {
		bucket, prefix string
		want           Reason
		cover          Coverage
	}{
		{"models", "", "", CoverSome},
		{"models", "fraud/", "", CoverSome},
		{"models", "fraud/v1/", "", CoverAll},
		{"models", "fraud/pii/", RoleCannot, CoverNone},
		{"models", "fraud/pii/deep/", RoleCannot, CoverNone},
		{"models", "fraud/hidden/", Guardrail, CoverNone},
		{"models", "risk/", "", CoverSome},
		{"models", "risk/cards/", "", CoverSome},
		{"models", "risk/cards/v1/", NoGrant, CoverNone},
		{"models", "risk/v1/", NoGrant, CoverNone},
		{"models", "fraud-x/v1/", NoGrant, CoverNone},
		{"models", "fra", "", CoverSome},
		{"models", "fraud", "", CoverSome},
		{"models", "fraud/pi", "", CoverSome},
		{"exact", "", "", CoverSome},
		{"exact", "a", NoGrant, CoverNone},
		{"exact", "x/", "", CoverSome},
		{"unsure", "", "", CoverSome},
		{"unsure", "a/", RoleCannot, CoverNone},
		{"unsure", "b/", "", CoverAll},
		{"only", "fr", "", CoverSome},
		{"only", "fraud", "", CoverSome},
		{"only", "fraud/v", "", CoverSome},
		{"only", "fraud-", NoGrant, CoverNone},
		{"only", "fraudulent", NoGrant, CoverNone},
		{"only", "r", NoGrant, CoverNone},
		{"only", "fraud/v10", NoGrant, CoverNone},
		{"raw", "", OutsideHours, CoverNone},
		{"raw", "x/", OutsideHours, CoverNone},
		{"raw", "y/", NoGrant, CoverNone},
		{"datasets", "", NoGrant, CoverNone},
		{"nowhere", "", NoGrant, CoverNone},
		{"models", ".sealgate/x", ReservedName, CoverNone},
	} {
		d := who.DecideList(tc.bucket, tc.prefix, noon)
		if d.Reason() != tc.want || d.Allowed() != (tc.want == "") {
			t.Errorf("list %s/%s: %q, want %q", tc.bucket, tc.prefix, d.Reason(), tc.want)
		}
		if g, err := d.Grant(); d.Allowed() && (err != nil || g.Verb() != VerbList || g.Key() != tc.prefix || d.Rule() == "") {
			t.Errorf("list %s/%s: grant %+v, %v by %q", tc.bucket, tc.prefix, g, err, d.Rule())
		}
		if strings.HasSuffix("/"+tc.prefix, "/") {
			if got := who.Coverage(VerbList, tc.bucket, tc.prefix, noon); got != tc.cover {
				t.Errorf("coverage of %s/%s: %v, want %v", tc.bucket, tc.prefix, got, tc.cover)
			}
		}
	}
}
