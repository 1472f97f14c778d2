// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// lockOf gives the lock that an operation asks for.
func lockOf(tb testing.TB, op Op) Lock {
	tb.Helper()
	switch op := op.(type) {
	case *PutObject:
		return op.Lock
	case *CopyObject:
		return op.Lock
	case *CreateMultipartUpload:
		return op.Lock
	}
	tb.Fatalf("%T locks nothing", op)
	return Lock{}
}

// lockers are the requests that can lock what they create.
var lockers = map[string][]string{
	"put":    {"PUT /models/k", "Content-Length: 0"},
	"copy":   {"PUT /models/k", "x-amz-copy-source: /models/src"},
	"upload": {"POST /models/k?uploads"},
}

func TestLockHeaders(t *testing.T) {
	t.Parallel()
	mode, until, hold := "x-amz-object-lock-mode: ", "x-amz-object-lock-retain-until-date: ", "x-amz-object-lock-legal-hold: "
	at := time.Date(2090, 4, 25, 14, 0, 1, 0, time.UTC)
	for name, lines := range lockers {
		for _, tt := range []struct {
			headers []string
			want    Lock
		}{
			{nil, Lock{}},
			{[]string{hold + "ON"}, Lock{Hold: "ON"}},
			{[]string{hold + "OFF"}, Lock{Hold: "OFF"}},
			{[]string{mode + "COMPLIANCE", until + "2090-04-25T14:00:01Z"}, Lock{Mode: "COMPLIANCE", Until: at}},
			{[]string{mode + "GOVERNANCE", until + "2090-04-25T16:00:00.001+02:00", hold + "ON"}, Lock{Mode: "GOVERNANCE", Until: at, Hold: "ON"}},
		} {
			op, err := Parse(ask(t, append(lines, tt.headers...)...), Options{})
			if err != nil {
				t.Fatalf("%s %v: %v", name, tt.headers, err)
			}
			if got := lockOf(t, op); got != tt.want {
				t.Errorf("%s %v: %+v, want %+v", name, tt.headers, got, tt.want)
			}
		}
		for _, bad := range [][]string{
			{mode + "GOVERNANCE"},
			{until + "2090-04-25T14:00:00Z"},
			{mode + "governance", until + "2090-04-25T14:00:00Z"},
			{mode, until},
			{mode + "COMPLIANCE", until + "2090-04-25"},
			{mode + "COMPLIANCE", until + "9999-04-25T14:00:00Z"},
			{mode + "COMPLIANCE", until + "Wed, 25 Apr 2090 14:00:00 GMT"},
			{hold + "on"},
			{hold},
			{hold + "ON", hold + "OFF"},
		} {
			refused(t, "InvalidArgument", append(lines, bad...)...)
		}
	}
	for _, line := range []string{"DELETE /models/k", "PUT /models/k?retention", "POST /models?delete", "PUT /models/k?uploadId=u&partNumber=1"} {
		refused(t, "InvalidArgument", line, hold+"ON", "Content-Length: 0")
	}
}

func TestLockMustBeAhead(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for ahead, code := range map[time.Duration]string{time.Second: "", 0: "InvalidArgument", -time.Hour: "InvalidArgument"} {
		if err := (Lock{Mode: "GOVERNANCE", Until: now.Add(ahead)}).Check(now); code != "" {
			wantError(t, err, code, 400)
		} else if err != nil {
			t.Errorf("%v: %v", ahead, err)
		}
	}
	if err := (Lock{Hold: "ON"}).Check(now); err != nil {
		t.Error(err)
	}
}

