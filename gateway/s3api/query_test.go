// SPDX-License-Identifier: Apache-2.0

package s3api

import "testing"

func TestQueries(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, line, code string }{
		{"x-id", "GET /models/k?x-id=GetObject", ""},
		{"a client's own x-", "GET /models/k?x-my-log=1&x-other", ""},
		{"empty pairs", "GET /models?&list-type=2&&prefix=a&", ""},
		{"value with equals", "GET /models?list-type=2&prefix=a=b", ""},
		{"twice", "GET /models?prefix=a&prefix=b", "InvalidArgument"},
		{"twice, escaped", "GET /models?prefix=a&pre%66ix=a", "InvalidArgument"},
		{"sub-resource twice", "GET /models?location&location", "InvalidArgument"},
		{"versionId", "GET /models/k?versionId=abc", ""},
		{"empty versionId", "GET /models/k?versionId", "InvalidArgument"},
		{"versionId on delete", "DELETE /models/k?versionId=abc", ""},
		{"versionId with a space", "GET /models/k?versionId=a+b", "InvalidArgument"},
		{"versionId on put", "PUT /models/k?versionId=abc", "NotImplemented"},
		{"versionId of a bucket", "GET /models?versionId=abc", "NotImplemented"},
		{"tomorrow's sub-resource on put", "PUT /models/k?newthing", "NotImplemented"},
		{"tomorrow's sub-resource on delete", "DELETE /models/k?newthing", "NotImplemented"},
		{"tomorrow's sub-resource on get", "GET /models/k?newthing", "NotImplemented"},
		{"upper case is another one", "PUT /models/k?ACL", "NotImplemented"},
		{"part without upload", "PUT /models/k?partNumber=1", "InvalidArgument"},
		{"append", "PUT /models/k?append&position=0", "NotImplemented"},
		{"V2 parameter in V1", "GET /models?start-after=a", "NotImplemented"},
		{"V1 parameter in V2", "GET /models?list-type=2&marker=a", "NotImplemented"},
		{"override on put", "PUT /models/k?response-content-type=a", "NotImplemented"},
		{"NUL", "GET /models?prefix=a%00b", "InvalidURI"},
		{"not UTF-8", "GET /models?prefix=%FF", "InvalidURI"},
		{"broken escape", "GET /models?prefix=%4", "InvalidURI"},
		{"escape with one digit", "GET /models?prefix=%4z", "InvalidURI"},
		{"raw hash", "GET /models?prefix=a#b", "InvalidURI"},
		{"line break in an override", "GET /models/k?response-content-type=a%0D%0Ab", "InvalidArgument"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.code == "" {
				parsed[Op](t, c.line)
				return
			}
			refused(t, c.code, c.line, "Content-Length: 0")
		})
	}
}

func TestQueryValuesAreDecodedOnce(t *testing.T) {
	t.Parallel()
	op := parsed[*ListObjects](t, "GET /models?prefix=a+b%2Bc%2520d&delimiter=%2F;")
	if op.Prefix != "a b+c%20d" || op.Delimiter != "/;" {
		t.Errorf("prefix %q, delimiter %q", op.Prefix, op.Delimiter)
	}
}

func TestOverrides(t *testing.T) {
	t.Parallel()
	op := parsed[*GetObject](t, "GET /models/k?response-content-type=a%2Fb&response-expires=never&response-content-disposition=attachment;%20filename=x")
	want := Headers{ContentType: "a/b", Expires: "never", ContentDisposition: "attachment; filename=x"}
	if op.Overrides != want {
		t.Errorf("Overrides = %+v, want %+v", op.Overrides, want)
	}
}
