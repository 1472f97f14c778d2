// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealgate/sealgate/certs"
)

var (
	tuesdayNoon  = time.Date(2027, 3, 2, 11, 0, 0, 0, time.UTC)
	saturdayNoon = time.Date(2027, 3, 6, 11, 0, 0, 0, time.UTC)
)

const explained = `version: 1
trust_domain: acme.ai
identities:
  job: spiffe://acme.ai/ns/{team}/train/{project}/*
  etl: spiffe://acme.ai/ns/data/etl/*
  ci: spiffe://acme.ai/ns/fraud/ci
  leads: group:leads
  ana: local:uid/ana
roles:
  training:
    who: [job]
    can:
      - {do: [read, list], paths: ["datasets/{team}/**"], when: {days: mon-fri, hours: "08:00-19:00", tz: Europe/Paris}}
      - {do: [read, list, write], paths: ["models/{project}/dev/**"]}
  wrangler:
    who: [etl, ana]
    can: {do: [read, list, write], paths: ["datasets/**", "*/shared/**"]}
    cannot: {do: [read], paths: ["models/*/prod/**"], because: data engineering does not touch the production registry}
  deployer:
    who: [ci]
    can:
      - {do: [read, list, write], paths: ["models/fraud/staging/**"]}
      - {do: [delete], paths: ["models/**"], when: {mfa: true}}
guardrails:
  - {name: night, deny: [delete], paths: ["models/*/prod/**"], when: {hours: "19:00-08:00", tz: Europe/Paris}, because: people sleep}
promotions:
  - {name: to-prod, from: models/fraud/staging/**, to: models/fraud/prod/**, requested_by: [ci, leads], approvals: {need: 2, by: [leads]}}
`

func TestExplain(t *testing.T) {
	t.Parallel()
	p := mustParse(t, explained)
	for name, tc := range map[string]struct {
		q       Question
		verdict Verdict
		want    string
	}{
		"allow": {
			Question{Who: "spiffe://acme.ai/ns/fraud/train/churn/j1", Do: VerbWrite, Path: "models/churn/dev/v1", At: tuesdayNoon},
			Allow,
			"ALLOW policy.yaml:14 role training can write models/{project}/dev/** (project=churn)\n",
		},
		"by name, outside hours": {
			Question{Who: "job", With: map[string]string{"team": "fraud", "project": "churn"}, Do: VerbRead, Path: "datasets/fraud/a.csv", At: saturdayNoon},
			Deny,
			"DENY  policy.yaml:13 role training can read datasets/{team}/** (team=fraud): the path matches, but outside its days or hours (days: mon-fri, hours: 08:00-19:00, tz: Europe/Paris; it is sat 12:00)\n" +
				"skip  policy.yaml:17 role wrangler can read datasets/**, but is of [etl ana]\n",
		},
		"no time": {
			Question{Who: "job", With: map[string]string{"team": "fraud", "project": "churn"}, Do: VerbRead, Path: "datasets/fraud/a.csv"},
			Deny,
			"DENY  policy.yaml:13 role training can read datasets/{team}/** (team=fraud): the path matches, but the time is not known (days: mon-fri, hours: 08:00-19:00, tz: Europe/Paris)\n" +
				"skip  policy.yaml:17 role wrangler can read datasets/**, but is of [etl ana]\n",
		},
		"cannot": {
			Question{Who: "etl", Do: VerbRead, Path: "models/fraud/prod/v1", At: tuesdayNoon},
			Deny,
			"DENY  policy.yaml:18 role wrangler cannot read models/*/prod/** because data engineering does not touch the production registry\n",
		},
		"hold": {
			Question{Who: "ci", Do: VerbWrite, Path: "models/fraud/prod/v1", At: tuesdayNoon},
			NeedsApproval,
			"HOLD  policy.yaml:27 promotion to-prod: ci may request; needs 2 approvals by [leads]\n" +
				"note  policy.yaml:27 promotions are not enforced yet: the path stays sealed, nothing can be requested\n",
		},
		"sealed for others": {
			Question{Who: "spiffe://acme.ai/ns/data/etl/e1", Do: VerbWrite, Path: "models/fraud/prod/v1", At: tuesdayNoon},
			Deny,
			"DENY  policy.yaml:27 promotion to-prod seals models/fraud/prod/**; it may be requested by [ci leads]\n",
		},
		"a group may request": {
			Question{Who: "leads", Do: VerbWrite, Path: "models/fraud/prod/v1", At: tuesdayNoon},
			NeedsApproval,
			"HOLD  policy.yaml:27 promotion to-prod: leads may request; needs 2 approvals by [leads]\n" +
				"note  policy.yaml:27 promotions are not enforced yet: the path stays sealed, nothing can be requested\n" +
				"note  policy.yaml:7 leads is a group; groups are not enforced yet and match nobody\n",
		},
		"guardrail closed, condition unmet": {
			Question{Who: "ci", Do: VerbDelete, Path: "models/fraud/prod/v1", At: tuesdayNoon},
			Deny,
			"DENY  policy.yaml:23 role deployer can delete models/**: the path matches, but its condition cannot be evaluated yet (mfa: true)\n" +
				"skip  policy.yaml:25 guardrail night denies delete models/*/prod/** because people sleep: the path matches, but outside its days or hours (hours: 19:00-08:00, tz: Europe/Paris; it is tue 12:00)\n",
		},
		"guardrail": {
			Question{Who: "ci", Do: VerbDelete, Path: "models/fraud/prod/v1", At: tuesdayNoon.Add(10 * time.Hour)},
			Deny,
			"DENY  policy.yaml:25 guardrail night denies delete models/*/prod/** because people sleep\n" +
				"skip  policy.yaml:23 role deployer can delete models/**: the path matches, but its condition cannot be evaluated yet (mfa: true)\n",
		},
		"other verb and path": {
			Question{Who: "job", With: map[string]string{"team": "fraud", "project": "churn"}, Do: VerbDelete, Path: "models/churn/dev/v1", At: tuesdayNoon},
			Deny,
			"DENY  policy.yaml no_grant: no role of spiffe://acme.ai/ns/fraud/train/churn/x grants delete on models/churn/dev/v1\n" +
				"skip  policy.yaml:14 role training can read, list, create, write here (models/{project}/dev/** (project=churn)), not delete\n" +
				"skip  policy.yaml:23 role deployer can delete models/**, but is of [ci]\n",
		},
		"another trust domain": {
			Question{Who: "spiffe://acme.ai.evil/ns/fraud/ci", Do: VerbRead, Path: "raw/a", At: tuesdayNoon},
			Deny,
			"DENY  policy.yaml no_grant: no role of spiffe://acme.ai.evil/ns/fraud/ci grants read on raw/a\n" +
				"note  policy.yaml trust domain acme.ai.evil is not acme.ai: nothing can match\n",
		},
		"local": {Question{Who: "local:uid/ana", Do: VerbRead, Path: "datasets/a", At: tuesdayNoon}, Allow, "ALLOW policy.yaml:17 role wrangler can read datasets/**\n"},
		"nobody": {
			Question{Who: "local:uid/bob", Do: VerbRead, Path: "secrets/shared/a", At: tuesdayNoon},
			Deny,
			"DENY  policy.yaml no_grant: no role of local:uid/bob grants read on secrets/shared/a\nnote  policy.yaml no identity of the policy matches local:uid/bob\n",
		},
		"listing": {Question{Who: "ana", Do: VerbList, Path: "datasets", At: tuesdayNoon}, Allow, "ALLOW policy.yaml:17 role wrangler can list datasets/**\n"},
		"listing a parent": {
			Question{Who: "ci", Do: VerbList, Path: "models/fraud/", At: tuesdayNoon}, Allow, "ALLOW policy.yaml:22 role deployer can list models/fraud/staging/**\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, err := p.Explain(tc.q)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tc.want, e.String()); d != "" || e.Verdict != tc.verdict {
				t.Errorf("%s\n%s", e.Verdict, d)
			}
		})
	}
}

