// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/certs/authority"
	"github.com/sealgate/sealgate/certs/certstest"
	"github.com/sealgate/sealgate/certs/pemfile"
	"github.com/sealgate/sealgate/envelope/kek/local"
	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/state"
	"github.com/sealgate/sealgate/gateway/store/disk"
	"github.com/sealgate/sealgate/rotation"
	"github.com/sealgate/sealgate/testenv/gate"
)

// points are the durable steps of every package that has some.
func points() []string {
	return slices.Concat(audit.PersistPoints, state.PersistPoints, local.PersistPoints, rotation.PersistPoints, authority.PersistPoints, disk.PersistPoints, pemfile.PersistPoints)
}

var rotated = regexp.MustCompile(`version \d+ -> (\d+)`)

// storyConfig has the gateway issue its own certificates.
var storyConfig = map[string]string{"identity": "{source: authority}"}

// storyPolicy lets the writer tag as well.
var storyPolicy = strings.Replace(gate.Policy, "delete]", "delete, tag]", 1)

// story is one run of a gateway from its first start to its stop, with one
// thing of each kind done, and what was acknowledged on the way.
type story struct {
	t       *testing.T
	g       *gate.Gate
	client  *http.Client
	ca      *certstest.CA
	kept    map[string][]byte // acknowledged puts
	maybe   map[string][]byte // a put that was not answered: whole or what was there before
	deleted map[string]bool   // acknowledged deletes
	entries int               // acknowledged entries
	kek     string            // the version that an acknowledged rotation ended at
}

// live plays the story until it ends or the gateway does. The error says how
// far it came.
func (s *story) live(env ...string) error {
	var err error
	s.g, err = gate.New(s.t, gate.Options{
		Dir: shortDir(s.t), CA: s.ca, Tags: []string{"killpoints"}, Env: env,
		Config: storyConfig, Policy: storyPolicy,
	})
	if err != nil {
		return fmt.Errorf("starting: %w", err)
	}
	return s.work()
}

// work does everything once.
func (s *story) work() error {
	if s.entries == 0 {
		if r := s.g.CLI(s.t, "certs", "entries", "add", "spiffe://"+gate.TrustDomain+"/writer", "--uid", fmt.Sprint(os.Getuid())); r.Code != 0 &&
			!strings.Contains(r.Stderr, "already gives") { // added before the kill, without an answer
			return fmt.Errorf("adding an entry: %s", r.Stderr)
		}
		s.entries++
	}
	var err error
	if s.client, err = issued(s.t, s.g); err != nil {
		return fmt.Errorf("fetching an SVID: %w", err)
	}
	for i, key := range []string{"a", "dir/b", "dir/deep/c", "a"} {
		if err := s.put(key, bytes.Repeat([]byte{byte('a' + i)}, 100_000*(i+1))); err != nil {
			return err
		}
	}
	if err := s.delete("dir/deep/c"); err != nil {
		return err
	}
	if err := s.uploads(); err != nil {
		return err
	}
	r := s.g.CLI(s.t, "keys", "rotate-kek")
	if r.Code != 0 {
		return fmt.Errorf("rotating: %s", r.Stderr)
	}
	to := rotated.FindStringSubmatch(r.Stdout)
	if to == nil {
		return fmt.Errorf("rotating: no version in %q", r.Stdout)
	}
	s.kek = "local@" + to[1]
	if err := s.put("after", random(200_000)); err != nil {
		return err
	}
	if code := s.g.Stop(s.t); code != 0 {
		return fmt.Errorf("stopping: exit code %d: %s", code, s.g.Log())
	}
	return nil
}

func (s *story) put(key string, body []byte) error {
	s.maybe[key] = body
	a, err := s.g.Try(s.client, http.MethodPut, "/models/"+key, bytes.NewReader(body), int64(len(body)), nil)
	if err != nil || a.Status != http.StatusOK {
		return fmt.Errorf("putting %s: %d, %w", key, a.Status, err)
	}
	s.kept[key] = body
	delete(s.maybe, key)
	return nil
}

func (s *story) delete(key string) error {
	s.maybe[key] = nil
	a, err := s.g.Try(s.client, http.MethodDelete, "/models/"+key, nil, 0, nil)
	if err != nil || a.Status != http.StatusNoContent {
		return fmt.Errorf("deleting %s: %d, %w", key, a.Status, err)
	}
	delete(s.kept, key)
	delete(s.maybe, key)
	s.deleted[key] = true
	return nil
}

