// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// modelled gives one request for each operation of AWS's model. Where several
// operations share method and URI, the request carries what tells them apart.
func modelled(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("testdata/operations.txt")
	if err != nil {
		t.Fatal(err)
	}
	requests := map[string][]string{"PostObject": {"POST /models", "Content-Length: 3"}}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) != 3 || f[0] == "#" {
			continue
		}
		uri := strings.NewReplacer("{Bucket}", "models", "{Key+}", "a/b").Replace(f[2])
		requests[f[0]] = append([]string{f[1] + " " + uri}, "Content-Length: 0")
	}
	tell := map[string]string{
		"AbortMultipartUpload": "?uploadId=1", "CompleteMultipartUpload": "?uploadId=1", "ListParts": "?uploadId=1",
		"UploadPart": "?partNumber=1&uploadId=1", "UploadPartCopy": "?partNumber=1&uploadId=1",
		"ListDirectoryBuckets":            "?x-id=ListDirectoryBuckets",
		"GetBucketAnalyticsConfiguration": "&id=1", "GetBucketIntelligentTieringConfiguration": "&id=1",
		"GetBucketInventoryConfiguration": "&id=1", "GetBucketMetricsConfiguration": "&id=1",
	}
	for name, suffix := range tell {
		requests[name][0] += suffix
	}
	for _, name := range []string{"CopyObject", "UploadPartCopy"} {
		requests[name] = append(requests[name], "x-amz-copy-source: /models/x")
	}
	requests["GetObjectAttributes"] = append(requests["GetObjectAttributes"], "x-amz-object-attributes: ETag")
	requests["PutObjectAcl"] = append(requests["PutObjectAcl"], "x-amz-acl: private")
	return requests
}

func TestEveryOperationOfTheModelIsRouted(t *testing.T) {
	t.Parallel()
	requests := modelled(t)
	if len(requests) < 100 {
		t.Fatalf("the model has only %d operations", len(requests))
	}
	for name, lines := range requests {
		op, err := Parse(ask(t, lines...), Options{})
		if name == "PutBucketAcl" { // refused by its own name
			wantError(t, err, "AccessControlListNotSupported", 400)
			err = nil
		}
		if err != nil || op.Action() != name {
			t.Errorf("%v = %v, %v; want %s", lines, op, err, name)
		}
	}
}

// The table has no operation beside the model's, and none twice: what has no
// row cannot be reached.
func TestTableIsTheModel(t *testing.T) {
	t.Parallel()
	var got []string
	for _, o := range Operations() {
		got = append(got, o.Name)
		if o.Op.Action() != o.Name {
			t.Errorf("%s carries an operation called %s", o.Name, o.Op.Action())
		}
	}
	slices.Sort(got)
	var want []string
	for name := range modelled(t) {
		want = append(want, name)
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("table %v\nmodel %v", got, want)
	}
}

// Every type of the sum is served by some row: none is left that a request
// cannot reach, and none is reached that is not of the sum.
func TestServedOperationsAreTheTypes(t *testing.T) {
	t.Parallel()
	served := map[string]bool{"Unsupported": true, "Refused": true, "STSCall": true} // which are of no row
	for _, o := range Operations() {
		served[reflect.TypeOf(o.Op).Elem().Name()] = true
	}
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	sum := map[string]bool{}
	for _, name := range sources {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^func \(\*(\w+)\) sealed\(\)`).FindAllStringSubmatch(string(text), -1) {
			sum[m[1]] = true
		}
	}
	if len(sum) < 20 || !maps.Equal(served, sum) {
		t.Errorf("served %v\nthe sum %v", slices.Sorted(maps.Keys(served)), slices.Sorted(maps.Keys(sum)))
	}
}

// S3.md names each operation, under "served" exactly those that are.
func TestOperationsAreDocumented(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("S3.md")
	if err != nil {
		t.Fatal(err)
	}
	section, _, _ := strings.Cut(string(doc), "## Paths")
	top, bottom, found := strings.Cut(section, "Every other operation")
	if !found {
		t.Fatal("S3.md has lost the line between served and other operations")
	}
	for _, o := range Operations() {
		in, out := top, bottom
		if _, not := o.Op.(*Unsupported); not {
			in, out = bottom, top
		}
		if !strings.Contains(in, "`"+o.Name+"`") || strings.Contains(out, "`"+o.Name+"`") {
			t.Errorf("S3.md does not say of %s whether it is served", o.Name)
		}
	}
}

func TestRefusedRoutes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, code, line string }{
		{"two sub-resources", "InvalidRequest", "GET /models/k?acl&tagging"},
		{"two that look alike", "InvalidRequest", "PUT /models/k?uploadId=1&tagging"},
		{"sub-resource of another level", "NotImplemented", "GET /models/k?versioning"},
		{"method without a sub-resource", "MethodNotAllowed", "POST /models/k"},
		{"method of none", "MethodNotAllowed", "PATCH /models/k"},
		{"preflight", "MethodNotAllowed", "OPTIONS /models/k"},
		{"method of another sub-resource", "MethodNotAllowed", "DELETE /models/k?acl"},
		{"put on the service", "MethodNotAllowed", "PUT /"},
		{"head on the service", "MethodNotAllowed", "HEAD /"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			refused(t, c.code, c.line)
			if c.code != "InvalidRequest" {
				refused(t, "InvalidArgument", c.line, "x-amz-copy-source: models/k")
			}
		})
	}
}

func TestWhatAMethodIsNotAllowedOn(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{"PUT /": "SERVICE", "PATCH /models": "BUCKET", "PATCH /models/k": "OBJECT", "PUT /models/k?uploadId=1": "UPLOAD"} {
		e := refused(t, "MethodNotAllowed", line)
		if got := e.Extra; len(got) != 2 || got[1] != (Element{"ResourceType", want}) {
			t.Errorf("%s: %v", line, got)
		}
	}
}

// A copy is never taken for a PUT of its (empty) body, not even with an empty
// source.
func TestCopyIsNotPut(t *testing.T) {
	t.Parallel()
	parsed[*CopyObject](t, "PUT /models/k", "x-amz-copy-source: /models/l", "Content-Length: 0")
	for _, source := range []string{"x-amz-copy-source: /b/k", "X-Amz-Copy-Source:", "x-amz-copy-source: %2e%2e/k"} {
		op, err := Parse(ask(t, "PUT /models/k", source, "Content-Length: 0"), Options{})
		wantError(t, err, "InvalidArgument", 400)
		if _, ok := op.(*Refused); !ok || op.Action() != "CopyObject" {
			t.Errorf("%q is %#v", source, op)
		}
	}
}

// With an error Parse gives nothing that an action table could serve.
func TestRefusedNamesWhatWasAsked(t *testing.T) {
	t.Parallel()
	op, err := Parse(ask(t, "GET /models/a/b?of-tomorrow=1"), Options{})
	wantError(t, err, "NotImplemented", 501)
	if r, ok := op.(*Refused); !ok || r.Action() != "GetObject" || r.Resource() != (Resource{"models", "a/b"}) {
		t.Errorf("Parse gave %#v beside its error", op)
	}
}
