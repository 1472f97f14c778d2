// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/certs"
)

// largePolicy has 100 roles of five grants each and 1,000 bindings of identities
// to roles. The identity all is in every role, so its rights are the largest tree.
func largePolicy(tb testing.TB) *Policy {
	tb.Helper()
	return mustParse(tb, largePolicySource())
}

func largePolicySource() string {
	var b strings.Builder
	b.WriteString("version: 1\ntrust_domain: acme.ai\nidentities:\n  all: spiffe://acme.ai/ns/all/{team}\n")
	for i := range 900 {
		fmt.Fprintf(&b, "  id%d: spiffe://acme.ai/ns/team%d/train/{team}/*\n", i, i)
	}
	b.WriteString("roles:\n")
	for i := range 100 {
		who := []string{"all"}
		for j := range 9 {
			who = append(who, fmt.Sprintf("id%d", i*9+j))
		}
		fmt.Fprintf(&b, "  role%d:\n    who: [%s]\n    can:\n", i, strings.Join(who, ", "))
		fmt.Fprintf(&b, "      - {do: [read, list], paths: [\"datasets/project%d/{team}/**\"]}\n", i)
		fmt.Fprintf(&b, "      - {do: [read, list, write], paths: [\"models/project%d/dev/**\"]}\n", i)
		fmt.Fprintf(&b, "      - {do: [read], paths: [\"models/*/release%d/*\"]}\n", i)
		fmt.Fprintf(&b, "      - {do: [read, list], paths: [\"features/project%d/**\"]}\n", i)
		fmt.Fprintf(&b, "      - {do: [read], paths: [\"raw/timed%d/**\"], when: {days: mon-sun, hours: \"00:00-24:00\", tz: Europe/Paris}}\n", i)
	}
	b.WriteString("guardrails:\n")
	for i := range 100 {
		fmt.Fprintf(&b, "  - {name: g%d, deny: [delete], paths: [\"models/*/prod/**\"]}\n", i)
	}
	return b.String()
}

var benchNow = time.Date(2027, 3, 2, 12, 0, 0, 0, time.UTC)

// speedCases are the kinds of decisions of a request, with keys of 61 bytes.
var speedCases = []struct {
	name string
	q    Query
	want Reason
}{
	{"allow", Query{VerbRead, "models", "project42/dev/experiment-2027-03-02/checkpoint-000100.safeten", benchNow}, ""},
	{"no grant", Query{VerbRead, "models", "project42/prod/experiment-2027-03-02/checkpoint-00100.safeten", benchNow}, NoGrant},
	{"guardrail of 100 on one place", Query{VerbDelete, "models", "project42/prod/experiment-2027-03-02/checkpoint-00100.safeten", benchNow}, Guardrail},
	{"time window", Query{VerbRead, "raw", "timed42/prod/experiment-2027-03-02/checkpoint-000100.safeten", benchNow}, ""},
	{"dots in the key", Query{VerbRead, "models", "project42/dev/.experiment/.a/.b/.c/checkpoint.000100.safetens", benchNow}, ""},
}

func TestDecideDoesNotAllocate(t *testing.T) {
	who := largePolicy(t).Principal(certs.MustParseID("spiffe://acme.ai/ns/all/x"))
	for _, tc := range speedCases {
		if got := who.Decide(tc.q).Reason(); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
		if n := testing.AllocsPerRun(100, func() {
			d := who.Decide(tc.q)
			if g, err := d.Grant(); (err == nil) != g.Valid() || d.Rule() == "?" {
				t.Error("a grant that is not one")
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", tc.name, n)
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	who := largePolicy(b).Principal(certs.MustParseID("spiffe://acme.ai/ns/all/x"))
	for _, tc := range speedCases {
		b.Run(tc.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				who.Decide(tc.q)
			}
		})
	}
}

func BenchmarkPrincipal(b *testing.B) {
	p, id := largePolicy(b), certs.MustParseID("spiffe://acme.ai/ns/team7/train/x/job")
	for b.Loop() {
		p.Principal(id)
	}
}

func BenchmarkCoverage(b *testing.B) {
	who := largePolicy(b).Principal(certs.MustParseID("spiffe://acme.ai/ns/all/x"))
	for b.Loop() {
		who.Coverage(VerbList, "models", "", benchNow)
	}
}

func BenchmarkCheck(b *testing.B) {
	src := []byte(largePolicySource())
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		Check("policy.yaml", src, CheckOptions{})
	}
}
