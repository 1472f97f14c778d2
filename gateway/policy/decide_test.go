// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/certs"
)

// job is spiffe://t.d/ns/fraud/job; only the rules of one role and some guardrails vary.
func jobWith(tb testing.TB, rules, more string) *Principal {
	tb.Helper()
	p := mustParse(tb, "version: 1\ntrust_domain: t.d\nidentities:\n  job: spiffe://t.d/ns/{team}/job\nroles:\n  r:\n    who: [job]\n"+rules+more)
	return p.Principal(certs.MustParseID("spiffe://t.d/ns/fraud/job"))
}

func canRead(paths ...string) string {
	return fmt.Sprintf("    can: {do: [read, list], paths: [%q]}\n", strings.Join(paths, `", "`))
}

func reads(who *Principal, path string) bool {
	bucket, key, _ := strings.Cut(path, "/")
	return who.Decide(Query{Verb: VerbRead, Bucket: bucket, Key: key}).Allowed()
}

// TestPatterns is §4, one row per sentence.
func TestPatterns(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		pattern string
		yes     []string
		no      []string
	}{
		{"models/fraud/**", []string{"models/fraud/a", "models/fraud/", "models/fraud/a/b/c", "models/fraud//", "models/fraud/*"}, []string{
			"models/fraud", "models/fraud-x/a", "models/fraud-x", "models/frau/a", "models/Fraud/a", "models//fraud/a", "models/a/fraud/b", "model/fraud/a", "models-x/fraud/a", "models",
			"models/", "modelsfraud/a", "models/fraud\x00/a", "models/fraud%2fa", "models/fraud\\a", "models/fraud /a",
		}},
		{"models/a.bin", []string{"models/a.bin"}, []string{"models/a.bin/", "models/a.bin/x", "models/a.bin2", "models/a", "models//a.bin", "models/x/a.bin"}},
		{"models/*/dev/**", []string{"models/x/dev/a", "models//dev/a", "models/dev/dev/a"}, []string{"models/dev/a", "models/x/y/dev/a", "models/x/dev", "models/x/devel/a"}},
		{"models/*", []string{"models/a", "models/{team}"}, []string{"models/a/b", "models/a/", "models//a"}},
		{"models/{team}/*", []string{"models/fraud/a", "models/fraud/"}, []string{"models/fraud", "models/risk/a", "models/{team}/a", "models/fraud/a/b"}},
		{"*/pub/**", []string{"models/pub/a", "raw/pub/a"}, []string{"gateway/pub/a", "secrets/pub/a", "audit/pub/a", "models/x/pub/a"}},
		{"**", []string{"models/a", "raw/x/y"}, []string{"secrets/a", "audit/a", "gateway/a", "models/", "models"}},
		{"{team}/**", []string{"fraud/a"}, []string{"risk/a", "secrets/a"}},
		{"secrets/*", []string{"secrets/a"}, []string{"secrets/a/b"}},
		{"models/é/**", []string{"models/\u00e9/a"}, []string{"models/e\u0301/a", "models/É/a"}}, // NFC is not NFD
	} {
		who := jobWith(t, canRead(tc.pattern), "")
		for _, path := range tc.yes {
			if !reads(who, path) {
				t.Errorf("%s does not match %q", tc.pattern, path)
			}
		}
		for _, path := range tc.no {
			if reads(who, path) {
				t.Errorf("%s matches %q", tc.pattern, path)
			}
		}
	}
}