// check starts the gateway again and holds it to what was acknowledged; then
// the rest of the story must go as it does for everyone.
func (s *story) check() {
	t := s.t
	t.Helper()
	s.g.Kill()
	if err := s.g.Restart(t, func(o *gate.Options) { o.Env = nil }); err != nil {
		t.Fatalf("starting again: %v", err)
	}
	if left := leftovers(t, s.g); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	if r := s.g.CLI(t, "keys", "status"); r.Code != 0 || !strings.Contains(r.Stdout, s.kek) {
		t.Errorf("keys status: %s%s, want version %s", r.Stdout, r.Stderr, s.kek)
	}
	if s.entries > 0 {
		c, err := issued(t, s.g)
		if err != nil {
			t.Fatalf("an acknowledged entry is gone: %v", err)
		}
		s.client = c
		s.objects()
	}
	verify(t, s.g)
	if err := s.work(); err != nil {
		t.Fatalf("going on: %v", err)
	}
	verify(t, s.g)
	if open, ends := outcomes(t, s.g, "models/**"); open != len(ends) {
		t.Errorf("%d changes are on the record with %d outcomes", open, len(ends))
	}
}

func (s *story) objects() {
	t := s.t
	t.Helper()
	for key, want := range s.kept {
		a := get(t, s.g, s.client, key)
		late, unsure := s.maybe[key]
		switch {
		case a.Status == http.StatusOK && bytes.Equal(a.Body, want):
		case unsure && late != nil && a.Status == http.StatusOK && bytes.Equal(a.Body, late):
		case unsure && late == nil && a.Status == http.StatusNotFound:
		default:
			t.Errorf("acknowledged %s: got %d and %d bytes", key, a.Status, len(a.Body))
		}
	}
	for key, late := range s.maybe {
		if _, known := s.kept[key]; known {
			continue
		}
		if a := get(t, s.g, s.client, key); a.Status != http.StatusNotFound && (a.Status != http.StatusOK || !bytes.Equal(a.Body, late)) {
			t.Errorf("unanswered %s: got %d and %d bytes, want it whole or absent", key, a.Status, len(a.Body))
		}
	}
	for key := range s.deleted {
		if a := get(t, s.g, s.client, key); a.Status != http.StatusNotFound {
			t.Errorf("deleted %s: got %d", key, a.Status)
		}
	}
}

func newStory(t *testing.T, ca *certstest.CA) *story {
	t.Helper()
	return &story{t: t, ca: ca, kept: map[string][]byte{}, maybe: map[string][]byte{}, deleted: map[string]bool{}}
}

// steps counts the durable steps of a trace.
func steps(t *testing.T, trace string) map[string]int {
	t.Helper()
	b, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	n := map[string]int{}
	for line := range strings.Lines(string(b)) {
		n[strings.TrimSpace(line)]++
	}
	return n
}

// unreached are points that no story of the program can come to, with why.
// They are crashed at in their own package's tests.
var unreached = map[string]string{
	"state.keyring.state.commit": "nothing moves a keyring version to another state yet",
	"state.record.claim.commit":  "only a start after a crash finds a record that was not put in use",
}

// A gateway killed at any durable step starts again with all that it had
// acknowledged, and goes on.
func TestKillPoints(t *testing.T) {
	t.Parallel()
	ca := certstest.NewCA(t, gate.TrustDomain)
	trace := filepath.Join(t.TempDir(), "trace")
	s := newStory(t, ca)
	if err := s.live("SEALGATE_KILLPOINT_LOG=" + trace); err != nil {
		t.Fatalf("without a kill: %v", err)
	}
	met := steps(t, trace)
	for p := range met {
		if !slices.Contains(points(), p) {
			t.Errorf("the durable step %q is on no list of PersistPoints", p)
		}
	}
	for _, p := range points() {
		n := met[p]
		why, excused := unreached[p]
		switch {
		case excused && n > 0:
			t.Errorf("%s is reached, although %s", p, why)
		case excused, apart[p]:
		case n == 0:
			t.Errorf("%s is never reached", p)
		default:
			killAt(t, ca, p, 1)
			if n > 3 {
				n = n/2 + 1
				if strings.HasPrefix(p, "audit/checkpoint") {
					n = 2 // one is made each second: how many there are depends on the machine, but for the first and the last
				}
				killAt(t, ca, p, n)
			}
		}
	}
}

// apart are points with a test of their own below.
var apart = map[string]bool{
	"state.upload.abandon.commit": true,
	"state.upload.thaw.commit":    true,
	"state.bucket.make.commit":    true,
	"state.bucket.state.commit":   true,
	"state.bucket.forget.commit":  true,
	"audit/segment-cut":           true, "state.instance.beat.commit": true,
	"pemfile.sync-file": true, "pemfile.sync-generation": true, "pemfile.link-name": true, "pemfile.switch": true, "pemfile.sync-dir": true,
}

