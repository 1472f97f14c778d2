// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealgate/sealgate/gateway/internal/strictyaml"
)

// head is five lines.
const head = `version: 1
trust_domain: acme.ai
identities:
  job: spiffe://acme.ai/ns/{team}/job
  ops: spiffe://acme.ai/ops
`

// inRole wraps one rule of role r as line 8.
func inRole(rule string) string {
	return head + "roles:\n  r: {who: [job, ops], can: [\n" + rule + "]}\n"
}

func TestFaults(t *testing.T) {
	t.Parallel()
	const ok = `{do: [read], paths: ["models/**"]}`
	for name, tc := range map[string]struct {
		src  string
		want []string
	}{
		"empty document":     {"{}", []string{`1:1: error E007: "trust_domain" is missing`, `1:1: error E007: "version" is missing`}},
		"version":            {"version: 2\ntrust_domain: acme.ai", []string{"1:10: error E008: this version of the document is not known; write version: 1"}},
		"unknown key":        {inRole(`{do: [read], path: ["models/**"]}`), []string{`8:1: error E007: "paths" is missing in roles.r.can[0]`, `8:14: error E004: unknown key "path"; did you mean "paths"?`}},
		"unknown section":    {head + "role: {}\n", []string{`6:1: error E004: unknown key "role"; did you mean "roles"?`}},
		"because in can":     {inRole(`{do: [read], paths: ["models/**"], because: x}`), []string{`8:36: error E004: unknown key "because"`}},
		"no action":          {inRole(`{do: [writ], paths: ["models/**"]}`), []string{`8:7: error E011: no action "writ"; did you mean "write"?`}},
		"no wildcard action": {inRole(`{do: ["*"], paths: ["models/**"]}`), []string{`8:7: error E011: no action "*"`}},
		"empty do":           {inRole(`{do: [], paths: ["models/**"]}`), []string{`8:6: error E010: the list is empty: it would match nothing`}},
		"null paths":         {inRole(`{do: [read], paths: }`), []string{`8:1: error E007: "paths" is missing in roles.r.can[0]`}},
		"dot segments":       {inRole(`{do: [read], paths: ["models/../secrets/*", "models/./x"]}`), []string{`8:22: error E012: path "models/../secrets/*": dot segments are not allowed`, `8:45: error E012: path "models/./x": dot segments are not allowed`}},
		"empty segment":      {inRole(`{do: [read], paths: ["models//x"]}`), []string{`8:22: error E013: path "models//x": empty segments are not allowed`}},
		"trailing slash":     {inRole(`{do: [read], paths: ["models/x/"]}`), []string{`8:22: error E013: path "models/x/": a trailing slash is not allowed; write models/x/** for everything below`}},
		"leading slash":      {inRole(`{do: [read], paths: ["/models/x"]}`), []string{`8:22: error E013: path "/models/x": a path begins with the bucket, not with a slash; write models/x`}},
		"scheme":             {inRole(`{do: [read], paths: ["s3://models/x"]}`), []string{`8:22: error E013: path "s3://models/x": a path begins with the bucket, not with a scheme; write models/x`}},
		"no key":             {inRole(`{do: [read], paths: [models]}`), []string{`8:22: error E013: path "models": it names a bucket and no key; write models/** for all keys in it`}},
		"** inside":          {inRole(`{do: [read], paths: ["models/**/x"]}`), []string{`8:22: error E013: path "models/**/x": ** is allowed as the last segment only; write * for one segment`}},
		"part wildcard": {inRole(`{do: [read], paths: ["models/v*", "models/{a", "models/{A}", "models/x{team}"]}`), []string{
			`8:22: error E013: path "models/v*": * and {name} stand for whole segments only`, `8:35: error E013: path "models/{a": * and {name} stand for whole segments only`,
			`8:48: error E013: path "models/{A}": * and {name} stand for whole segments only`, `8:62: error E013: path "models/x{team}": * and {name} stand for whole segments only`,
		}},
		"deep":        {inRole(`{do: [read], paths: ["models` + strings.Repeat("/a", 32) + `"]}`), []string{`8:22: error E013: path "models` + strings.Repeat("/a", 32) + `": it has more than 32 segments`}},
		"bucket name": {inRole(`{do: [read], paths: ["Models/x", ".sealgate/x"]}`), []string{`8:22: error E013: path "Models/x": no bucket can be named so; buckets are of a-z 0-9 . -`, `8:34: error E013: path ".sealgate/x": no bucket can be named so; buckets are of a-z 0-9 . -`}},
		"reserved":    {inRole(`{do: [read], paths: ["models/.sealgate/**"]}`), []string{`8:22: error E015: path "models/.sealgate/**": .sealgate is reserved for the gateway`}},
		"control":     {inRole(`{do: [read], paths: ["models/\t"]}`), []string{`8:22: error E013: path "models/\t": control characters are not allowed`}},
		"wrong verb": {inRole(`{do: [read, key-rotate], paths: ["models/**", "gateway/**", "*/x.y"]}`), []string{
			`8:34: error E014: path "models/**": key-rotate exists on gateway/** only`, `8:47: error E014: path "gateway/**": read does not exist on gateway/**`, `8:61: error E014: path "*/x.y": key-rotate exists on gateway/** only`,
		}},
		"capture":           {inRole(`{do: [read], paths: ["models/{taem}/**"]}`), []string{`8:22: error E017: path "models/{taem}/**": identity "job" has no {taem}; did you mean {team}?`, `8:22: error E017: path "models/{taem}/**": identity "ops" has no {taem}`}},
		"who":               {head + "roles:\n  r: {who: [jobs], can: " + ok + "}\n", []string{`7:13: error E016: no identity "jobs"; did you mean "job"?`}},
		"no who":            {head + "roles:\n  r: {can: " + ok + "}\n", []string{`7:6: error E007: "who" is missing in roles.r`}},
		"role name":         {head + "roles:\n  \"a b\": {who: [job], can: " + ok + "}\n", []string{`7:3: error E010: role name "a b" has to be of A-Z a-z 0-9 . _ - and at most 128 long`}},
		"role twice":        {head + "roles:\n  r: {who: [job]}\n  r: {who: [ops]}\n", []string{`8:3: error E005: key "r" is already given in line 7`}},
		"guardrail twice":   {head + "guardrails:\n  - {name: g, deny: [read], paths: [\"a/**\"]}\n  - {name: g, deny: [read], paths: [\"b/**\"]}\n", []string{`8:12: error E010: the name "g" is given twice in guardrails`}},
		"guardrail capture": {head + "guardrails:\n  - {name: g, deny: [read], paths: [\"a/{team}/**\"]}\n", []string{`7:37: error E017: path "a/{team}/**": {team} stands for nothing outside roles; write *`}},
		"trust domain":      {"version: 1\ntrust_domain: acme.ai\nidentities:\n  a: spiffe://acme.ai.evil/x\n", []string{`4:6: error E020: trust domain "acme.ai.evil" is not "acme.ai"`}},
		"further domain": {"version: 1\ntrust_domain: acme.ai\ntrust_domains: [ci.acme.ai, CI, acme.ai, ci.acme.ai]\nidentities:\n  a: spiffe://ci.acme.ai/x\n  b: spiffe://x.ci.acme.ai/x\n", []string{
			`3:29: error E020: "CI" is not a trust domain; write it without spiffe://, in lower case`, `3:33: error E010: the trust domain "acme.ai" is given twice`,
			`3:42: error E010: the trust domain "ci.acme.ai" is given twice`, `6:6: error E020: trust domain "x.ci.acme.ai" is not "acme.ai"`,
		}},
		"own trust domain": {"version: 1\ntrust_domain: spiffe://acme.ai\n", []string{`2:15: error E020: "spiffe://acme.ai" is not a trust domain; write it without spiffe://, in lower case`}},
		"identities": {"version: 1\ntrust_domain: acme.ai\nidentities:\n" +
			"  a: acme.ai/x\n  b: spiffe://acme.ai\n  c: spiffe://acme.ai/\n  d: spiffe://acme.ai/a//b\n  e: spiffe://acme.ai/../b\n  f: spiffe://*/b\n  g: spiffe://acme.ai/a b\n" +
			"  h: spiffe://acme.ai/a*\n  i: spiffe://acme.ai/**/b\n  j: local:uid/*\n  k: \"group:*\"\n  l: spiffe://acme.ai/{x}/{x}\n  m: spiffe://acme.ai/gateway\n  q: user:ana\n  o: SPIFFE://acme.ai/a\n  p: spiffe://Acme.ai/a\n", []string{
			`4:6: error E021: "acme.ai/x" is no identity; write spiffe://TRUST_DOMAIN/..., group:NAME or local:uid/NAME`,
			`5:6: error E021: identity "spiffe://acme.ai" names the trust domain itself, which no workload holds`,
			`6:6: error E021: identity "spiffe://acme.ai/": empty segments are not allowed`,
			`7:6: error E021: identity "spiffe://acme.ai/a//b": empty segments are not allowed`,
			`8:6: error E021: identity "spiffe://acme.ai/../b": dot segments are not allowed`,
			`9:6: error E021: identity "spiffe://*/b": "*" is not a trust domain`,
			`10:6: error E021: identity "spiffe://acme.ai/a b": SPIFFE IDs are of A-Z a-z 0-9 . _ -`,
			`11:6: error E021: identity "spiffe://acme.ai/a*": * and {name} stand for whole segments only`,
			`12:6: error E021: identity "spiffe://acme.ai/**/b": ** is allowed as the last segment only; write * for one segment`,
			`13:6: error E021: identity "local:uid/*" names no user; write local:uid/NAME; wildcards are not allowed`,
			`14:6: error E021: identity "group:*" names no group; write group:NAME; wildcards are not allowed`,
			`15:6: error E017: identity "spiffe://acme.ai/{x}/{x}" captures {x} twice`,
			`16:6: error E015: identity "spiffe://acme.ai/gateway" is the gateway itself`,
			`17:6: error E021: "user:ana" is no identity; write spiffe://TRUST_DOMAIN/..., group:NAME or local:uid/NAME`,
			`18:6: error E021: "SPIFFE://acme.ai/a" is no identity; write spiffe://TRUST_DOMAIN/..., group:NAME or local:uid/NAME`,
			`19:6: error E021: identity "spiffe://Acme.ai/a": "Acme.ai" is not a trust domain`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, fs := Parse("policy.yaml", []byte(tc.src))
			if d := cmp.Diff(tc.want, lines(fs)); d != "" {
				t.Error(d)
			}
			if p != nil {
				t.Error("a policy with errors was returned")
			}
		})
	}
}

