// SPDX-License-Identifier: Apache-2.0

package judges

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func TestCompare(t *testing.T) {
	t.Parallel()
	bare, err := Versity(strings.NewReader(`{"name":"a","ok":true}
{"name":"b","ok":true}
{"name":"c","ok":false,"error":"no"}
{"name":"d","ok":true}
{"name":"e","ok":true}
{"name":"f","ok":true}`))
	if err != nil || bare.Passed() != 5 {
		t.Fatal(bare, err)
	}
	through, err := MinIO(strings.NewReader(`{"name":"minio-go: a","status":"PASS"}
{"name":"minio-go: b","status":"FAIL","message":"gone"}
{"name":"minio-go: c","status":"FAIL"}
{"name":"minio-go: d","status":"NA","alert":"X"}
{"name":"minio-go: e","status":"PASS"}
{"name":"minio-go: e","status":"FAIL","error":"second"}`))
	if err != nil {
		t.Fatal(err)
	}
	exceptions, err := ReadExceptions(strings.NewReader("# why\nv\ta\tS\tr\nv\tb\tS\tr\nv\tc\tS\tr\nv\tz\tS\tr\nother\td\tS\tr\n"))
	if err != nil {
		t.Fatal(err)
	}
	lost, needless := Compare("v", bare, through, exceptions)
	if got := strings.Join(lost, "; "); got != "d: NA X  <nil>; e: FAIL   second; f: did not run" {
		t.Errorf("lost: %s", got)
	}
	if !slices.Equal(needless, []string{"a", "z"}) {
		t.Errorf("needless: %s", needless)
	}
}

func TestMalformed(t *testing.T) {
	t.Parallel()
	if _, err := Versity(strings.NewReader("RUN a\n")); err == nil {
		t.Error("a line that is no verdict was read")
	}
	for _, bad := range []string{"v\ta\tS\n", "v\ta\t\tr\n", "v\ta\tS\tr\nv\ta\tS\tr\n"} {
		if _, err := ReadExceptions(strings.NewReader(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

// TestExceptions holds each exception to a section of the page on the wire.
func TestExceptions(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../gateway/s3api/S3.md")
	if err != nil {
		t.Fatal(err)
	}
	var sections []string
	for line := range strings.Lines(string(page)) {
		if heading, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "##") {
			sections = append(sections, strings.TrimSpace(heading))
		}
	}
	for _, e := range exceptions(t) {
		if !slices.Contains(sections, e.Section) {
			t.Errorf("%s: S3.md has no section %q", e.Name, e.Section)
		}
	}
}

func exceptions(t testing.TB) []Exception {
	t.Helper()
	f, err := os.Open("exceptions.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := ReadExceptions(f)
	if err != nil {
		t.Fatal("exceptions.txt: ", err)
	}
	return all
}