// TestNeverGranted: what no pattern may reach, even the widest (§4, "Keys").
func TestNeverGranted(t *testing.T) {
	t.Parallel()
	who := jobWith(t, "    can: {do: [read, list, write, delete, tag], paths: [\"**\", \"models/**\", \"models/*\", \"models/*/*\", \"models/*/**\"]}\n", "")
	for key, want := range map[string]Reason{
		"": NoGrant, ".": NoGrant, "..": NoGrant, "../secrets/x": NoGrant, "a/..": NoGrant, "a/../b": NoGrant, "a/./b": NoGrant, "./a": NoGrant, "a/.": NoGrant, "//..": NoGrant, "a/..//": NoGrant,
		".sealgate": ReservedName, ".sealgate/": ReservedName, ".sealgate/keyrings/x": ReservedName, ".sealgate//x": ReservedName, ".sealgate/../a": NoGrant,
		".sealgatex": "", "a/.sealgate/x": "", "...": "", "a/...": "", "..a": "", "a..": "", ".hidden": "", "a/.b/c.d": "",
	} {
		for v := VerbRead; v <= VerbTag; v++ {
			if got := who.Decide(Query{Verb: v, Bucket: "models", Key: key}).Reason(); got != want {
				t.Errorf("%s models/%s: %q, want %q", v, key, got, want)
			}
		}
	}
	for _, dir := range []string{"../", "a/../", "./", ".sealgate/", ".sealgate/a/"} {
		if got := who.Coverage(VerbList, "models", dir, time.Time{}); got != CoverNone {
			t.Errorf("coverage of %q: %v", dir, got)
		}
		if who.DecideList("models", dir, time.Time{}).Allowed() {
			t.Errorf("listing %q is allowed", dir)
		}
	}
}

// TestCaptureInjection: what an identity captures is one literal segment. IDs
// cannot hold anything else, so the hostile values are given below that check.
func TestCaptureInjection(t *testing.T) {
	t.Parallel()
	p := mustParse(t, "version: 1\ntrust_domain: t.d\nidentities:\n  job: spiffe://t.d/ns/{team}/job\nroles:\n  r:\n    who: [job]\n"+
		"    can: {do: [read], paths: [\"models/{team}/**\"]}\n    cannot: {do: [read], paths: [\"models/x/{team}\"]}\n")
	for _, team := range []string{"*", "**", "..", ".", "", "a*", "{team}", "{x}"} {
		if _, err := certs.ParseID("spiffe://t.d/ns/" + team + "/job"); err == nil {
			t.Errorf("%q is a segment of an ID", team)
		}
		if _, ok := p.identities[0].matchPath("ns/" + team + "/job"); ok {
			t.Errorf("the identity matches with team %q", team)
		}
		who := p.compile([]holding{{p.identities[0], map[string]string{"team": team}}})
		for _, path := range []string{"models/fraud/a", "models/" + team + "/a", "models/*/a", "models/x"} {
			if reads(who, path) {
				t.Errorf("team %q reads %s", team, path)
			}
		}
	}
	who := p.compile([]holding{{p.identities[0], map[string]string{"team": "a/b"}}})
	if reads(who, "models/a/b/c") {
		t.Error("a capture acts as two segments")
	}
}

// TestVoidRefusal: a cannot that cannot be placed takes everything along, never
// itself alone.
func TestVoidRefusal(t *testing.T) {
	t.Parallel()
	p := mustParse(t, "version: 1\ntrust_domain: t.d\nidentities:\n  job: spiffe://t.d/ns/{team}/job\nroles:\n  r:\n    who: [job]\n"+
		"    can: {do: [read], paths: [\"models/**\"]}\n    cannot: {do: [read], paths: [\"models/{team}/**\"]}\n")
	if who := p.compile([]holding{{p.identities[0], nil}}); reads(who, "models/a/b") || who.AnyGrant("models") {
		t.Error("rights are left without the refusals that belong to them")
	}
}