func TestConditionFaults(t *testing.T) {
	t.Parallel()
	for when, want := range map[string]string{
		`{}`:                               `8:42: error E018: a when without conditions; leave it out, or give days, hours, mfa or login_within`,
		`{hours: 08:00-19:00, tz: UTC}`:    `8:50: error E018: hours have to be quoted; write "08:00-19:00"`,
		`{hours: "8:00-19:00", tz: UTC}`:   `8:50: error E018: hours have to be "HH:MM-HH:MM"; for example hours: "08:00-19:00"`,
		`{hours: 19, tz: UTC}`:             `8:50: error E018: hours have to be "HH:MM-HH:MM"; for example hours: "08:00-19:00"`,
		`{hours: "08:00-24:01", tz: UTC}`:  `8:50: error E018: "08:00-24:01" is no window of a day; it begins before 24:00, ends by 24:00 and is not empty`,
		`{hours: "24:00-08:00", tz: UTC}`:  `8:50: error E018: "24:00-08:00" is no window of a day; it begins before 24:00, ends by 24:00 and is not empty`,
		`{hours: "08:00-08:00", tz: UTC}`:  `8:50: error E018: "08:00-08:00" is no window of a day; it begins before 24:00, ends by 24:00 and is not empty`,
		`{hours: "08:00-19:00"}`:           `8:42: error E018: days and hours need a time zone; add tz, for example tz: Europe/Paris`,
		`{days: mon}`:                      `8:42: error E018: days and hours need a time zone; add tz, for example tz: Europe/Paris`,
		`{days: mo-fr, tz: UTC}`:           `8:49: error E018: "mo-fr" names no days; write mon tue wed thu fri sat sun, or a range such as mon-fri`,
		`{days: [], tz: UTC}`:              `8:49: error E010: the list is empty: it would match nothing`,
		`{days: mon, tz: Europe/Pariss}`:   `8:58: error E018: no time zone "Europe/Pariss" is known here; write an IANA name such as Europe/Paris, or UTC`,
		`{days: mon, tz: Local}`:           `8:58: error E018: no time zone "Local" is known here; write an IANA name such as Europe/Paris, or UTC`,
		`{days: mon, tz: "../etc/passwd"}`: `8:58: error E018: no time zone "../etc/passwd" is known here; write an IANA name such as Europe/Paris, or UTC`,
		`{days: mon, tz: ""}`:              `8:58: error E006: the text is empty`,
		`{tz: UTC}`:                        `8:47: error E018: tz without days or hours`,
		`{mfa: yes}`:                       `8:48: error E006: roles.r.can[0].when.mfa: "yes" is not a boolean; write true or false, unquoted`,
		`{mfa: false}`:                     `8:48: error E018: roles.r.can[0].when.mfa: false has no meaning; leave it out`,
		`{login_within: 15}`:               `8:57: error E018: roles.r.can[0].when.login_within: "15" is not a duration; write 15s`,
		`{on: mon, tz: UTC}`:               `8:43: error E004: unknown key "on"`,
	} {
		_, fs := Parse("policy.yaml", []byte(inRole(`{do: [read], paths: ["models/**"], when: `+when+`}`)))
		if got := lines(fs); !strings.Contains(strings.Join(got, "\n"), want) || fs.Errors() == 0 {
			t.Errorf("%s:\n got %q\nwant %q", when, got, want)
		}
	}
}

