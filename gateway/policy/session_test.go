// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/certs"
)

// modelScope is a scope in the words of POLICY.md §11, compared with strings.
type modelScope struct {
	verbs  []string // nil is all
	bucket string   // "" is every bucket
	key    string
	below  bool
}

func (s modelScope) holds(verb, bucket, key string) bool {
	has := s.verbs == nil || slices.Contains(s.verbs, verb) || verb == "create" && slices.Contains(s.verbs, "write")
	switch {
	case !has:
		return false
	case s.bucket == "":
		return true
	case s.bucket != bucket:
		return false
	case !s.below:
		return key == s.key
	}
	return s.key == "" || strings.HasPrefix(key, s.key+"/")
}

func (s modelScope) scope(t *testing.T) Scope {
	t.Helper()
	var verbs []Verb
	for _, name := range s.verbs {
		v, _ := ParseVerb(name)
		verbs = append(verbs, v)
	}
	out, err := NewScope(verbs, s.bucket, s.key, s.below)
	if err != nil {
		t.Fatal(err)
	}
	back, err := ParseScope(out.String())
	if err != nil || back.String() != out.String() {
		t.Fatalf("%s reads back as %s, %v", out, back, err)
	}
	return back
}

func randomScope(r *rand.Rand) modelScope {
	s := modelScope{below: true}
	if r.IntN(2) == 0 {
		for range 1 + r.IntN(3) {
			s.verbs = append(s.verbs, pick(r, modelVerbs))
		}
	}
	if r.IntN(8) == 0 {
		return s // every bucket
	}
	s.bucket = pick(r, []string{"models", "raw", "a"})
	var segs []string
	for range r.IntN(4) {
		segs = append(segs, pick(r, []string{"a", "ab", "zz"}))
	}
	s.key = strings.Join(segs, "/")
	s.below = s.key == "" || r.IntN(2) == 0
	return s
}

// checkSession draws a policy and a session and compares with the oracle: the
// identity's verdict without the grants of other roles, and then the scopes.
func checkSession(t *testing.T, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 2))
	m := randomModel(r)
	m.dropUnusable()
	p := mustParse(t, m.yaml(r))
	s := pick(r, subjects)
	n, less := Narrowing{}, m
	if r.IntN(2) == 0 {
		n.Role = pick(r, append(m.roles, "nobody"))
		less.rules = slices.DeleteFunc(slices.Clone(m.rules), func(rule modelRule) bool { return rule.tier == "can" && rule.role != n.Role })
	}
	var scopes []modelScope
	for range r.IntN(4) {
		scope := randomScope(r)
		scopes = append(scopes, scope)
		n.Scopes = append(n.Scopes, scope.scope(t))
	}
	who := p.Session(certs.MustParseID(s.id), n)
	verb, _ := ParseVerb(pick(r, append(modelVerbs, "list", "list", "list")))
	now := pick(r, modelTimes)
	for _, bucket := range []string{"models", "raw", "secrets", "a"} {
		granted := map[string]bool{}
		for _, key := range universe(s.captured) {
			want := less.decide(s.team, verb.String(), bucket, key, now) == "" &&
				(n.Scopes == nil || slices.ContainsFunc(scopes, func(sc modelScope) bool { return sc.holds(verb.String(), bucket, key) }))
			got := who.Decide(Query{Verb: verb, Bucket: bucket, Key: key, Now: now})
			if got.Allowed() != want {
				t.Fatalf("seed %d: %s as %q in %v: %s %s/%s at %v: allowed %v, want %v\n%s",
					seed, s.id, n.Role, n.Scopes, verb, bucket, key, now, got.Allowed(), want, m.yaml(r))
			}
			granted[key] = want
		}
		checkCoverage(t, who, verb, bucket, now, granted, seed)
	}
}

func TestSessionOracle(t *testing.T) {
	t.Parallel()
	n := uint64(600)
	if testing.Short() {
		n = 100
	}
	for seed := range n {
		checkSession(t, seed)
	}
}

func FuzzSessionOracle(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) { checkSession(t, seed) })
}

