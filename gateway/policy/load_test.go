// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/gateway/internal/strictyaml"
)

// lines renders faults without the file name.
func lines(fs strictyaml.Faults) []string {
	var out []string
	for _, f := range fs {
		out = append(out, strings.TrimPrefix(f.String(), "policy.yaml:"))
	}
	return out
}

func full(t *testing.T) *Policy {
	t.Helper()
	src, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return mustParse(t, string(src))
}

// TestFullDocument loads a document that uses every part of the language.
func TestFullDocument(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, fs := Check("policy.yaml", src, CheckOptions{Buckets: []string{"datasets", "features", "models", "raw"}})
	const underCan = "is not enforced yet: this condition is false under can and true under cannot and deny"
	want := []string{
		`8:19: warning W060: "group:data-engineering" matches nobody: groups are not enforced yet`,
		`9:19: warning W060: "group:fraud-data-science" matches nobody: groups are not enforced yet`,
		`10:19: warning W060: "group:ml-leads" matches nobody: groups are not enforced yet`,
		`11:19: warning W060: "group:model-risk" matches nobody: groups are not enforced yet`,
		`12:19: warning W060: "group:compliance" matches nobody: groups are not enforced yet`,
		`13:19: warning W060: "group:sre-oncall" matches nobody: groups are not enforced yet`,
		`14:19: warning W060: "group:ml-platform-admins" matches nobody: groups are not enforced yet`,
		`50:63: warning W060: mfa ` + underCan,
		`56:21: warning W060: mfa ` + underCan,
		`56:41: warning W060: login_within ` + underCan,
		`64:5: warning W060: promotions are not enforced yet: models/fraud/prod/** stays sealed`,
		`64:5: warning W301: promotion fraud-to-prod: ml-leads may request and approve`,
		`70:5: warning W060: elevations are not enforced yet: "pii-debug" grants nothing`,
		`77:5: warning W060: break_glass are not enforced yet: "prod-incident" grants nothing`,
	}
	if d := cmp.Diff(want, lines(fs)); d != "" {
		t.Error(d)
	}
	if p == nil || p.TrustDomain().String() != "acme.ai" || len(p.Digest()) != 64 {
		t.Fatalf("policy %+v", p)
	}
}

// TestFullDecisions asks the full document.
func TestFullDecisions(t *testing.T) {
	t.Parallel()
	p := full(t)
	noon := time.Date(2027, 3, 2, 11, 0, 0, 0, time.UTC)  // Tuesday, 12:00 in Paris
	night := time.Date(2027, 3, 2, 22, 0, 0, 0, time.UTC) // Tuesday, 23:00 in Paris
	for _, tc := range []struct {
		who  string
		verb Verb
		path string
		now  time.Time
		want Reason
		rule string
	}{
		{"ns/fraud/train/churn/j1", VerbRead, "datasets/fraud/a.csv", noon, "", "roles.training.can[0]@19"},
		{"ns/fraud/train/churn/j1", VerbRead, "datasets/risk/a.csv", noon, NoGrant, ""},
		{"ns/fraud/train/churn/j1", VerbWrite, "models/churn/dev/v1", noon, "", "roles.training.can[1]@20"},
		{"ns/fraud/train/churn/j1", VerbCreate, "models/churn/dev/v1", noon, "", "roles.training.can[1]@20"},
		{"ns/fraud/train/churn/j1", VerbDelete, "models/churn/dev/v1", noon, NoGrant, ""},
		{"ns/fraud/train/churn/j1", VerbRead, "secrets/train/churn/db", noon, "", "roles.training.can[2]@21"},
		{"ns/fraud/train/churn/j1", VerbRead, "secrets/train/churn/db/x", noon, NoGrant, ""},
		{"ns/fraud/train/churn/j1/more", VerbRead, "datasets/fraud/a.csv", noon, NoGrant, ""},
		{"ns/fraud/ci/deployer", VerbWrite, "models/fraud/staging/v7", noon, "", "roles.fraud-deployer.can[0]@25"},
		{"ns/fraud/ci/deployer", VerbWrite, "models/fraud/prod/v7", noon, Sealed, "promotions.fraud-to-prod@64"},
		{"ns/fraud/ci/deployer", VerbRead, "models/fraud/prod/v7", noon, NoGrant, ""},
		{"ns/fraud/serve/s1", VerbRead, "models/fraud/prod/v7", noon, "", "roles.fraud-serving.can[0]@29"},
		{"ns/fraud/serve/s1", VerbTag, "models/fraud/prod/v7", noon, Sealed, "promotions.fraud-to-prod@64"},
		{"ns/fraud/serve/s1", VerbDelete, "models/fraud/prod/v7", noon, NoGrant, ""},
		{"ns/fraud/serve/s1", VerbDelete, "models/fraud/prod/v7", night, Guardrail, "guardrails.no-deletes-in-prod-at-night@59"},
		{"ns/data/etl/e1", VerbRead, "models/fraud/prod/v7", noon, RoleCannot, "roles.data-wrangler.cannot[0]@36"},
		{"ns/data/etl/e1", VerbDelete, "raw/a/b", noon, "", "roles.data-wrangler.can[0]@33"},
		{"ns/data/etl/e1", VerbCreate, "audit/log/1", noon, Guardrail, "guardrails.audit-is-append-only@58"},
	} {
		bucket, key, _ := strings.Cut(tc.path, "/")
		d := p.Principal(certs.MustParseID("spiffe://acme.ai/" + tc.who)).Decide(Query{tc.verb, bucket, key, tc.now})
		if d.Reason() != tc.want || d.Allowed() != (tc.want == "") || d.Rule() != tc.rule {
			t.Errorf("%s %s %s: %q by %q, want %q by %q", tc.who, tc.verb, tc.path, d.Reason(), d.Rule(), tc.want, tc.rule)
		}
	}
}