// TestZoneDatabaseMissing: without a database a policy with windows does not load,
// rather than load with windows that never or always hold.
func TestZoneDatabaseMissing(t *testing.T) {
	t.Parallel()
	var fs strictyaml.Faults
	b := newBuilder("policy.yaml", &fs)
	b.zone = func(string) (*time.Location, error) { return nil, errors.New("open zoneinfo.zip: no such file") }
	b.document(strictyaml.Parse("policy.yaml", []byte(inRole(`{do: [read], paths: ["models/**"], when: {days: mon, tz: Europe/Paris}}`)), &fs))
	if fs.Errors() != 1 || fs[0].Code != "E018" {
		t.Errorf("faults %v, want one E018", fs)
	}
}

func TestExceptionFaults(t *testing.T) {
	t.Parallel()
	const promo = "promotions:\n  - {name: p, from: %F, to: %T, requested_by: [job], approvals: %A}\n"
	build := func(from, to, approvals string) string {
		return head + strings.NewReplacer("%F", from, "%T", to, "%A", approvals).Replace(promo)
	}
	const fine = "{need: 1, by: [ops]}"
	for name, tc := range map[string]struct{ src, want string }{
		"overlap":        {build("models/a/**", "models/*/**", fine), `E022: to overlaps from`},
		"not below":      {build("models/a/x", "models/b/**", fine), `E022: path "models/a/x" has to end in /**`},
		"any bucket":     {build("models/a/**", "'*/b/**'", fine), `E022: path "*/b/**" has to name one bucket`},
		"namespace":      {build("models/a/**", "secrets/b/**", fine), `E022: path "secrets/b/**" has to name one bucket`},
		"capture":        {build("models/a/**", "'models/{team}/**'", fine), `E017: path "models/{team}/**": {team} stands for nothing outside roles; write *`},
		"need":           {build("a/b/**", "a/c/**", "{need: 0, by: [ops]}"), `promotions[0].approvals.need: 0 is not between 1 and 100`},
		"each_of":        {build("a/b/**", "a/c/**", "{need: 1, by: [ops], each_of: [job]}"), `E022: "job" in each_of is not in by, so its approval cannot be given`},
		"each_of > need": {build("a/b/**", "a/c/**", "{need: 1, by: [ops, job], each_of: [job, ops]}"), `E022: each_of asks for 2 approvals, need for 1`},
		"valid_for":      {build("a/b/**", "a/c/**", "{need: 1, by: [ops], valid_for: 1 day}"), `E022: promotions[0].approvals.valid_for: "1 day" is not a duration; write 1d`},
		"sealed write": {
			build("models/a/**", "models/b/**", fine) + "roles:\n  r: {who: [job], can: {do: [write], paths: [\"models/{team}/**\"]}}\n",
			`9:46: error E201: role r may change models/{team}/**, which overlaps models/b/**, sealed by promotion p (line 7); narrow the path: writes there are always refused`,
		},
		"elevation when": {head + "elevations:\n  - {name: e, for: [job], can: {do: [read], paths: [\"a/**\"], when: {mfa: true}}, longest: 1h, approvals: " + fine + "}\n", `E004: unknown key "when"`},
		"elevation name": {head + "elevations:\n  - {name: e, for: [jbo], can: {do: [read], paths: [\"a/**\"]}, longest: 1h, approvals: " + fine + ", reason: maybe}\n", `E022: reason can only be required`},
		"break-glass":    {head + "break_glass:\n  - {name: e, for: [job], can: {do: [read], paths: [\"a/**\"]}, longest: 30, tell: [mail], review: {by: [ops], within: 24h}}\n", `E022: tell is a list of slack:CHANNEL and webhook:NAME`},
	} {
		_, fs := Parse("policy.yaml", []byte(tc.src))
		if got := strings.Join(lines(fs), "\n"); !strings.Contains(got, tc.want) || fs.Errors() == 0 {
			t.Errorf("%s:\n got %s\nwant %s", name, got, tc.want)
		}
	}
}

