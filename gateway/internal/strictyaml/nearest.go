// SPDX-License-Identifier: Apache-2.0

package strictyaml

import "fmt"

// farthest is the edit distance up to which a word counts as a misspelling.
const farthest = 2

// Nearest returns the one of known that is closest to word, the first of equals,
// if it takes at most two insertions, deletions or replacements of characters and
// keeps at least half of the word; else "".
func Nearest(word string, known []string) string {
	best, bestDistance := "", farthest+1
	for _, k := range known {
		if d := distance([]rune(word), []rune(k)); d < bestDistance && 2*d <= len([]rune(k)) {
			best, bestDistance = k, d
		}
	}
	return best
}

// DidYouMean is a hint that names the nearest of known, "" if none is near.
func DidYouMean(word string, known []string) string {
	if near := Nearest(word, known); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return ""
}

// distance is the Levenshtein distance of a and b, or more than farthest when
// their lengths alone tell.
func distance(a, b []rune) int {
	if d := len(a) - len(b); d > farthest || -d > farthest {
		return farthest + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i, ra := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j, rb := range b {
			cost := diagonal
			if ra != rb {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
