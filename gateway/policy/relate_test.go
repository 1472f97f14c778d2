// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// TestRelations: covers and overlaps, on which faults and warnings rest, agree with
// what patterns match.
func TestRelations(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	keys := universe("")
	for range 3000 {
		p, q := mustPath(t, randomPath(r, false)), mustPath(t, randomPath(r, false))
		meet, covered := false, true
		for range 100 {
			path := strings.Split(pick(r, []string{"models", "raw", "x"})+"/"+pick(r, keys), "/")
			inP, inQ := p.matches(path), q.matches(path)
			meet = meet || inP && inQ
			covered = covered && (!inQ || inP)
		}
		if meet && !p.overlaps(q) {
			t.Errorf("%s and %s have a key in common", p.text, q.text)
		}
		if !covered && p.covers(q) {
			t.Errorf("%s does not cover %s", p.text, q.text)
		}
		if p.overlaps(q) != q.overlaps(p) || p.covers(q) && !p.overlaps(q) || !p.covers(p) {
			t.Errorf("%s and %s: overlaps %v %v, covers %v", p.text, q.text, p.overlaps(q), q.overlaps(p), p.covers(q))
		}
	}
}

func mustPath(t *testing.T, text string) pattern {
	t.Helper()
	p, f := parsePath(text)
	if f != nil {
		t.Fatalf("%s: %s", text, f.text)
	}
	return p
}

// FuzzPath: a pattern that is accepted means what is written, and its example
// matches it.
func FuzzPath(f *testing.F) {
	for _, s := range []string{"", "models/**", "**", "models/{team}/*", "a/b", "models/../x", "models//x", "m/*x", "s3://a/b", "models/.sealgate/x", "{b}/{c}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, fault := parsePath(text)
		if fault != nil {
			if fault.code == "" || fault.text == "" {
				t.Fatalf("fault without text: %+v", fault)
			}
			return
		}
		var parts []string
		for _, s := range p.segs {
			parts = append(parts, map[segmentKind]string{literal: s.text, anyOne: "*", capture: "{" + s.text + "}"}[s.kind])
		}
		if p.rest {
			parts = append(parts, "**")
		}
		if got := strings.Join(parts, "/"); got != text && text != "**" {
			t.Fatalf("%q reads as %q", text, got)
		}
		example := strings.TrimPrefix(p.open().example(), "/")
		if !p.open().matches(strings.Split(example, "/")) {
			t.Fatalf("%q does not match %q", text, example)
		}
		if _, key, _ := strings.Cut(example, "/"); unaddressable(key) != "" {
			t.Fatalf("%q grants what nobody may be granted: %q", text, key)
		}
	})
}
