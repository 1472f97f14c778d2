// SPDX-License-Identifier: Apache-2.0

package attack

import (
	"net/http"
	"strings"
	"testing"
)

// A condition of a delete is refused, whether it would hold or not, and on each way
// to delete: what it was sent to protect is there afterwards.
func TestConditionsOfDeletes(t *testing.T) {
	t.Parallel()
	who, path := "/writer/deletes", "models/deletes/k"
	tag := put(t, shared, who, "/"+path, []byte(text)).Header.Get("ETag")
	l := newLedger(t, shared)
	for _, condition := range []string{
		"If-Match: " + tag, "If-Match: \"0123456789abcdef0123456789abcdef-1\"", "If-Match: *", "If-None-Match: *", "If-None-Match: " + tag,
		"If-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT", "If-Modified-Since: Sat, 01 Jan 2000 00:00:00 GMT",
		"X-Amz-If-Match-Last-Modified-Time: Sat, 01 Jan 2000 00:00:00 GMT", "X-Amz-If-Match-Size: 1", "X-Amz-If-Match-Size: " + itoa(len(text)),
	} {
		w := refused(http.StatusNotImplemented, "NotImplemented")
		w.path = path
		l.add(condition, who, raw(t, shared, who, asked(http.MethodDelete, "/"+path, "", condition)), w)
		l.add(condition+", of a batch", who, raw(t, shared, who, asked(http.MethodPost, "/models?delete", deleteDocument(false, "deletes/k"), condition)),
			refused(http.StatusNotImplemented, "NotImplemented"))
	}
	for _, element := range []string{"<ETag>" + tag + "</ETag>", "<LastModifiedTime>Sat, 01 Jan 2000 00:00:00 GMT</LastModifiedTime>", "<Size>1</Size>"} {
		document := strings.Replace(deleteDocument(false, "deletes/k"), "</Key>", "</Key>"+element, 1)
		a := raw(t, shared, who, asked(http.MethodPost, "/models?delete", document, "X-A: b"))
		if l.add(element, who, a, want{status: http.StatusOK, decision: "deny", event: "request.refused", path: path}); !strings.Contains(string(a.Body), "<Code>NotImplemented</Code>") {
			t.Errorf("%s: got %s", element, a.Body)
		}
	}
	l.add("it is there", who, raw(t, shared, who, get("/"+path)), went(http.StatusOK, "", "GetObject"))
	l.check()
}