// TestIdentities: the full ID is compared, to its end, in its own trust domain.
func TestIdentities(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		pattern string
		yes     []string
		no      []string
	}{
		{"spiffe://t.d/ns/a/job", []string{"spiffe://t.d/ns/a/job"}, []string{
			"spiffe://t.d.evil/ns/a/job", "spiffe://evil/ns/a/job", "spiffe://t.d/ns/a/job/x", "spiffe://t.d/ns/a", "spiffe://t.d/ns/a/jobs", "spiffe://t.d/NS/a/job", "spiffe://t.d",
		}},
		{"spiffe://t.d/ns/*", []string{"spiffe://t.d/ns/a"}, []string{"spiffe://t.d/ns", "spiffe://t.d/ns/a/b"}},
		{"spiffe://t.d/ns/**", []string{"spiffe://t.d/ns/a", "spiffe://t.d/ns/a/b"}, []string{"spiffe://t.d/ns", "spiffe://t.d/ns-x/a"}},
		{"spiffe://t.d/**", []string{"spiffe://t.d/a", "spiffe://t.d/gateway/x"}, []string{"spiffe://t.d", "spiffe://t.d/gateway", "spiffe://other/a"}},
		{"spiffe://t.d/{x}", []string{"spiffe://t.d/a"}, []string{"spiffe://t.d/gateway"}},
	} {
		p := mustParse(t, "version: 1\ntrust_domain: t.d\nidentities:\n  i: \""+tc.pattern+"\"\nroles:\n  r: {who: [i], can: {do: [read], paths: [\"models/**\"]}}\n")
		for _, id := range tc.yes {
			if !reads(p.Principal(certs.MustParseID(id)), "models/a") {
				t.Errorf("%s does not match %s", tc.pattern, id)
			}
		}
		for _, id := range tc.no {
			if reads(p.Principal(certs.MustParseID(id)), "models/a") {
				t.Errorf("%s matches %s", tc.pattern, id)
			}
		}
		if reads(p.Principal(certs.ID{}), "models/a") {
			t.Errorf("%s matches nobody", tc.pattern)
		}
		if reads(p.Local("local:uid/a"), "models/a") || reads(p.Local(tc.pattern), "models/a") {
			t.Errorf("%s matches a local user", tc.pattern)
		}
	}
}

func TestLocalUsers(t *testing.T) {
	t.Parallel()
	p := mustParse(t, "version: 1\ntrust_domain: t.d\nidentities:\n  i: local:uid/ana\n  g: group:ana\nroles:\n  r: {who: [i, g], can: {do: [read], paths: [\"models/**\"]}}\n")
	if !reads(p.Local("local:uid/ana"), "models/a") {
		t.Error("ana may not read")
	}
	for _, name := range []string{"", "ana", "local:uid/", "local:uid/anas", "local:uid/bob", "group:ana", "local:uid/ANA"} {
		if reads(p.Local(name), "models/a") {
			t.Errorf("%q may read", name)
		}
	}
	if reads(p.Principal(certs.MustParseID("spiffe://t.d/ana")), "models/a") || reads(p.Principal(certs.ID{}), "models/a") {
		t.Error("a workload acts as a local user")
	}
}

// TestCreateAndWrite is the last paragraph of §5.
func TestCreateAndWrite(t *testing.T) {
	t.Parallel()
	const all = "    can: {do: [create, write], paths: [\"models/**\"]}\n"
	for name, tc := range map[string]struct {
		rules, more   string
		create, write Reason
	}{
		"can write":     {"    can: {do: [write], paths: [\"models/**\"]}\n", "", "", ""},
		"can create":    {"    can: {do: [create], paths: [\"models/**\"]}\n", "", "", NoGrant},
		"cannot write":  {all + "    cannot: {do: [write], paths: [\"models/**\"]}\n", "", RoleCannot, RoleCannot},
		"cannot create": {all + "    cannot: {do: [create], paths: [\"models/**\"]}\n", "", RoleCannot, RoleCannot},
		"deny write":    {all, "guardrails:\n  - {name: g, deny: [write], paths: [\"models/**\"]}\n", Guardrail, Guardrail},
		"deny create":   {all, "guardrails:\n  - {name: g, deny: [create], paths: [\"models/**\"]}\n", Guardrail, Guardrail},
	} {
		who := jobWith(t, tc.rules, tc.more)
		for v, want := range map[Verb]Reason{VerbCreate: tc.create, VerbWrite: tc.write} {
			if got := who.Decide(Query{Verb: v, Bucket: "models", Key: "a"}).Reason(); got != want {
				t.Errorf("%s: %s: %q, want %q", name, v, got, want)
			}
		}
	}
}