func TestExplainJSON(t *testing.T) {
	t.Parallel()
	e, err := mustParse(t, explained).Explain(Question{Who: "ana", Do: VerbRead, Path: "datasets/a", At: tuesdayNoon})
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(e)
	want := `{"who":"ana","do":"read","path":"datasets/a","at":"2027-03-02T11:00:00Z","verdict":"allow","rule":"roles.wrangler.can[0]@17",` +
		`"lines":[{"mark":"ALLOW","file":"policy.yaml","line":17,"text":"role wrangler can read datasets/**"}]}`
	if err != nil || string(got) != want {
		t.Errorf("%v\n got %s\nwant %s", err, got, want)
	}
}

func TestExplainErrors(t *testing.T) {
	t.Parallel()
	p := mustParse(t, explained)
	for want, q := range map[string]Question{
		`who: no identity "jobs"; did you mean "job"?`: {Who: "jobs", Do: VerbRead, Path: "a/b"},
		`not a SPIFFE ID`: {Who: "https://x", Do: VerbRead, Path: "a/b"},
		`identity job needs a value for each of its captures {team} {project}, as in --with team=VALUE`: {Who: "job", Do: VerbRead, Path: "a/b", With: map[string]string{"team": "x"}},
		`with: identity job captures no {taem}; did you mean "team"?`:                                   {Who: "job", Do: VerbRead, Path: "a/b", With: map[string]string{"taem": "x"}},
		`with: not a SPIFFE ID`:                      {Who: "job", Do: VerbRead, Path: "a/b", With: map[string]string{"team": "x y", "project": "z"}},
		`holds its own captures`:                     {Who: "local:uid/ana", Do: VerbRead, Path: "a/b", With: map[string]string{"team": "x"}},
		`path "models": a path is BUCKET/KEY`:        {Who: "ci", Do: VerbRead, Path: "models"},
		`path "s3://models/x": a path is BUCKET/KEY`: {Who: "ci", Do: VerbRead, Path: "s3://models/x"},
		`path "/models/x": a path is BUCKET/KEY`:     {Who: "ci", Do: VerbList, Path: "/models/x"},
		`no such action`:                             {Who: "ci", Path: "a/b"},
	} {
		if _, err := p.Explain(q); !errors.Is(err, ErrQuestion) || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", q, err, want)
		}
	}
}