func TestSessionNeverGains(t *testing.T) {
	t.Parallel()
	p := mustParse(t, `version: 1
trust_domain: acme.ai
trust_domains: [ci.acme.ai]
identities:
  job: spiffe://acme.ai/job
  ci:  spiffe://ci.acme.ai/ns/{ns}/sa/*
roles:
  reader:
    who: [job]
    can: {do: [read, list], paths: ["models/**", "audit/**"]}
  writer:
    who: [job]
    can: {do: [write], paths: ["models/dev/**"]}
    cannot: {do: [read], paths: ["models/secret/**"]}
  wild:
    who: [job]
    can: {do: [read], paths: ["*/shared/**"]}
  operator:
    who: [job]
    can: {do: [status-read], paths: ["gateway/**"]}
  deployer:
    who: [ci]
    can: {do: [read], paths: ["models/{ns}/**"]}
guardrails:
  - {name: g, deny: [write], paths: ["models/dev/frozen/**"]}
`)
	job, ci := certs.MustParseID("spiffe://acme.ai/job"), certs.MustParseID("spiffe://ci.acme.ai/ns/fraud/sa/push")
	scope := func(verbs []Verb, bucket, key string, below bool) Narrowing {
		return Narrowing{Scopes: []Scope{modelScope{nil, bucket, key, below}.scope(t)}}.with(verbs)
	}
	for name, tc := range map[string]struct {
		id          certs.ID
		n           Narrowing
		do          Verb
		bucket, key string
		want        Reason
	}{
		"whole":                        {job, Narrowing{}, VerbRead, "models", "a", ""},
		"role":                         {job, Narrowing{Role: "reader"}, VerbRead, "models", "a", ""},
		"other role's grant":           {job, Narrowing{Role: "reader"}, VerbWrite, "models", "dev/a", NoGrant},
		"other role's refusal":         {job, Narrowing{Role: "reader"}, VerbRead, "models", "secret/a", RoleCannot},
		"guardrail":                    {job, Narrowing{Role: "writer"}, VerbWrite, "models", "dev/frozen/a", Guardrail},
		"a role of somebody else":      {job, Narrowing{Role: "deployer"}, VerbRead, "models", "fraud/a", NoGrant},
		"no such role":                 {job, Narrowing{Role: "root"}, VerbRead, "models", "a", NoGrant},
		"scope within a grant":         {job, scope(nil, "models", "dev", true), VerbRead, "models", "dev/a", ""},
		"outside of the scope":         {job, scope(nil, "models", "dev", true), VerbRead, "models", "devil/a", NoGrant},
		"the directory itself":         {job, scope(nil, "models", "dev", true), VerbRead, "models", "dev", NoGrant},
		"scope without a grant":        {job, scope(nil, "raw", "", true), VerbRead, "raw", "a", NoGrant},
		"a verb the scope lacks":       {job, scope([]Verb{VerbRead}, "models", "dev", true), VerbWrite, "models", "dev/a", NoGrant},
		"write holds create":           {job, scope([]Verb{VerbWrite}, "models", "dev", true), VerbCreate, "models", "dev/a", ""},
		"create does not hold write":   {job, scope([]Verb{VerbCreate}, "models", "dev", true), VerbWrite, "models", "dev/a", NoGrant},
		"one object":                   {job, scope(nil, "models", "a", false), VerbRead, "models", "a", ""},
		"beside the object":            {job, scope(nil, "models", "a", false), VerbRead, "models", "b", NoGrant},
		"below the object":             {job, scope(nil, "models", "a", false), VerbRead, "models", "a/b", NoGrant},
		"a key with a star is a key":   {job, scope(nil, "models", "*", false), VerbRead, "models", "a", NoGrant},
		"administration has no scope":  {job, scope(nil, "", "", true), VerbStatusRead, "gateway", "status", NoGrant},
		"wildcards reach no namespace": {job, scope(nil, "", "", true), VerbRead, "secrets", "shared/a", NoGrant},
		"a namespace by its name":      {job, scope(nil, "", "", true), VerbRead, "audit", "a", ""},
		"no scope at all":              {job, Narrowing{Scopes: []Scope{}}, VerbRead, "models", "a", NoGrant},
		"another trust domain":         {ci, Narrowing{}, VerbRead, "models", "fraud/a", ""},
		"its twin in ours":             {certs.MustParseID("spiffe://acme.ai/ns/fraud/sa/push"), Narrowing{}, VerbRead, "models", "fraud/a", NoGrant},
		"nobody":                       {certs.ID{}, Narrowing{}, VerbRead, "models", "a", NoGrant},
	} {
		if got := p.Session(tc.id, tc.n).Decide(Query{Verb: tc.do, Bucket: tc.bucket, Key: tc.key}).Reason(); got != tc.want {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}

// with sets the verbs of all scopes.
func (n Narrowing) with(verbs []Verb) Narrowing {
	for i := range n.Scopes {
		if verbs != nil {
			n.Scopes[i].verbs = 0
			for _, v := range verbs {
				n.Scopes[i].verbs |= v.bit()
			}
			n.Scopes[i].verbs = n.Scopes[i].verbs.granted()
		}
	}
	return n
}

func TestScopeText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"*:**", "*:models/**", "read,list:models/fraud/**", "read=models/a", "create,write=models/a:b", "*=models/a//b", "*:models/a//**", "*=models/**"} {
		if s, err := ParseScope(text); err != nil || s.String() != text {
			t.Errorf("%q: got %q, %v", text, s, err)
		}
	}
	for _, text := range []string{
		"", "*", "read", "*:", "*=", "*:models", "*=models", "*=models/", "*:models/a", "list,read:models/**", "read,read:models/**", "write:models/**", "status-read:gateway/**",
		"*:gateway/**", "*=secrets/a", "*:Models/**", "*:s3://models/**", "*=**", "*=models/\xff", "*=models/" + strings.Repeat("a", 1025), " *:**", "*:**/a", ",:models/**",
	} {
		if s, err := ParseScope(text); !errors.Is(err, ErrScope) {
			t.Errorf("%q: got %v, %v, want ErrScope", text, s, err)
		}
	}
}

func FuzzParseScope(f *testing.F) {
	f.Add("read,list:models/fraud/**")
	f.Add("*=models/a")
	f.Add("*:**")
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := ParseScope(text); err == nil && s.String() != text {
			t.Errorf("%q reads as %q", text, s)
		}
	})
}
