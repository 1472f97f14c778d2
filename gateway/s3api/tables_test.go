// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// tableOf gives the rows of the tables of one section of S3.md, cell by cell.
func tableOf(t *testing.T, section string) [][]string {
	t.Helper()
	text, err := os.ReadFile("S3.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\n## "+section+"\n")
	if !found {
		t.Fatalf("S3.md has no section %q", section)
	}
	body, _, _ := strings.Cut(rest, "\n## ")
	var rows [][]string
	for line := range strings.Lines(body) {
		if cells := strings.Split(strings.TrimSpace(line), "|"); len(cells) > 3 && !strings.HasPrefix(cells[1], "---") {
			rows = append(rows, cells[1:len(cells)-1])
		}
	}
	return rows
}

// ticked gives the words of a cell that stand in backticks.
func ticked(cell string) []string {
	var words []string
	for i, word := range strings.Split(cell, "`") {
		if i%2 == 1 {
			words = append(words, word)
		}
	}
	return words
}

// Every parameter that an operation reads is in the table of S3.md, "Queries",
// and the table promises none that is not read.
func TestParametersAreDocumented(t *testing.T) {
	t.Parallel()
	documented := map[string]bool{}
	for _, row := range tableOf(t, "Queries") {
		for _, param := range ticked(row[0]) {
			for name := range strings.SplitSeq(row[1], ",") {
				documented[strings.TrimSpace(name)+" "+param] = true
			}
		}
	}
	read := 0
	for _, rt := range served {
		for _, param := range rt.params {
			if rt.name == "PutObject" && param == "partNumber" {
				continue // known in order to be refused
			}
			if !documented[rt.name+" "+param] {
				t.Errorf("S3.md does not say that %s reads %s", rt.name, param)
			}
			delete(documented, rt.name+" "+param)
			read++
		}
	}
	for what := range documented {
		name, param, _ := strings.Cut(what, " ")
		i := slices.IndexFunc(served, func(rt route) bool { return rt.name == name && rt.sub == param })
		if i < 0 && slices.ContainsFunc(served, func(rt route) bool { return rt.name == name }) {
			t.Errorf("S3.md says that %s reads %s", name, param)
		}
	}
	if read < 40 {
		t.Errorf("only %d parameters were compared", read)
	}
}

// The request column of S3.md, "Operations" is the route.
func TestRequestsAreDocumented(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, row := range tableOf(t, "Operations") {
		if len(row) < 4 {
			continue // the operations that are not served
		}
		names, request := ticked(row[0]), ticked(row[1])
		if len(names) != 1 || len(request) == 0 {
			continue
		}
		i := slices.IndexFunc(served, func(rt route) bool { return rt.name == names[0] })
		if i < 0 {
			continue // held elsewhere: TestOperationsAreDocumented
		}
		rt := served[i]
		method, target, _ := strings.Cut(request[0], " ")
		path, query, _ := strings.Cut(target, "?")
		level := map[string]level{"/": service, "/B": bucket, "/B/K": object}[path]
		if method != rt.method || level != rt.level || rt.sub != "" && !slices.Contains(strings.Split(query, "&"), rt.sub) {
			t.Errorf("%s is %s %v ?%s, documented %q", rt.name, rt.method, rt.level, rt.sub, request[0])
		}
		seen++
	}
	if seen < 20 {
		t.Errorf("only %d requests were compared", seen)
	}
}

// The table of checksum types in S3.md, "Multipart uploads".
func TestChecksumTypesAreDocumented(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, row := range tableOf(t, "Multipart uploads") {
		for _, name := range ticked(row[0]) {
			a, ok := algorithmOf(name)
			if !ok {
				continue
			}
			seen++
			for i, said := range []ChecksumType{Composite, FullObject} {
				if _, err := typeFor(a, said); (err == nil) != (strings.TrimSpace(row[1+i]) == "yes") {
					t.Errorf("%s %s: %v, documented %q", name, said, err, row[1+i])
				}
			}
			if got, err := typeFor(a, ChecksumTypeNone); err != nil || ticked(row[3])[0] != got.String() {
				t.Errorf("%s alone is %s, %v; documented %q", name, got, err, row[3])
			}
		}
	}
	if seen != len(algorithms)-1 {
		t.Errorf("S3.md speaks of %d algorithms", seen)
	}
}
