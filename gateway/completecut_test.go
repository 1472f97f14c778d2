// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/state"
	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/storetest"
	"github.com/sealgate/sealgate/testenv/servers"
)

// withoutTag is testPolicy without the right to tag.
var withoutTag = strings.Replace(testPolicy, ", tag]", "]", 1)

// headOfComplete sends the head of a Complete and waits until its list is asked
// for: by then the upload has been looked up. send sends the list, cut ends the
// connection.
func (m *mpu) headOfComplete(lines []string) (send func() reply, cut func()) {
	m.w.t.Helper()
	body := "<CompleteMultipartUpload>" + strings.Join(lines, "") + "</CompleteMultipartUpload>"
	c := m.w.raw("/writer")
	fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: gateway\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", m.query(""), len(body))
	r := bufio.NewReader(c)
	for first := true; ; first = false {
		line, err := r.ReadString('\n')
		if err != nil || first && !strings.Contains(line, "100 Continue") {
			m.w.t.Fatalf("got %q, %v, want to be asked for the list", line, err)
		}
		if line == "\r\n" {
			break
		}
	}
	send = func() reply {
		_, _ = io.WriteString(c, body) // the answer tells
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			return reply{err: err}
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		return reply{res.StatusCode, res.Header, b, err}
	}
	return send, func() { _ = c.Close() }
}

// TestCompleteCutOff: what the store may still be at is not recorded as not
// done.
func TestCompleteCutOff(t *testing.T) {
	t.Parallel()
	t.Run("by its client", func(t *testing.T) {
		t.Parallel()
		w := newUploads(t, worldOptions{})
		m := w.create(w.client("/writer"), "/data/k")
		lines := []string{m.part(1, []byte("x"))}
		w.store.Add(storetest.Rule{Op: storetest.CompleteMultipart, Times: 1, Delay: time.Hour})
		send, cut := m.headOfComplete(lines)
		ended := make(chan reply, 1)
		go func() { ended <- send() }()
		w.eventually("the store to be asked", func() bool { return w.store.Calls(storetest.CompleteMultipart) > 0 })
		cut()
		<-ended
		rec := w.last()
		if rec.outcome.Detail["reconciled"] != audit.ReconciledUnknown || rec.outcome.Abort != audit.AbortClientReset {
			t.Errorf("recorded %+v", rec.outcome)
		}
		m.mustComplete(lines)
	})
	for name, tt := range map[string]struct {
		rule storetest.Rule
		want string
	}{
		"no answer":           {storetest.Rule{Op: storetest.CompleteMultipart, Err: errBackend}, audit.ReconciledUnknown},
		"not asked for it":    {storetest.Rule{Op: storetest.PutPart, Err: errBackend}, ""},
		"refused":             {storetest.Rule{Op: storetest.CompleteMultipart, Err: store.ErrNoSpace}, ""},
		"refused the list":    {storetest.Rule{Op: storetest.CompleteMultipart, Err: store.ErrPart}, ""},
		"and cannot be asked": {storetest.Rule{Key: "k", Err: errBackend, Skip: 1}, audit.ReconciledUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newUploads(t, worldOptions{})
			m := w.create(w.client("/writer"), "/data/k")
			lines := []string{m.part(1, []byte("x"))}
			w.store.Add(tt.rule)
			if r := m.complete(lines); r.status == http.StatusOK {
				t.Fatalf("got %d %s", r.status, r.body)
			}
			if rec := w.last(); rec.outcome.Detail["reconciled"] != tt.want {
				t.Errorf("recorded %+v, want %q", rec.outcome, tt.want)
			}
		})
	}
}

// TestCompleteCrashes: a Complete that a crash cut off at any of its durable
// steps can be sent again; a list that the store refused does not stand in the
// way of the next.
func TestCompleteCrashes(t *testing.T) {
	t.Parallel()
	for engine, config := range map[string]func(t *testing.T) state.Config{
		"sqlite": func(t *testing.T) state.Config {
			t.Helper()
			return state.Config{Path: filepath.Join(t.TempDir(), "state.db")}
		},
		"postgres": func(t *testing.T) state.Config {
			t.Helper()
			s := servers.PostgreSQL(t)
			return state.Config{Postgres: &state.Postgres{URL: s.URL, Password: func() (string, error) {
				b, err := os.ReadFile(s.PasswordFile)
				return strings.TrimSpace(string(b)), err
			}}}
		},
	} {
		for _, point := range []string{"freeze", "thaw", "finish"} {
			t.Run(engine+" "+point, func(t *testing.T) {
				t.Parallel()
				crashAt(t, config(t), "state.upload."+point+".commit")
			})
		}
	}
}

func crashAt(t *testing.T, c state.Config, point string) {
	t.Helper()
	var crashes atomic.Int32
	c.Persist = func(p string) {
		if p == point && crashes.Add(1) == 1 {
			panic("crash")
		}
	}
	db, err := state.Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	w := newWorld(t, worldOptions{state: db})
	m := w.create(w.client("/writer"), "/data/k")
	one, two := m.part(1, noise(1, 5*mib)), m.part(2, noise(2, 5))
	w.store.Add(storetest.Rule{Op: storetest.CompleteMultipart, Times: 2 * completeTries, Err: store.ErrPart})
	refused := []string{one}
	if r := m.complete(refused); point != "state.upload.finish.commit" && r.err == nil {
		t.Fatalf("nothing crashed: %d %s", r.status, r.body)
	}
	// The client has no answer, and asks again.
	m.complete(refused).want(t, http.StatusBadRequest, "InvalidPart")
	w.store.Clear()
	if r := m.complete([]string{one, two}); point == "state.upload.finish.commit" && r.err == nil {
		t.Fatalf("nothing crashed: %d %s", r.status, r.body)
	}
	m.mustComplete([]string{one, two})
	w.do(m.c, http.MethodGet, "/data/k", nil).wantBody(t, http.StatusOK, append(noise(1, 5*mib), noise(2, 5)...))
	if crashes.Load() == 0 {
		t.Errorf("no step passed %s", point)
	}
	w.reap(time.Now().Add(time.Minute)) // what a crash left staged
	w.noUploads()
}