// TestEmptyTexts: nothing that is empty may pass for a rule; a guardrail without
// verbs or days would never refuse.
func TestEmptyTexts(t *testing.T) {
	t.Parallel()
	for _, src := range []string{
		"version: 1\ntrust_domain: \"\"\n",
		inRole(`{do: [""], paths: ["models/**"]}`),
		inRole(`{do: [read], paths: [""]}`),
		inRole(`{do: [read], paths: ["models/**"], when: {days: "", tz: UTC}}`),
		inRole(`{do: [read], paths: ["models/**"], when: {days: [""], tz: UTC}}`),
		inRole(`{do: [read], paths: ["models/**"], when: {hours: "", tz: UTC}}`),
		inRole(`{do: [read], paths: ["models/**"], when: {days: mon, tz: ""}}`),
		inRole(`{do: [read], paths: ["models/**"], when: {days: mon, tz: null}}`),
		inRole(`{do: [read], paths: ["models/**"], when: {days: null, tz: UTC}}`),
		inRole(`{do: [read], paths: ["models/**"], when: {mfa: null}}`),
		inRole(`{do: [read], paths: ["models/**"], when: null}`),
		inRole(`{do: [read], paths: ["models/**"], when: {}}`),
		head + "  x: \"\"\n",
		head + "roles: {r: {who: [\"\"]}}\n",
		head + "roles: {r: {who: []}}\n",
		head + "roles: {r: {who: null}}\n",
		head + "roles: {r: null}\n",
		head + "guardrails: [{name: \"\", deny: [read], paths: [\"a/**\"]}]\n",
		head + "guardrails: [{name: g, deny: [\"\"], paths: [\"a/**\"]}]\n",
		head + "guardrails: [{name: g, deny: null, paths: [\"a/**\"]}]\n",
		head + "guardrails: [{name: g, deny: [read], paths: []}]\n",
		head + "guardrails: [null]\n",
	} {
		if p, fs := Parse("policy.yaml", []byte(src)); p != nil || fs.Errors() == 0 {
			t.Errorf("loads:\n%s", src)
		}
	}
}