// TestOnlyRefuses: removing what is not enforced yet from a document never takes a
// grant away, so those parts grant nothing.
func TestOnlyRefuses(t *testing.T) {
	t.Parallel()
	const head = "version: 1\ntrust_domain: t.d\nidentities:\n  a: spiffe://t.d/a\n  g: group:a\n"
	for name, tc := range map[string]struct {
		src  string
		want Reason
	}{
		"elevation":     {"elevations:\n  - {name: e, for: [a], can: {do: [read], paths: [\"models/**\"]}, longest: 1h, approvals: {need: 1, by: [g]}}\n", NoGrant},
		"break-glass":   {"break_glass:\n  - {name: e, for: [a], can: {do: [read], paths: [\"models/**\"]}, longest: 1h, tell: [\"slack:#x\"], review: {by: [g], within: 1h}}\n", NoGrant},
		"group":         {"roles:\n  r: {who: [g], can: {do: [read], paths: [\"models/**\"]}}\n", NoGrant},
		"mfa can":       {"roles:\n  r: {who: [a], can: {do: [read], paths: [\"models/**\"], when: {mfa: true}}}\n", ConditionUnmet},
		"login can":     {"roles:\n  r: {who: [a], can: {do: [read], paths: [\"models/**\"], when: {login_within: 15m}}}\n", ConditionUnmet},
		"mfa and hours": {"roles:\n  r: {who: [a], can: {do: [read], paths: [\"models/**\"], when: {mfa: true, hours: \"00:00-24:00\", tz: UTC}}}\n", ConditionUnmet},
		"mfa cannot":    {"roles:\n  r: {who: [a], can: {do: [read], paths: [\"models/**\"]}, cannot: {do: [read], paths: [\"models/**\"], when: {mfa: true}}}\n", RoleCannot},
		"mfa deny":      {"roles:\n  r: {who: [a], can: {do: [read], paths: [\"models/**\"]}}\nguardrails:\n  - {name: g, deny: [read], paths: [\"models/**\"], when: {mfa: true}}\n", Guardrail},
		"login deny, outside hours": {
			"roles:\n  r: {who: [a], can: {do: [read], paths: [\"models/**\"]}}\nguardrails:\n  - {name: g, deny: [read], paths: [\"models/**\"], when: {login_within: 1h, hours: \"01:00-01:01\", tz: UTC}}\n", Guardrail,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			who := mustParse(t, head+tc.src).Principal(certs.MustParseID("spiffe://t.d/a"))
			d := who.Decide(Query{VerbRead, "models", "x", time.Date(2027, 3, 2, 12, 0, 0, 0, time.UTC)})
			if d.Reason() != tc.want || d.Allowed() {
				t.Errorf("%q, want %q", d.Reason(), tc.want)
			}
			if tc.want == ConditionUnmet && who.AnyGrant("models") {
				t.Error("a grant that cannot be used opens the bucket")
			}
		})
	}
}

func TestPresetInit(t *testing.T) {
	t.Parallel()
	p, fs := Check("policy.yaml", Init(), CheckOptions{Buckets: []string{"datasets", "features", "models", "raw"}})
	for _, f := range fs {
		if f.Code != "W060" {
			t.Error(f)
		}
	}
	if p == nil {
		t.Fatal("the preset does not load")
	}
	var names []string
	for _, r := range p.roles {
		names = append(names, r.name)
	}
	want := []string{"data-scientist", "ml-engineer", "data-engineer", "deployer", "training-job", "serving-job", "viewer", "compliance-officer", "admin"}
	if !slices.Equal(names, want) {
		t.Errorf("roles %v, want %v", names, want)
	}
}

// TestSpecificationExamples: the documents shown in POLICY.md load, and its tests
// pass.
func TestSpecificationExamples(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("POLICY.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(src), "```")
	var documents []string
	for _, b := range blocks {
		if doc, ok := strings.CutPrefix(b, "yaml\n"); ok {
			documents = append(documents, doc)
		}
	}
	if len(documents) != 2 {
		t.Fatalf("%d documents in POLICY.md, want a policy and a table", len(documents))
	}
	p, fs := Check("POLICY.md", []byte(documents[0]), CheckOptions{})
	if len(fs) > 0 {
		t.Fatal(fs)
	}
	table, fs := ParseTable("POLICY.md", []byte(documents[1]))
	if table == nil {
		t.Fatal(fs)
	}
	if failures := p.Run(table); len(failures) > 0 || table.Len() != 3 {
		t.Error(failures)
	}
}