func killAt(t *testing.T, ca *certstest.CA, point string, n int) {
	t.Helper()
	t.Run(fmt.Sprintf("%s:%d", strings.ReplaceAll(point, "/", "."), n), func(t *testing.T) {
		t.Parallel()
		s := newStory(t, ca)
		err := s.live(fmt.Sprintf("SEALGATE_KILLPOINT=%s:%d", point, n))
		if err == nil {
			t.Fatal("the gateway was not killed")
		}
		s.g.Kill()
		if code := s.g.Wait(t); code != -1 {
			t.Fatalf("%v: the gateway ended with exit code %d by itself: %s", err, code, s.g.Log())
		}
		s.check()
	})
}

// A kill while the log is mended after an earlier kill.
func TestKillWhileRecovering(t *testing.T) {
	t.Parallel()
	s := newStory(t, certstest.NewCA(t, gate.TrustDomain))
	if err := s.live("SEALGATE_KILLPOINT=disk.put.publish:30"); err == nil {
		t.Fatal("the gateway was not killed")
	}
	s.g.Kill()
	for _, point := range []string{"audit/segment-cut:1", "audit/segment-write:1", "audit/segment-sync:1", "audit/segment-write:2", "state.log.register.commit:1"} {
		if err := s.g.Restart(t, func(o *gate.Options) { o.Env = []string{"SEALGATE_KILLPOINT=" + point} }); err == nil {
			t.Errorf("%s: the gateway was not killed", point)
		}
		s.g.Kill()
	}
	s.check()
}

// A kill while the gateway only says that it lives.
func TestKillAtBeat(t *testing.T) {
	t.Parallel()
	s := newStory(t, certstest.NewCA(t, gate.TrustDomain))
	var err error
	s.g, err = gate.New(t, gate.Options{
		Dir: shortDir(t), CA: s.ca, Tags: []string{"killpoints"}, Env: []string{"SEALGATE_KILLPOINT=state.instance.beat.commit:1"}, Config: storyConfig, Policy: storyPolicy,
	})
	if err != nil {
		t.Fatal(err)
	}
	if code := s.g.Wait(t); code != -1 {
		t.Fatalf("exit code %d", code)
	}
	s.check()
}

// A kill while an identity is written to files leaves the old one or the new
// one, never a key without its certificate.
func TestKillWhileWritingIdentity(t *testing.T) {
	t.Parallel()
	g := gate.Start(t, gate.Options{Dir: shortDir(t), Tags: []string{"killpoints"}, Config: storyConfig})
	if r := g.CLI(t, "certs", "entries", "add", "spiffe://"+gate.TrustDomain+"/writer", "--uid", fmt.Sprint(os.Getuid())); r.Code != 0 {
		t.Fatal(r.Stderr)
	}
	fetch := func(dir, kill string) gate.Result {
		return gate.Run(t, gate.Command{Tags: []string{"killpoints"}, Env: []string{"SEALGATE_KILLPOINT=" + kill}, Args: []string{"certs", "fetch", "--out", dir, "--data", g.Dir}})
	}
	for _, point := range pemfile.PersistPoints {
		for _, there := range []string{"an empty folder", "an older identity"} {
			dir := filepath.Join(t.TempDir(), "id")
			if there == "an older identity" {
				if r := fetch(dir, ""); r.Code != 0 {
					t.Fatal(r.Stderr)
				}
			}
			if r := fetch(dir, point+":1"); r.Code != -1 && (point != "pemfile.link-name" || there == "an empty folder") {
				t.Errorf("%s with %s: not killed: %s%s", point, there, r.Stdout, r.Stderr)
			}
			_, err := tls.LoadX509KeyPair(filepath.Join(dir, "svid.pem"), filepath.Join(dir, "key.pem"))
			if err != nil && (there == "an older identity" || !errors.Is(err, os.ErrNotExist)) {
				t.Errorf("%s with %s: %v", point, there, err)
			}
			if r := fetch(dir, ""); r.Code != 0 {
				t.Errorf("%s with %s: again: %s", point, there, r.Stderr)
			}
			if _, err := tls.LoadX509KeyPair(filepath.Join(dir, "svid.pem"), filepath.Join(dir, "key.pem")); err != nil {
				t.Errorf("%s with %s: again: %v", point, there, err)
			}
		}
	}
}
