// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealgate/sealgate/certs"
)

// The oracle decides by the words of POLICY.md §2, one rule after the other, with
// a regular expression for each path and strings for the clock. It shares nothing
// with the compiled policy but the documents that both read.

type modelRule struct {
	tier  string // deny, cannot, can
	role  string
	verbs []string
	path  string
	when  string // "", mfa, or "DAYS HH:MM-HH:MM"
}

type model struct {
	roles      []string // all of identity {team}
	rules      []modelRule
	sealed     []string
	identities map[string]string // role -> identity pattern
}

func (m model) yaml(r *rand.Rand) string {
	var b strings.Builder
	b.WriteString("version: 1\ntrust_domain: t.d\n")
	sections := []func(){
		func() {
			b.WriteString("identities:\n")
			for _, role := range shuffled(r, m.roles) {
				fmt.Fprintf(&b, "  who-%s: %s\n", role, m.identities[role])
			}
		},
		func() { m.yamlRoles(&b, r) },
		func() {
			b.WriteString("guardrails:\n")
			for i, rule := range shuffled(r, m.rules) {
				if rule.tier == "deny" {
					fmt.Fprintf(&b, "  - {name: g%d, deny: [%s], paths: [\"%s\"]%s}\n", i, strings.Join(rule.verbs, ", "), rule.path, rule.yamlWhen())
				}
			}
		},
		func() {
			b.WriteString("promotions:\n")
			for i, to := range m.sealed {
				fmt.Fprintf(&b, "  - {name: p%d, from: staging/**, to: \"%s\", requested_by: [who-%s], approvals: {need: 1, by: [who-%s]}}\n", i, to, m.roles[0], m.roles[0])
			}
		},
	}
	for _, f := range shuffled(r, sections) {
		f()
	}
	return b.String()
}

func (m model) yamlRoles(b *strings.Builder, r *rand.Rand) {
	b.WriteString("roles:\n")
	for _, role := range shuffled(r, m.roles) {
		fmt.Fprintf(b, "  %s:\n    who: [who-%s]\n", role, role)
		for _, tier := range shuffled(r, []string{"can", "cannot"}) {
			fmt.Fprintf(b, "    %s:\n", tier)
			for _, rule := range shuffled(r, m.rules) {
				if rule.tier == tier && rule.role == role {
					fmt.Fprintf(b, "      - {do: [%s], paths: [\"%s\"]%s}\n", strings.Join(rule.verbs, ", "), rule.path, rule.yamlWhen())
				}
			}
		}
	}
}

func (r modelRule) yamlWhen() string {
	switch days, hours, timed := strings.Cut(r.when, " "); {
	case r.when == "":
		return ""
	case !timed:
		return ", when: {mfa: true}"
	default:
		return fmt.Sprintf(", when: {days: [%s], hours: %q, tz: UTC}", days, hours)
	}
}