// TestNamespaces: under can a wildcard bucket never reaches them, under cannot
// and deny it does.
func TestNamespaces(t *testing.T) {
	t.Parallel()
	explicit := "    can: {do: [read, write], paths: [\"secrets/**\", \"audit/**\", \"models/**\"]}\n"
	for name, tc := range map[string]struct {
		rules, more string
		want        Reason
	}{
		"none":             {explicit, "", ""},
		"cannot *":         {explicit + "    cannot: {do: [read], paths: [\"*/**\"]}\n", "", RoleCannot},
		"cannot * one":     {explicit + "    cannot: {do: [read], paths: [\"*/x\"]}\n", "", RoleCannot},
		"cannot **":        {explicit + "    cannot: {do: [read], paths: [\"**\"]}\n", "", RoleCannot},
		"guardrail *":      {explicit, "guardrails:\n  - {name: g, deny: [read], paths: [\"*/x\"]}\n", Guardrail},
		"guardrail **":     {explicit, "guardrails:\n  - {name: g, deny: [read], paths: [\"**\"]}\n", Guardrail},
		"guardrail secret": {explicit, "guardrails:\n  - {name: g, deny: [read], paths: [\"secrets/x\", \"audit/x\", \"models/x\"]}\n", Guardrail},
	} {
		for _, bucket := range []string{"secrets", "audit", "models"} {
			if got := jobWith(t, tc.rules, tc.more).Decide(Query{Verb: VerbRead, Bucket: bucket, Key: "x"}).Reason(); got != tc.want {
				t.Errorf("%s: %s/x: %q, want %q", name, bucket, got, tc.want)
			}
		}
	}
	p := mustParse(t, "version: 1\ntrust_domain: t.d\nidentities:\n  i: spiffe://t.d/{b}\nroles:\n  r: {who: [i], can: {do: [read], paths: [\"{b}/**\"]}, cannot: {do: [read], paths: [\"{b}/no\"]}}\n")
	for _, b := range []string{"secrets", "audit", "gateway"} {
		who := p.Principal(certs.MustParseID("spiffe://t.d/" + b))
		if reads(who, b+"/x") || who.AnyGrant(b) {
			t.Errorf("an identity named %s reads %s/**", b, b)
		}
	}
	if who := p.Principal(certs.MustParseID("spiffe://t.d/models")); !reads(who, "models/x") || reads(who, "models/no") {
		t.Error("a captured bucket is not compared")
	}
}

// TestNothingWithoutRules: a policy without rules refuses everything to everyone.
func TestNothingWithoutRules(t *testing.T) {
	t.Parallel()
	p := mustParse(t, "version: 1\ntrust_domain: t.d\nidentities: {all: \"spiffe://t.d/**\", me: local:uid/root}\nroles: {r: {who: [all, me]}}\n")
	for name, who := range map[string]*Principal{
		"workload": p.Principal(certs.MustParseID("spiffe://t.d/a")), "local": p.Local("local:uid/root"), "nobody": p.Principal(certs.ID{}), "nil": nil,
	} {
		for v := Verb(0); v <= lastVerb+1; v++ {
			for _, bucket := range []string{"models", "gateway", "secrets", "audit", ""} {
				if d := who.Decide(Query{Verb: v, Bucket: bucket, Key: "a"}); d.Allowed() || d.Reason() != NoGrant {
					t.Errorf("%s: verb %d on %s is allowed", name, v, bucket)
				}
				if who.Coverage(v, bucket, "", time.Time{}) != CoverNone || who.DecideList(bucket, "", time.Time{}).Allowed() || who.AnyGrant(bucket) {
					t.Errorf("%s: %s may be listed or seen", name, bucket)
				}
			}
		}
	}
}