// TestAllAtOnce: one run shows every fault, sorted by place.
func TestAllAtOnce(t *testing.T) {
	t.Parallel()
	_, fs := Parse("policy.yaml", []byte("version: 1\ntrust_domain: acme.ai\nguardrails:\n  - {name: g, deny: [wirte], paths: [\"a/../b\"]}\n"+
		"roles:\n  r: {who: [nobody], can: {do: [reed], paths: [\"a//b\"], when: {days: xyz, tz: Mars/Base}}}\nidentities:\n  a: spiffe://evil/x\n"))
	want := []string{
		`4:22: error E011: no action "wirte"; did you mean "write"?`,
		`4:38: error E012: path "a/../b": dot segments are not allowed`,
		`6:13: error E016: no identity "nobody"`,
		`6:33: error E011: no action "reed"; did you mean "read"?`,
		`6:48: error E013: path "a//b": empty segments are not allowed`,
		`6:70: error E018: "xyz" names no days; write mon tue wed thu fri sat sun, or a range such as mon-fri`,
		`6:79: error E018: no time zone "Mars/Base" is known here; write an IANA name such as Europe/Paris, or UTC`,
		`8:6: error E020: trust domain "evil" is not "acme.ai"`,
	}
	if d := cmp.Diff(want, lines(fs)); d != "" {
		t.Error(d)
	}
}

