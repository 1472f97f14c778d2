// SPDX-License-Identifier: Apache-2.0

package stories

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// scriptMasks replace what differs from run to run in what a script compares.
var scriptMasks = []struct {
	what *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`serial [0-9a-f]+`), "serial ID"}, // first: one in sixteen has no 32 digits
	{regexp.MustCompile(`, up \d+\w+`), ", up T"},
	{regexp.MustCompile(`\b[0-9a-f]{8}/\d+`), "LOG/N"},
	{regexp.MustCompile(`\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b`), "UUID"},
	{regexp.MustCompile(`log [0-9a-f]{8}`), "log LOG"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`), "TIME"},
	{regexp.MustCompile(`(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT`), "TIME"},
	{regexp.MustCompile(`\b[0-9A-HJKMNP-TV-Z]{26}\b`), "REQUEST"},
	{regexp.MustCompile(`\b[0-9a-f]{32}(-1)?\b`), "ID"},
	{regexp.MustCompile(`\b[0-9a-f]{16}\b`), "DIGEST"},
	{regexp.MustCompile(`\b[0-9a-f]{12}\b`), "ENTRY0000000"},
	{regexp.MustCompile(`\b\d+ ms\b`), "N ms"},
	{regexp.MustCompile(`\d+ (record|segment|checkpoint)(s?)\b`), "N $1$2"},
	{regexp.MustCompile(`expires in \d+[a-z]`), "expires in T"},
	{regexp.MustCompile(`((current|opens|active|decrypt-only) +)\d+s`), "${1}Ns"},
	{regexp.MustCompile(`pid \d+`), "pid N"},
	{regexp.MustCompile(`(localhost|127\.0\.0\.1):\d+`), "$1:PORT"},
	{regexp.MustCompile(`crc64nvme   \S+`), "crc64nvme   SUM"},
	{regexp.MustCompile(`this one has \d+`), "this one has N"},
	{regexp.MustCompile(`(?m)^TIME,[0-9a-f]{8},\d+,`), "TIME,LOG,N,"},
	{regexp.MustCompile(`/user/[\w.-]+`), "/user/WHO"},
	{regexp.MustCompile(`local:uid/[\w.-]+`), "local:uid/WHO"},
	{regexp.MustCompile(`uid \d+`), "uid N"},
	{regexp.MustCompile(`uid:\d+`), "uid:N"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d\b`), "DATE"},
}

// maskFile FILE: writes FILE to `masked` with what differs from run to run
// replaced.
func maskFile(ts *testscript.TestScript, _ bool, args []string) {
	s := strings.ReplaceAll(ts.ReadFile(args[0]), ts.Getenv("WORK"), "WORK")
	for _, m := range scriptMasks {
		s = m.what.ReplaceAllString(s, m.with)
	}
	ts.Check(os.WriteFile(ts.MkAbs("masked"), []byte(s), 0o600))
}

// shapeFile FILE: writes the names and types of a JSON value, or of the lines
// of JSON Lines, to `masked`.
func shapeFile(ts *testscript.TestScript, _ bool, args []string) {
	seen := map[string]bool{}
	d := json.NewDecoder(strings.NewReader(ts.ReadFile(args[0])))
	for n := 0; d.More() || n == 0; n++ {
		var v any
		ts.Check(d.Decode(&v))
		shape("", v, seen)
	}
	var lines []string
	for l := range seen {
		lines = append(lines, l)
	}
	slices.Sort(lines)
	ts.Check(os.WriteFile(ts.MkAbs("masked"), []byte(strings.Join(lines, "\n")+"\n"), 0o600))
}

func shape(path string, v any, seen map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 {
			seen[path+" {}"] = true
		}
		for k, e := range v {
			shape(path+"."+k, e, seen)
		}
	case []any:
		if len(v) == 0 {
			seen[path+" []"] = true
		}
		for _, e := range v {
			shape(path+"[]", e, seen)
		}
	default:
		seen[strings.TrimSpace(path+" "+strings.Replace(fmt.Sprintf("%T", v), "float64", "number", 1))] = true
	}
}