// TestExplainAgrees: an explanation never says something else than the decision.
func TestExplainAgrees(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 2))
		m := randomModel(r)
		m.dropUnusable()
		p := mustParse(t, m.yaml(r))
		s := pick(r, subjects)
		who := p.Principal(certs.MustParseID(s.id))
		for range 40 {
			v, _ := ParseVerb(pick(r, modelVerbs))
			bucket, key, now := pick(r, []string{"models", "raw", "secrets"}), pick(r, universe(s.captured)), pick(r, modelTimes)
			if key == "" || v == VerbList && strings.HasSuffix(key, "/") {
				continue // a question about a listing
			}
			e, err := p.Explain(Question{Who: s.id, Do: v, Path: bucket + "/" + key, At: now})
			d := who.Decide(Query{v, bucket, key, now})
			if err != nil || (e.Verdict == Allow) != d.Allowed() || e.Reason != d.Reason() || e.Rule != d.Rule() || len(e.Lines) == 0 {
				t.Fatalf("seed %d: %s %s %s/%s: %v %q by %q, decided %q by %q", seed, s.id, v, bucket, key, err, e.Reason, e.Rule, d.Reason(), d.Rule())
			}
			if mark := e.Lines[0].Mark; (mark == "ALLOW") != d.Allowed() {
				t.Fatalf("seed %d: %s", seed, e)
			}
		}
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	p := mustParse(t, explained)
	table, fs := ParseTable("policy-test.yaml", []byte(`version: 1
policy: other.yaml
tests:
  - {who: spiffe://acme.ai/ns/fraud/ci, do: write, path: models/fraud/staging/v1, expect: allow}
  - {who: job, with: {team: fraud, project: churn}, do: read, path: datasets/fraud/a, at: "2027-03-02T12:00:00+01:00", expect: allow}
  - {who: job, with: {team: fraud, project: churn}, do: read, path: datasets/fraud/a, at: "2027-03-06T12:00:00+01:00", expect: deny}
  - {who: ci, do: write, path: models/fraud/prod/v1, expect: needs-approval}
  - {who: ci, do: write, path: models/fraud/prod/v1, expect: deny}
  - {who: ci, do: delete, path: models/x, mfa: true, expect: deny}
  - {who: ci, do: write, path: models/fraud/staging/v1, expect: deny}
  - {who: ci, do: write, path: models/fraud/prod/v1, expect: allow}
  - {who: etl, do: write, path: models/fraud/prod/v1, expect: needs-approval}
  - {who: etl, do: read, path: raw/a, expect: allow}
  - {who: nobody, do: read, path: raw/a, expect: deny}
`))
	if len(fs) > 0 || table.Policy != "other.yaml" || table.Len() != 11 {
		t.Fatalf("%v, %+v", fs, table)
	}
	want := []string{
		`policy-test.yaml:10:5: ci write models/fraud/staging/v1: want deny, got allow by policy.yaml:22 role deployer can write models/fraud/staging/**`,
		`policy-test.yaml:11:5: ci write models/fraud/prod/v1: want allow, got needs-approval by policy.yaml:27 promotion to-prod: ci may request; needs 2 approvals by [leads]`,
		`policy-test.yaml:12:5: etl write models/fraud/prod/v1: want needs-approval, got deny by policy.yaml:27 promotion to-prod seals models/fraud/prod/**; it may be requested by [ci leads]`,
		`policy-test.yaml:13:5: etl read raw/a: want allow, got deny by policy.yaml: no_grant: no role of spiffe://acme.ai/ns/data/etl/x grants read on raw/a`,
		`policy-test.yaml:14:5: nobody read raw/a: want deny, but cannot answer: who: no identity "nobody"`,
	}
	var got []string
	for _, f := range p.Run(table) {
		got = append(got, f.String())
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestTableFaults(t *testing.T) {
	t.Parallel()
	table, fs := ParseTable("policy.yaml", []byte(`version: 1
tests:
  - {who: a, do: reed, path: a/b, expect: allow}
  - {who: "", do: read, path: a/b, at: tomorrow, mfa: yes, expect: maybe}
  - {do: read, paths: a/b, expect: deny}
`))
	want := []string{
		`3:18: error E011: no action "reed"; did you mean "read"?`,
		`4:11: error E006: the text is empty`,
		`4:40: error E018: "tomorrow" is not a time; write RFC 3339, for example "2027-03-06T12:00:00+01:00"`,
		`4:55: error E006: tests[1].mfa: "yes" is not a boolean; write true or false, unquoted`,
		`4:68: error E006: "maybe" is no verdict; write allow, deny or needs-approval`,
		`5:5: error E007: "path" is missing in tests[2]`,
		`5:5: error E007: "who" is missing in tests[2]`,
		`5:16: error E004: unknown key "paths"; did you mean "path"?`,
	}
	if d := cmp.Diff(want, lines(fs)); d != "" || table != nil {
		t.Error(d)
	}
}
