// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"bufio"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// lateServer answers late: white space while hold is open, then what end
// writes.
func lateServer(t *testing.T, hold <-chan struct{}, end func(http.ResponseWriter, *http.Request)) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := StartLate(w)
		for range 3 {
			err = errors.Join(err, KeepAlive(w))
		}
		if err != nil {
			t.Errorf("beginning late: %v", err)
		}
		<-hold
		end(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// A late answer begins at once, is one document whatever was sent before its
// end, and tells a failure in its body.
func TestLateAnswers(t *testing.T) {
	t.Parallel()
	for want, end := range map[string]func(http.ResponseWriter, *http.Request){
		"CompleteMultipartUploadResult": func(w http.ResponseWriter, _ *http.Request) {
			WriteCompletedLate(w, &CompleteMultipartUpload{Bucket: "models", Key: "k"}, Completed{ETag: `"a-1"`})
		},
		"CopyObjectResult": func(w http.ResponseWriter, _ *http.Request) { WriteCopiedLate(w, Copied{ETag: `"a-1"`}) },
		"CopyPartResult":   func(w http.ResponseWriter, _ *http.Request) { WriteCopiedPartLate(w, Copied{ETag: `"a-1"`}) },
		"Error":            func(w http.ResponseWriter, r *http.Request) { WriteErrorLate(w, r, InternalError(""), "id") },
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			hold := make(chan struct{})
			s := lateServer(t, hold, end)
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/models/k?uploadId=secret", nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := s.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }() // a test's
			src := bufio.NewReader(resp.Body)
			begin := make([]byte, len(xml.Header)+3)
			if _, err := io.ReadFull(src, begin); err != nil || string(begin) != xml.Header+"   " {
				t.Fatalf("before the end comes %q, %v", begin, err)
			}
			close(hold)
			rest, err := io.ReadAll(src)
			if err != nil || resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/xml" {
				t.Fatalf("%d %v %s", resp.StatusCode, err, rest)
			}
			var doc struct {
				XMLName xml.Name
				ETag    string
				Code    string
			}
			if err := xml.Unmarshal(slices.Concat(begin, rest), &doc); err != nil || doc.XMLName.Local != want {
				t.Fatalf("%s: %v", rest, err)
			}
			if want == "Error" && doc.Code != "InternalError" || want != "Error" && doc.ETag != `"a-1"` || strings.Contains(string(rest), "secret") {
				t.Errorf("the answer is %s", rest)
			}
		})
	}
}

// Whoever is gone is noticed.
func TestKeepAliveOfNobody(t *testing.T) {
	t.Parallel()
	if err := KeepAlive(deaf{httptest.NewRecorder()}); err == nil {
		t.Error("a byte that reached nobody is no error")
	}
	if err := StartLate(deaf{httptest.NewRecorder()}); err == nil {
		t.Error("an answer that reached nobody is no error")
	}
}

type deaf struct{ *httptest.ResponseRecorder }

func (deaf) Write([]byte) (int, error)       { return 0, io.ErrClosedPipe }
func (deaf) WriteString(string) (int, error) { return 0, io.ErrClosedPipe }
