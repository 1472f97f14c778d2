// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"slices"
	"strings"
)

// glob matches slash-separated names: "*" any run of bytes within a segment,
// "**" as a whole segment any number of segments, also none.
type glob struct{ segments []string }

func newGlob(pattern string) *glob {
	if pattern == "" {
		return nil
	}
	return &glob{segments: strings.Split(pattern, "/")}
}

func (g *glob) match(name string) bool {
	return g == nil || matchSegments(g.segments, strings.Split(name, "/"))
}

// matchSegments goes back to the last "**" only: what an earlier one matched
// cannot matter any more, so the work stays bounded by the product of lengths.
func matchSegments(pattern, name []string) bool {
	p, n := 0, 0
	backP, backN := -1, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == "**":
			p++
			backP, backN = p, n
		case p < len(pattern) && matchSegment(pattern[p], name[n]):
			p++
			n++
		case backP >= 0:
			backN++
			p, n = backP, backN
		default:
			return false
		}
	}
	return !slices.ContainsFunc(pattern[p:], func(s string) bool { return s != "**" })
}

// matchSegment is the same for "*" within one segment.
func matchSegment(pattern, s string) bool {
	p, i := 0, 0
	backP, backI := -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			p++
			backP, backI = p, i
		case p < len(pattern) && pattern[p] == s[i]:
			p++
			i++
		case backP >= 0:
			backI++
			p, i = backP, backI
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// literal returns the longest whole-segment prefix without a wildcard, and
// whether that is all of the pattern.
func (g *glob) literal() (prefix string, whole bool) {
	n := slices.IndexFunc(g.segments, func(s string) bool { return strings.Contains(s, "*") })
	if n < 0 {
		return strings.Join(g.segments, "/"), true
	}
	return strings.Join(g.segments[:n], "/"), false
}