func TestPutObjectRetention(t *testing.T) {
	t.Parallel()
	read := func(body string) (Lock, error) {
		op := parsed[*PutObjectRetention](t, "PUT /models/k?retention&versionId=v", fmt.Sprintf("Content-Length: %d", len(body)), "x-amz-bypass-governance-retention: true")
		if op.VersionID != "v" {
			t.Fatalf("read as %+v", op)
		}
		return op.Lock(strings.NewReader(body))
	}
	const mode, until = "<Mode>GOVERNANCE</Mode>", "<RetainUntilDate>2090-04-25T14:00:00.5Z</RetainUntilDate>"
	l, err := read("<Retention>" + until + mode + "</Retention>")
	if want := (Lock{Mode: "GOVERNANCE", Until: time.Date(2090, 4, 25, 14, 0, 1, 0, time.UTC)}); err != nil || l != want {
		t.Errorf("read as %+v, %v", l, err)
	}
	// An empty retention asks that the one there is be taken off.
	for _, bad := range []string{
		"<Retention/>", "<Retention></Retention>", "<Retention>" + mode + "</Retention>", "<Retention>" + until + "</Retention>", "<Retention>" + mode + mode + until + "</Retention>",
		"<Retention><Mode>none</Mode>" + until + "</Retention>", "<Retention>" + mode + "<RetainUntilDate>soon</RetainUntilDate></Retention>", "<LegalHold>" + mode + until + "</LegalHold>",
		"<Retention>" + mode + until + "<Days>1</Days></Retention>",
	} {
		_, err := read(bad)
		wantError(t, err, "MalformedXML", 400)
	}
	_, err = read("")
	wantError(t, err, "MissingRequestBodyError", 400)
}

func TestPutBucketVersioning(t *testing.T) {
	t.Parallel()
	for body, code := range map[string]string{
		"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>":                                      "",
		"<VersioningConfiguration><Status>Suspended</Status><MfaDelete>Disabled</MfaDelete></VersioningConfiguration>":     "",
		"<VersioningConfiguration><Status>Enabled</Status><MfaDelete>Enabled</MfaDelete></VersioningConfiguration>":        "NotImplemented",
		"<VersioningConfiguration><Status>Enabled</Status><ExcludeFolders>true</ExcludeFolders></VersioningConfiguration>": "NotImplemented",
		"<VersioningConfiguration><Status>enabled</Status></VersioningConfiguration>":                                      "IllegalVersioningConfigurationException",
		"<VersioningConfiguration/>": "IllegalVersioningConfigurationException",
		"<Other/>":                   "MalformedXML",
		"":                           "MissingRequestBodyError",
	} {
		op := parsed[*PutBucketVersioning](t, "PUT /models?versioning", fmt.Sprintf("Content-Length: %d", len(body)))
		status, err := op.Status(strings.NewReader(body))
		switch {
		case code != "":
			wantError(t, err, code, Codes[code].Status)
		case err != nil || status != "Enabled" && status != "Suspended":
			t.Errorf("%s: %q, %v", body, status, err)
		}
	}
}

func TestLockAnswers(t *testing.T) {
	t.Parallel()
	const ns = ` xmlns="http://s3.amazonaws.com/doc/2006-03-01/"`
	l := Lock{Mode: "COMPLIANCE", Until: time.Date(2090, 4, 25, 14, 0, 0, 0, time.UTC), Hold: "ON"}
	w := httptest.NewRecorder()
	SetObjectHeaders(w.Header(), ObjectAnswer{Lock: l})
	for name, want := range map[string]string{lockMode: "COMPLIANCE", lockUntil: "2090-04-25T14:00:00.000Z", lockHold: "ON"} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for want, write := range map[string]func(*httptest.ResponseRecorder) error{
		`<Retention` + ns + `><Mode>COMPLIANCE</Mode><RetainUntilDate>2090-04-25T14:00:00.000Z</RetainUntilDate></Retention>`: func(w *httptest.ResponseRecorder) error { return WriteRetention(w, l) },
		`<LegalHold` + ns + `><Status>ON</Status></LegalHold>`:                                                                func(w *httptest.ResponseRecorder) error { return WriteLegalHold(w, l) },
		`<ObjectLockConfiguration` + ns + `><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>`: func(w *httptest.ResponseRecorder) error {
			WriteLockConfiguration(w, LockRule{})
			return nil
		},
		`<ObjectLockConfiguration` + ns + `><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>3</Days></DefaultRetention></Rule></ObjectLockConfiguration>`: func(w *httptest.ResponseRecorder) error {
			WriteLockConfiguration(w, LockRule{Mode: "GOVERNANCE", Days: 3})
			return nil
		},
	} {
		w := httptest.NewRecorder()
		if err := write(w); err != nil || !strings.HasSuffix(w.Body.String(), want) {
			t.Errorf("%s, %v, want %s", w.Body, err, want)
		}
	}
	wantError(t, WriteRetention(httptest.NewRecorder(), Lock{Hold: "ON"}), "NoSuchObjectLockConfiguration", 404)
	wantError(t, WriteLegalHold(httptest.NewRecorder(), Lock{Mode: "COMPLIANCE"}), "NoSuchObjectLockConfiguration", 404)
}
