// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestTaggingHeader(t *testing.T) {
	t.Parallel()
	for value, want := range map[string][]Tag{
		"":              nil,
		"a=b":           {{"a", "b"}},
		"b=2&a=1":       {{"a", "1"}, {"b", "2"}},
		"a=":            {{"a", ""}},
		"a":             {{"a", ""}},
		"a=b=c":         {{"a", "b=c"}},
		"k%20+=v%2B+w":  {{"k  ", "v+ w"}},
		"%C3%BC=%C3%BC": {{"ü", "ü"}},
		"a=1&":          {{"a", "1"}},
		"-_.:/@+%2B=9":  {{"-_.:/@ +", "9"}},
		strings.Repeat("k", 128) + "=" + strings.Repeat("v", 256): {{strings.Repeat("k", 128), strings.Repeat("v", 256)}},
		strings.Repeat("ü", 128) + "=1":                           {{strings.Repeat("ü", 128), "1"}},
	} {
		op := parsed[*PutObject](t, "PUT /models/k", "x-amz-tagging: "+value, "Content-Length: 0")
		if !slices.Equal(op.Tags, want) {
			t.Errorf("%q is %+v, want %+v", value, op.Tags, want)
		}
	}
	for value, code := range map[string]string{
		"=":                                  "InvalidArgument",
		"=v":                                 "InvalidArgument",
		"a=1&a=2":                            "InvalidArgument",
		"a=1&%61=2":                          "InvalidArgument",
		"key%":                               "InvalidArgument",
		"key=%ff":                            "InvalidArgument",
		"key=a%00b":                          "InvalidArgument",
		"key!=v":                             "InvalidTag",
		"key?=v":                             "InvalidTag",
		"key#=v":                             "InvalidTag",
		"key=v#":                             "InvalidTag",
		"key=a%0Ab":                          "InvalidTag",
		"aws:x=v":                            "InvalidTag",
		strings.Repeat("k", 129) + "=v":      "InvalidTag",
		"k=" + strings.Repeat("v", 257):      "InvalidTag",
		"a=&b=&c=&d=&e=&f=&g=&h=&i=&j=&k=11": "BadRequest",
	} {
		refused(t, code, "PUT /models/k", "x-amz-tagging: "+value, "Content-Length: 0")
	}
}

func tagDoc(pairs ...string) string {
	var b strings.Builder
	for i := 0; i+1 < len(pairs); i += 2 {
		b.WriteString("<Tag><Key>" + pairs[i] + "</Key><Value>" + pairs[i+1] + "</Value></Tag>")
	}
	return "<Tagging><TagSet>" + b.String() + "</TagSet></Tagging>"
}

func TestTaggingDocument(t *testing.T) {
	t.Parallel()
	for doc, want := range map[string][]Tag{
		tagDoc("b", "2", "a", "1 x"):   {{"a", "1 x"}, {"b", "2"}},
		tagDoc():                       nil,
		"<Tagging><TagSet/></Tagging>": nil,
		tagDoc("a", ""):                {{"a", ""}},
	} {
		got, err := readBody(t, "Tagging", doc)
		if tags, _ := got.([]Tag); err != nil || !slices.Equal(tags, want) {
			t.Errorf("%s is %v, %v; want %v", doc, got, err, want)
		}
	}
	var eleven []string
	for i := range 11 {
		eleven = append(eleven, "k"+strconv.Itoa(i), "v")
	}
	for _, tt := range []struct{ doc, code string }{
		{tagDoc("a", "1", "a", "2"), "InvalidTag"},
		{tagDoc("", "1"), "InvalidTag"},
		{tagDoc("a", "x!"), "InvalidTag"},
		{tagDoc("aws:a", "x"), "InvalidTag"},
		{tagDoc(strings.Repeat("k", 129), "v"), "InvalidTag"},
		{tagDoc("k", strings.Repeat("v", 257)), "InvalidTag"},
		{tagDoc(eleven...), "BadRequest"},
		{"<Tagging></Tagging>", "MalformedXML"},
		{"<Tagging><TagSet/><TagSet/></Tagging>", "MalformedXML"},
		{"<Tagging><Tag/></Tagging>", "MalformedXML"},
		{"<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>", "MalformedXML"},
		{"<Tagging><TagSet><Tag><Value>a</Value></Tag></TagSet></Tagging>", "MalformedXML"},
		{"<Tagging><TagSet><Key>a</Key></TagSet></Tagging>", "MalformedXML"},
		{"<Tagging><TagSet>" + strings.Repeat("<Tag><Key>a</Key><Value>b</Value></Tag>", 1000) + "</TagSet></Tagging>", "MalformedXML"},
	} {
		if _, err := readBody(t, "Tagging", tt.doc); err == nil || !strings.HasPrefix(err.Error(), tt.code+":") {
			t.Errorf("%.200s: %v, want %s", tt.doc, err, tt.code)
		}
	}
}

func TestTaggingOperations(t *testing.T) {
	t.Parallel()
	if op := parsed[*GetObjectTagging](t, "GET /models/k?tagging&versionId=v"); op.VersionID != "v" || op.Key != "k" {
		t.Errorf("read as %+v", op)
	}
	if op := parsed[*DeleteObjectTagging](t, "DELETE /models/k?tagging=&versionId=v"); op.VersionID != "v" {
		t.Errorf("read as %+v", op)
	}
	if op := parsed[*PutObjectTagging](t, "PUT /models/k?versionId=v&tagging", "Content-Length: 1"); op.VersionID != "v" {
		t.Errorf("read as %+v", op)
	}
	for _, m := range []string{"GET", "PUT", "DELETE"} {
		refused(t, "InvalidArgument", m+" /models/k?tagging&versionId=")
	}
	refused(t, "NotImplemented", "PUT /models/k?tagging", "if-match: a", "Content-Length: 1")
}

// FuzzTags holds both ways to write tags to the bounds of S3.md.
func FuzzTags(f *testing.F) {
	f.Add(tagDoc("a", "b"), "a=b&c")
	f.Add(tagDoc("ü", ""), "%C3%BC=+%2B")
	f.Add(tagDoc("a", "b", "a", "c"), "a=1&a=2")
	for _, body := range capturedBodies(f, "*_put_tagging.http") {
		f.Add(body, "team=fraud&stage=a%20b")
	}
	f.Fuzz(func(t *testing.T, doc, head string) {
		op := &PutObjectTagging{body: xmlBody{payload{size: int64(len(doc))}}}
		fromDoc, derr := op.Tags(strings.NewReader(doc))
		r := request{header: header{"x-amz-tagging": head}}
		fromHead, herr := r.taggingHeader()
		if derr == nil {
			checkTags(t, doc, fromDoc)
		}
		if herr == nil {
			checkTags(t, head, fromHead)
		}
	})
}

func checkTags(t *testing.T, from string, tags []Tag) {
	t.Helper()
	for i, tag := range tags {
		if tag.Key == "" || len([]rune(tag.Key)) > MaxTagKey || len([]rune(tag.Value)) > MaxTagValue || i > 0 && tags[i-1].Key >= tag.Key ||
			strings.ContainsFunc(tag.Key+tag.Value, isControl) || i >= MaxTags {
			t.Fatalf("%q was accepted as %+v", from, tags)
		}
	}
}