func TestLint(t *testing.T) {
	t.Parallel()
	src := head + `  idle: local:uid/ana
roles:
  r:
    who: [job]
    can:
      - {do: [read], paths: ["models/**"]}
      - {do: [read], paths: ["models/{team}/dev/**", "*/cards/a.md"]}
      - {do: [write], paths: ["modles/{team}/latest"]}
      - {do: [delete], paths: ["raw/x/**"]}
      - {do: [read], paths: ["models/**"]}
      - {do: [read], paths: ["models/dev.bin"], when: {days: mon, tz: UTC}}
      - {do: [read], paths: ["secrets/train/db"]}
    cannot:
      - {do: [write, delete], paths: ["raw/*/**"]}
  admin: {who: [ops], can: {do: [policy-apply], paths: ["gateway/**"]}}
promotions:
  - {name: p, from: models/s/**, to: models/p/**, requested_by: [ops], approvals: {need: 1, by: [ops]}}
`
	p, fs := Check("policy.yaml", []byte(src), CheckOptions{Buckets: []string{"models", "raw"}})
	want := []string{
		`6:3: warning W101: identity "idle" is not used`,
		`12:30: warning W104: path "models/{team}/dev/**" is covered by role r line 11`,
		`12:54: warning W102: path "*/cards/a.md" spans every bucket`,
		`13:31: warning W103: path "modles/{team}/latest" is the one object of this name; for everything below write modles/{team}/latest/**`,
		`13:31: warning W105: there is no bucket "modles"; did you mean "models"?`,
		`14:32: warning W106: path "raw/x/**": nothing is left of this grant, see line 19`,
		`15:30: warning W104: path "models/**" is covered by role r line 11`,
		`16:30: warning W104: path "models/dev.bin" is covered by role r line 11`,
		`22:5: warning W060: promotions are not enforced yet: models/p/** stays sealed`,
		`22:5: warning W301: promotion p: ops may request and approve`,
		`22:5: warning W302: promotion p: ops takes part and, by role admin (line 20), may change the policy`,
	}
	if d := cmp.Diff(want, lines(fs)); d != "" || p == nil {
		t.Error(d)
	}
}