// TestNoVerb: what is no verb is granted to nobody, whatever the policy says.
func TestNoVerb(t *testing.T) {
	t.Parallel()
	who := jobWith(t, "    can: {do: [read, list, create, write, delete, tag], paths: [\"**\"]}\n", "")
	for v := range 256 {
		isVerb := Verb(v) >= VerbRead && Verb(v) <= VerbTag
		if got := who.Decide(Query{Verb: Verb(v), Bucket: "models", Key: "a"}).Allowed(); got != isVerb {
			t.Errorf("verb %d: %v, want %v", v, got, isVerb)
		}
	}
}

// TestGrant: only an allowing decision makes one.
func TestGrant(t *testing.T) {
	t.Parallel()
	who := jobWith(t, canRead("models/**"), "")
	g, err := who.Decide(Query{Verb: VerbRead, Bucket: "models", Key: "a/b"}).Grant()
	if err != nil || !g.Valid() || g.Verb() != VerbRead || g.Bucket() != "models" || g.Key() != "a/b" {
		t.Errorf("grant %+v, %v", g, err)
	}
	for name, d := range map[string]Decision{"zero": {}, "refused": who.Decide(Query{Verb: VerbWrite, Bucket: "models", Key: "a/b"})} {
		if g, err := d.Grant(); !errors.Is(err, ErrDenied) || g.Valid() || d.Allowed() || d.Reason() != NoGrant {
			t.Errorf("%s decision: grant %+v, %v, %q", name, g, err, d.Reason())
		}
	}
}

// TestVerbNames: names and verbs are one to one.
func TestVerbNames(t *testing.T) {
	t.Parallel()
	for v := VerbRead; v <= lastVerb; v++ {
		if got, ok := ParseVerb(v.String()); !ok || got != v || v.String() == "" {
			t.Errorf("verb %d is %q, which is verb %d", v, v.String(), got)
		}
	}
	for _, name := range []string{"", "*", "Read", "admin"} {
		if v, ok := ParseVerb(name); ok || v != 0 {
			t.Errorf("%q is verb %d", name, v)
		}
	}
}

// TestMultipleIdentities: an ID that several identities match has the rules of all,
// the refusals too.
func TestMultipleIdentities(t *testing.T) {
	t.Parallel()
	p := mustParse(t, `version: 1
trust_domain: t.d
identities:
  one: spiffe://t.d/ns/{team}/*
  two: spiffe://t.d/ns/*/{job}
roles:
  a: {who: [one], can: {do: [read], paths: ["models/{team}/**"]}}
  b: {who: [two], can: {do: [read], paths: ["models/{job}/**"]}, cannot: {do: [read], paths: ["models/fraud/{job}/**"]}}
`)
	who := p.Principal(certs.MustParseID("spiffe://t.d/ns/fraud/j1"))
	for path, want := range map[string]bool{"models/fraud/a": true, "models/j1/a": true, "models/fraud/j1/a": false, "models/x/a": false} {
		if got := reads(who, path); got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}

// TestOnePlace: of many rules on one place the one that decides is found, in
// whatever order they stand there.
func TestOnePlace(t *testing.T) {
	t.Parallel()
	const can, no = "{do: [read], paths: [\"models/**\"]}", "{do: [read], paths: [\"models/**\"], because: frozen}"
	rules := "    can: [" + can + ", " + can + ", " + can + "]\n    cannot: [" + no + ", " + no + "]\n"
	d := jobWith(t, rules, "").Decide(Query{Verb: VerbRead, Bucket: "models", Key: "a"})
	if d.Reason() != RoleCannot || !strings.Contains(d.Rule(), ".cannot[0]") {
		t.Errorf("three can and two cannot: %q by %s", d.Reason(), d.Rule())
	}
	d = jobWith(t, "    can: ["+can+", "+can+"]\n", "").Decide(Query{Verb: VerbRead, Bucket: "models", Key: "a"})
	if !d.Allowed() || !strings.Contains(d.Rule(), ".can[0]") {
		t.Errorf("two can: %q by %s", d.Reason(), d.Rule())
	}
}