func shuffled[T any](r *rand.Rand, s []T) []T {
	out := slices.Clone(s)
	r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// decide is the oracle. captured is nil where the identity of the role does not match.
func (m model) decide(team map[string]map[string]string, verb, bucket, key string, now time.Time) Reason {
	if key == "" || slices.ContainsFunc(strings.Split(key, "/"), func(s string) bool { return s == "." || s == ".." }) {
		return NoGrant
	}
	if compiled(`(?s)^\.sealgate(/.*)?$`).MatchString(key) {
		return ReservedName
	}
	var applies, timed, unmet [3]bool
	tiers := []string{"deny", "cannot", "can"}
	for _, rule := range m.rules {
		tier := slices.Index(tiers, rule.tier)
		captured, has := team[rule.role]
		if tier > 0 && !has || !rule.hasVerb(verb) || !matchModel(rule.path, captured, bucket, key, rule.tier == "can") {
			continue
		}
		switch open, known := rule.open(now); {
		case known && open, !known && tier < 2:
			applies[tier] = true
		case known:
			timed[tier] = true
		case rule.when == "mfa":
			unmet[tier] = true
		default:
			timed[tier] = true // an unknown time
		}
	}
	sealed := slices.Contains([]string{"create", "write", "tag"}, verb) && slices.ContainsFunc(m.sealed, func(p string) bool { return matchModel(p, nil, bucket, key, false) })
	switch {
	case applies[0]:
		return Guardrail
	case applies[1]:
		return RoleCannot
	case sealed:
		return Sealed
	case applies[2]:
		return ""
	case timed[2]:
		return OutsideHours
	case unmet[2]:
		return ConditionUnmet
	}
	return NoGrant
}

func (r modelRule) hasVerb(verb string) bool {
	if slices.Contains(r.verbs, verb) {
		return true
	}
	if r.tier == "can" {
		return verb == "create" && slices.Contains(r.verbs, "write")
	}
	return verb == "create" && slices.Contains(r.verbs, "write") || verb == "write" && slices.Contains(r.verbs, "create")
}

// matchModel compares by regular expression.
func matchModel(path string, captured map[string]string, bucket, key string, isCan bool) bool {
	var re []string
	segs := strings.Split(path, "/")
	for i, s := range segs {
		switch {
		case s == "**" && i == 0:
			re = append(re, "[^/]*", ".*")
		case s == "**":
			re = append(re, ".*")
		case s == "*":
			re = append(re, "[^/]*")
		case s[0] == '{':
			re = append(re, regexp.QuoteMeta(captured[s[1:len(s)-1]]))
		default:
			re = append(re, regexp.QuoteMeta(s))
		}
	}
	first := segs[0]
	if isCan && strings.ContainsAny(first, "*{") && slices.Contains([]string{"gateway", "secrets", "audit"}, bucket) {
		return false
	}
	return compiled(`(?s)\A` + strings.Join(re, "/") + `\z`).MatchString(bucket + "/" + key)
}

var expressions sync.Map

func compiled(re string) *regexp.Regexp {
	if v, ok := expressions.Load(re); ok {
		return v.(*regexp.Regexp)
	}
	v, _ := expressions.LoadOrStore(re, regexp.MustCompile(re))
	return v.(*regexp.Regexp)
}

// open evaluates the condition with strings: lists of days, and times of day that
// compare as text.
func (r modelRule) open(now time.Time) (open, known bool) {
	if r.when == "" {
		return true, true
	}
	days, hours, timed := strings.Cut(r.when, " ")
	if !timed || now.IsZero() {
		return false, false
	}
	today := strings.ToLower(now.UTC().Format("Mon"))
	yesterday := strings.ToLower(now.UTC().AddDate(0, 0, -1).Format("Mon"))
	clock := now.UTC().Format("15:04")
	from, to, _ := strings.Cut(hours, "-")
	if from < to {
		return strings.Contains(days, today) && from <= clock && clock < to, true
	}
	return strings.Contains(days, today) && from <= clock || strings.Contains(days, yesterday) && clock < to, true
}

var (
	modelVerbs   = []string{"read", "list", "create", "write", "delete", "tag"}
	modelBuckets = []string{"models", "raw", "secrets", "*", "{team}"}
	modelSegs    = []string{"a", "ab", "*", "*", "{team}"}
	modelWhens   = []string{"", "", "", "", "mfa", "mon,tue 08:00-19:00", "fri 22:00-06:00", "sat,sun 00:00-24:00"}
	modelTimes   = []time.Time{
		{},
		time.Date(2027, 3, 1, 8, 0, 0, 0, time.UTC),   // Monday, on the edge
		time.Date(2027, 3, 1, 19, 0, 0, 0, time.UTC),  // Monday, just over
		time.Date(2027, 3, 6, 5, 59, 59, 0, time.UTC), // Saturday, Friday's night
		time.Date(2027, 3, 6, 6, 0, 0, 0, time.UTC),
	}
)

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func randomPath(r *rand.Rand, captures bool) string {
	if r.IntN(20) == 0 {
		return "**"
	}
	segs := []string{pick(r, modelBuckets)}
	for range 1 + r.IntN(3) {
		segs = append(segs, pick(r, modelSegs))
	}
	if r.IntN(2) == 0 {
		segs[len(segs)-1] = "**"
	}
	path := strings.Join(segs, "/")
	if !captures {
		path = strings.ReplaceAll(path, "{team}", "*")
	}
	return path
}

func randomModel(r *rand.Rand) model {
	m := model{roles: []string{"r0", "r1", "r2"}, identities: map[string]string{
		"r0": "spiffe://t.d/ns/{team}/x", "r1": "spiffe://t.d/ns/{team}/**", "r2": "spiffe://t.d/other/{team}",
	}}
	for range 1 + r.IntN(8) {
		rule := modelRule{tier: pick(r, []string{"deny", "cannot", "can", "can", "can"}), when: pick(r, modelWhens)}
		if rule.tier != "deny" {
			rule.role = pick(r, m.roles)
		}
		rule.path = randomPath(r, rule.tier != "deny")
		for range 1 + r.IntN(3) {
			rule.verbs = append(rule.verbs, pick(r, modelVerbs))
		}
		m.rules = append(m.rules, rule)
	}
	if r.IntN(3) == 0 {
		m.sealed = append(m.sealed, pick(r, []string{"models/a/**", "models/*/ab/**"}))
	}
	return m
}

// dropUnusable removes what the checker rightly refuses (E201).
func (m *model) dropUnusable() {
	m.rules = slices.DeleteFunc(m.rules, func(r modelRule) bool {
		return len(m.sealed) > 0 && r.tier == "can" && slices.ContainsFunc(r.verbs, func(v string) bool { return slices.Contains([]string{"create", "write", "tag"}, v) }) &&
			!strings.HasPrefix(r.path, "raw/") && !strings.HasPrefix(r.path, "secrets/")
	})
}

// universe is every key up to four segments of the names that patterns use, one
// that none does, and the empty segment.
func universe(captured string) []string {
	names := []string{"a", "ab", "zz", ""}
	if captured != "" && !slices.Contains(names, captured) {
		names = append(names, captured)
	}
	level, all := []string{""}, []string{}
	for depth := range 4 {
		var next []string
		for _, p := range level {
			for _, n := range names {
				k := n
				if depth > 0 {
					k = p + "/" + n
				}
				next = append(next, k)
			}
		}
		level, all = next, append(all, next...)
	}
	return append(all, ".sealgate", ".sealgate/a", "a/..", "a/./ab")
}

// subjects and what each role captures from them.
var subjects = []struct {
	id       string
	captured string
	team     map[string]map[string]string
}{
	{"spiffe://t.d/ns/a/x", "a", map[string]map[string]string{"r0": {"team": "a"}, "r1": {"team": "a"}}},
	{"spiffe://t.d/ns/ab/y/z", "ab", map[string]map[string]string{"r1": {"team": "ab"}}},
	{"spiffe://t.d/other/secrets", "secrets", map[string]map[string]string{"r2": {"team": "secrets"}}},
	{"spiffe://t.d/other/models", "models", map[string]map[string]string{"r2": {"team": "models"}}},
	{"spiffe://t.d/gateway", "", nil},
	{"spiffe://t.d.evil/ns/a/x", "", nil},
}

// checkAgainstOracle draws a policy and compares everything with the oracle.
func checkAgainstOracle(t *testing.T, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	m := randomModel(r)
	m.dropUnusable()
	p, other := mustParse(t, m.yaml(r)), mustParse(t, m.yaml(r))
	s := pick(r, subjects)
	id := certs.MustParseID(s.id)
	who, again := p.Principal(id), other.Principal(id)
	verb, _ := ParseVerb(pick(r, append(modelVerbs, "list", "list", "list")))
	now := pick(r, modelTimes)
	for _, bucket := range []string{"models", "raw", "secrets", "a"} {
		granted := map[string]bool{}
		for _, key := range universe(s.captured) {
			q := Query{Verb: verb, Bucket: bucket, Key: key, Now: now}
			d := who.Decide(q)
			want := m.decide(s.team, verb.String(), bucket, key, now)
			if got := d.Reason(); got != want || d.Allowed() != (want == "") {
				t.Fatalf("seed %d: %s %s %s/%s at %v: %q, want %q\n%s", seed, s.id, verb, bucket, key, now, got, want, m.yaml(r))
			}
			if again.Decide(q).Reason() != d.Reason() {
				t.Fatalf("seed %d: the order in the file changes the verdict on %s/%s\n%s", seed, bucket, key, m.yaml(r))
			}
			granted[key] = d.Allowed()
		}
		checkCoverage(t, who, verb, bucket, now, granted, seed)
	}
}

// checkCoverage compares listings with what was decided key by key.
func checkCoverage(t *testing.T, who *Principal, verb Verb, bucket string, now time.Time, granted map[string]bool, seed uint64) {
	t.Helper()
	for _, dir := range []string{"", "a/", "ab/", "zz/", "/", "a/a/", "a/zz/", "zz/ab/", "a//", "ab/ab/", "zz/zz/"} {
		yes, no := countBelow(granted, dir)
		want := CoverSome
		if no == 0 {
			want = CoverAll
		} else if yes == 0 {
			want = CoverNone
		}
		if got := who.Coverage(verb, bucket, dir, now); got != want {
			t.Fatalf("seed %d: coverage of %s %s/%s is %v, want %v (%d keys granted, %d not)", seed, verb, bucket, dir, got, want, yes, no)
		}
	}
	if verb != VerbList {
		return
	}
	for _, prefix := range []string{"", "a", "ab", "z", "q", "a/", "a/a", "a/z", "zz/a", "a//", "ab/ab/z"} {
		yes, no := countBelow(granted, prefix)
		if prefix == "q" || yes+no == 0 {
			continue // no key of the universe to compare with
		}
		if got := who.DecideList(bucket, prefix, now); got.Allowed() != (yes > 0) {
			t.Fatalf("seed %d: listing %s/%s is allowed: %v (%s), %d keys are granted", seed, bucket, prefix, got.Allowed(), got.Reason(), yes)
		}
	}
}

// countBelow counts granted and refused keys that begin with prefix, without
// those that are never granted.
func countBelow(granted map[string]bool, prefix string) (yes, no int) {
	for k, ok := range granted {
		if !strings.HasPrefix(k, prefix) || unaddressable(k) != "" {
			continue
		}
		if ok {
			yes++
		} else {
			no++
		}
	}
	return yes, no
}

func TestOracle(t *testing.T) {
	t.Parallel()
	n := uint64(600)
	if testing.Short() {
		n = 100
	}
	for seed := range n {
		checkAgainstOracle(t, seed)
	}
}

func FuzzOracle(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) { checkAgainstOracle(t, seed) })
}
