// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"

	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/testenv/gate"
	"github.com/sealgate/sealgate/testenv/servers"
)

// A bucket that could not be removed is there again, with what is in it.
func TestRemoveThatFails(t *testing.T) {
	t.Parallel()
	b := newBehindMaking(t, servers.MinIO(t))
	b.changed(t, http.MethodPut, "kept", http.StatusOK)
	for name, f := range map[string]fault{"busy": busy, "error in 200": errorInside, "absent in 200": absentInside, "a page in 200": pageInside, "hangs up": hangUp} {
		end := b.spoiler.spoil(-1, f, func(r *http.Request) bool { return r.Method == http.MethodDelete && r.URL.Path == "/kept/" })
		b.changed(t, http.MethodDelete, "kept", http.StatusServiceUnavailable)
		if end() == 0 {
			t.Errorf("%s: the fault did not strike", name)
		}
		b.use(t, "kept")
		if err := b.reload(t); err != nil {
			t.Error(err)
		}
		b.use(t, "kept")
	}
	b.changed(t, http.MethodDelete, "kept", http.StatusNoContent)
	b.settle(t)
}

// A backend that removed a bucket and whose answers were lost, once or every time,
// holds nothing up: the configuration is read again, the gateway starts anew, and
// the bucket can be removed, as far as it is not, and made again.
func TestRemoveWhoseAnswerIsLost(t *testing.T) {
	t.Parallel()
	b := newBehindMaking(t, servers.MinIO(t))
	remove := func(name string, f fault, times, want int) {
		b.changed(t, http.MethodPut, name, http.StatusOK)
		b.use(t, name)
		end := b.spoiler.spoil(times, f, func(r *http.Request) bool { return r.Method == http.MethodDelete && r.URL.Path == "/"+name+"/" })
		b.changed(t, http.MethodDelete, name, want)
		if end() == 0 {
			t.Errorf("%s: the fault did not strike", name)
		}
		if err := b.reload(t); err != nil {
			t.Errorf("%s: a reload: %v", name, err)
		}
	}
	remove("unheard", hangUp, 1, http.StatusNoContent) // it is asked again
	remove("once", lost, 1, http.StatusNoContent)
	remove("twice", lost, 2, http.StatusNoContent)
	remove("always", lost, -1, http.StatusServiceUnavailable)
	b.changed(t, http.MethodDelete, "always", http.StatusNoContent)
	remove("restart", lost, -1, http.StatusServiceUnavailable)
	b.Kill()
	if err := b.Restart(t, nil); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"unheard", "once", "twice", "always", "restart"} {
		b.changed(t, http.MethodDelete, name, http.StatusNotFound)
		b.changed(t, http.MethodPut, name, http.StatusOK)
		b.use(t, name)
	}
	b.settle(t)
}

// A removal that its backend answers with nothing at all, whatever is asked, is taken
// up by who asks again. What lies in the bucket by then is kept.
func TestRemoveWhoseBackendIsAway(t *testing.T) {
	t.Parallel()
	b := newBehindMaking(t, servers.MinIO(t))
	for _, came := range []bool{false, true} {
		name := fmt.Sprintf("away-%t", came)
		b.changed(t, http.MethodPut, name, http.StatusOK)
		b.use(t, name)
		end := b.spoiler.spoil(-1, hangUp, func(r *http.Request) bool {
			return r.Method != http.MethodGet && strings.HasPrefix(r.URL.Path, "/"+name+"/")
		})
		b.changed(t, http.MethodDelete, name, http.StatusServiceUnavailable)
		if end() == 0 {
			t.Error("the fault did not strike")
		}
		if err := b.reload(t); err != nil {
			t.Error(err)
		}
		if came { // from another replica, at the same moment
			if _, err := b.server.Client(t).PutObject(t.Context(), name, "late", strings.NewReader("x"), 1, minio.PutObjectOptions{}); err != nil {
				t.Fatal(err)
			}
			b.changed(t, http.MethodDelete, name, http.StatusConflict)
			b.use(t, name)
			continue
		}
		b.changed(t, http.MethodDelete, name, http.StatusNoContent)
		b.changed(t, http.MethodPut, name, http.StatusOK)
		b.use(t, name)
	}
	b.settle(t)
}

// refuse has the state database refuse one step of buckets until end is called.
func (b *behind) refuse(t *testing.T, to string) (end func()) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(b.Dir, "state.db")+"?_pragma=busy_timeout(60000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	exec := func(query string) {
		if _, err := db.ExecContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	exec("CREATE TRIGGER refused BEFORE UPDATE ON buckets WHEN NEW.state = '" + to + "' BEGIN SELECT RAISE(ABORT, 'refused'); END")
	return func() { exec("DROP TRIGGER refused") }
}

// An object comes into a bucket at the last moment, so that its backend does not remove
// it, and then lets nobody look whether it is fit for use: a reload finds both.
func TestRemoveMeetsAnObject(t *testing.T) {
	t.Parallel()
	b := newBehindMaking(t, servers.MinIO(t))
	b.changed(t, http.MethodPut, "late", http.StatusOK)
	h := b.holdBack(t, func(r *http.Request) bool { return r.Method == http.MethodDelete && r.URL.Path == "/late/" })
	removal := b.ask(t, http.MethodDelete, "/late")
	h.reached(t)
	if _, err := b.server.Client(t).PutObject(t.Context(), "late", "k", strings.NewReader("x"), 1, minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	end := b.spoiler.spoil(-1, busy, func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/late/.sealgate/probe/") })
	h.letGo()
	if got := removal.wait(t); got != http.StatusConflict {
		t.Errorf("got %d %s", got, removal.Body)
	}
	b.note(due{name: "removal", answer: removal.Answer, ended: endedAlike})
	if end() == 0 {
		t.Error("the fault did not strike")
	}
	if err := b.reload(t); err != nil {
		t.Error(err)
	}
	b.use(t, "late")
	b.changed(t, http.MethodDelete, "late", http.StatusConflict)
	b.settle(t)
}

// refusedStep wants the reason on the record.
func refusedStep(a gate.Answer, ends []audit.Record) error {
	if slices.ContainsFunc(ends, func(r audit.Record) bool { return r.Status == a.Status && strings.Contains(r.Error, "refused") }) {
		return nil
	}
	return fmt.Errorf("no end on the record says %d and why; they are %+v", a.Status, ends)
}

// A bucket that the state database does not call ready is not in force: what clients
// write to it would be out of their reach later. It can be asked for again, as can
// the removal of one that it does not call removed.
func TestBucketStateIsRefused(t *testing.T) {
	t.Parallel()
	b := newBehindMaking(t, servers.MinIO(t))
	end := b.refuse(t, "ready")
	b.changedWith(t, http.MethodPut, "noted", http.StatusInternalServerError, refusedStep)
	if a, err := b.Try(b.Client(t, "/writer"), http.MethodPut, "/noted/early", strings.NewReader("x"), 1, nil); err != nil || a.Status != http.StatusNotFound {
		t.Errorf("an object of a bucket that nobody was told is there: got %d %s %v", a.Status, a.Body, err)
	}
	if err := b.reload(t); err != nil {
		t.Error(err)
	}
	end()
	b.changed(t, http.MethodPut, "noted", http.StatusOK)
	b.use(t, "noted")
	end = b.refuse(t, "removed")
	b.changedWith(t, http.MethodDelete, "noted", http.StatusInternalServerError, refusedStep)
	if err := b.reload(t); err != nil {
		t.Error(err)
	}
	end()
	b.changed(t, http.MethodDelete, "noted", http.StatusNoContent)
	b.changed(t, http.MethodPut, "noted", http.StatusOK)
	b.use(t, "noted")
	b.settle(t)
}

// A bucket whose making is answered with an error in a success is not made, and can
// be asked for again.
func TestMakeThatFails(t *testing.T) {
	t.Parallel()
	b := newBehindMaking(t, servers.MinIO(t))
	for i, f := range []fault{busy, errorInside, absentInside, pageInside, hangUp, lost} {
		name := fmt.Sprintf("unmade-%d", i)
		end := b.spoiler.spoil(-1, f, func(r *http.Request) bool { return r.Method == http.MethodPut && r.URL.Path == "/"+name+"/" })
		b.changed(t, http.MethodPut, name, http.StatusServiceUnavailable)
		if end() == 0 {
			t.Error("the fault did not strike")
		}
		b.changed(t, http.MethodPut, name, http.StatusOK)
		b.use(t, name)
	}
	b.settle(t)
}

// openBelow gives what a gateway has open below a directory.
func openBelow(t *testing.T, g *gate.Gate, dir string) (names []string) {
	t.Helper()
	fds := fmt.Sprintf("/proc/%d/fd", g.PID())
	entries, err := os.ReadDir(fds)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name, err := os.Readlink(filepath.Join(fds, e.Name()))
		if err == nil && (name == dir || strings.HasPrefix(name, dir+"/")) { // one that was closed meanwhile is none
			names = append(names, name)
		}
	}
	return names
}

// A reload that fails at one bucket has nothing open of another, however often it is
// tried; one that succeeds opens it once.
func TestReloadThatFailsLeavesNothingOpen(t *testing.T) {
	t.Parallel()
	g := gate.Start(t, gate.Options{Dir: shortDir(t), Policy: bucketPolicy, Config: map[string]string{
		"buckets": "{datasets: {backend: disk}, models: {backend: disk}}",
	}})
	text, err := os.ReadFile(g.ConfigFile())
	if err != nil {
		t.Fatal(err)
	}
	more := strings.Replace(string(text), "models: {backend: disk}", "models: {backend: disk}, good: {backend: disk}, bad: {backend: disk}", 1)
	good, bad := filepath.Join(g.Dir, "objects", "good"), filepath.Join(g.Dir, "objects", "bad")
	if err := errors.Join(os.WriteFile(g.ConfigFile(), []byte(more), 0o600), os.WriteFile(bad, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if r := g.CLI(t, "config", "reload"); r.Code == 0 || !strings.Contains(r.Stderr, "opening bucket bad") {
			t.Fatalf("a file in place of a bucket: %d %s", r.Code, r.Stderr)
		}
	}
	if left := openBelow(t, g, good); len(left) > 0 {
		t.Errorf("open after three reloads that failed: %q", left)
	}
	if err := os.Remove(bad); err != nil {
		t.Fatal(err)
	}
	if r := g.CLI(t, "config", "reload"); r.Code != 0 {
		t.Fatal(r.Stderr)
	}
	if len(openBelow(t, g, good)) == 0 {
		t.Error("the bucket is not open, or this test does not see what is")
	}
}
