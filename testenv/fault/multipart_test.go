// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/certs/certstest"
	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/testenv/gate"
)

// uploading is one multipart upload as a client sees it.
type uploading struct {
	g     *gate.Gate
	c     *http.Client
	key   string
	id    string
	lines []string
}

// begin creates an upload, of an object with tags if some are given.
func begin(g *gate.Gate, c *http.Client, key, tags string) (*uploading, error) {
	h := http.Header{}
	if tags != "" {
		h.Set("X-Amz-Tagging", tags)
	}
	a, err := g.Try(c, http.MethodPost, "/models/"+key+"?uploads", nil, 0, h)
	var doc struct {
		UploadID string `xml:"UploadId"`
	}
	if err == nil && a.Status == http.StatusOK {
		err = xml.Unmarshal(a.Body, &doc)
	}
	if err != nil || doc.UploadID == "" {
		return nil, fmt.Errorf("creating an upload of %s: %d %s, %w", key, a.Status, a.Body, err)
	}
	return &uploading{g: g, c: c, key: key, id: doc.UploadID}, nil
}

func (u *uploading) target(more string) string {
	return "/models/" + u.key + "?uploadId=" + url.QueryEscape(u.id) + more
}

func (u *uploading) part(number int, body []byte) error {
	a, err := u.g.Try(u.c, http.MethodPut, u.target(fmt.Sprintf("&partNumber=%d", number)), bytes.NewReader(body), int64(len(body)), nil)
	if err != nil || a.Status != http.StatusOK {
		return fmt.Errorf("part %d of %s: %d %s, %w", number, u.key, a.Status, a.Body, err)
	}
	u.lines = append(u.lines, fmt.Sprintf("<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", number, a.Header.Get("Etag")))
	return nil
}

func (u *uploading) complete() error {
	body := "<CompleteMultipartUpload>" + strings.Join(u.lines, "") + "</CompleteMultipartUpload>"
	a, err := u.g.Try(u.c, http.MethodPost, u.target(""), strings.NewReader(body), int64(len(body)), nil)
	if err != nil || a.Status != http.StatusOK || !bytes.Contains(a.Body, []byte("<CompleteMultipartUploadResult")) {
		return fmt.Errorf("completing %s: %d %s, %w", u.key, a.Status, a.Body, err)
	}
	return nil
}

// uploads is the part of the story that is about multipart uploads: one that is
// completed, of a part that the store takes and one that waits, and one that is
// aborted.
func (s *story) uploads() error {
	large, small := bytes.Repeat([]byte{'L'}, 5<<20), []byte("the last one")
	u, err := begin(s.g, s.client, "parts", "run=7")
	if err != nil {
		return err
	}
	if err := u.part(1, large); err != nil {
		return err
	}
	if err := u.part(2, small); err != nil {
		return err
	}
	s.maybe["parts"] = slices.Concat(large, small)
	if err := u.complete(); err != nil {
		return err
	}
	s.kept["parts"] = s.maybe["parts"]
	delete(s.maybe, "parts")
	if u, err = begin(s.g, s.client, "given-up", ""); err != nil {
		return err
	}
	if err := u.part(1, small); err != nil {
		return err
	}
	a, err := s.g.Try(s.client, http.MethodDelete, u.target(""), nil, 0, nil)
	if err != nil || a.Status != http.StatusNoContent {
		return fmt.Errorf("aborting: %d %s, %w", a.Status, a.Body, err)
	}
	s.deleted["given-up"] = true
	return nil
}

// traces are parts of unfinished uploads and parts that wait, in the stores. An
// upload without parts holds nothing: one whose name the gateway did not live
// to hear is for the store itself to forget.
func traces(t *testing.T, g *gate.Gate) []string {
	t.Helper()
	var out []string
	_ = filepath.WalkDir(filepath.Join(g.Dir, "objects", "models"), func(path string, d fs.DirEntry, err error) error {
		part := strings.Contains(path, "/.uploads/") && filepath.Base(path) != "record"
		if err == nil && !d.IsDir() && (part || strings.Contains(path, "/staging")) {
			out = append(out, path)
		}
		return nil // what is removed meanwhile is no error
	})
	return out
}

// uploadPoints are the durable steps of multipart uploads.
func uploadPoints() []string {
	return slices.DeleteFunc(points(), func(p string) bool {
		return !slices.ContainsFunc([]string{"state.upload.", "state.receipt.", "state.staged.", "disk.upload.", "disk.part."}, func(kind string) bool {
			return strings.HasPrefix(p, kind)
		})
	})
}

// TestKilledUploadsAreCleanedUp: whatever step of an upload the gateway is
// killed at, a new start finishes or removes what is left when nobody goes on
// with it, on the record, and an object that is there is whole.
func TestKilledUploadsAreCleanedUp(t *testing.T) {
	t.Parallel()
	ca := certstest.NewCA(t, gate.TrustDomain)
	list := uploadPoints()
	if len(list) < 15 {
		t.Fatalf("only %d steps: %v", len(list), list)
	}
	// A start tries uploads out, too: the kill is at the first step after it.
	trace := filepath.Join(t.TempDir(), "trace")
	gate.Start(t, gate.Options{Dir: shortDir(t), CA: ca, Tags: []string{"killpoints"}, Env: []string{"SEALGATE_KILLPOINT_LOG=" + trace}}).Kill()
	before := steps(t, trace)
	for _, point := range list {
		if apart[point] {
			continue
		}
		t.Run(strings.ReplaceAll(point, "/", "."), func(t *testing.T) {
			t.Parallel()
			s := newStory(t, ca)
			kill := fmt.Sprintf("SEALGATE_KILLPOINT=%s:%d", point, before[point]+1)
			s.g = gate.Start(t, gate.Options{Dir: shortDir(t), CA: ca, Tags: []string{"killpoints"}, Env: []string{kill}, Policy: storyPolicy})
			s.client = s.g.Client(t, "/writer")
			if err := s.uploads(); err == nil {
				t.Fatal("the gateway was not killed")
			}
			s.g.Kill()
			s.abandoned()
			s.client = s.g.Client(t, "/writer")
			s.objects()
			verify(t, s.g)
		})
	}
}

// abandoned starts the gateway again with no patience for uploads and waits
// until none is left.
func (s *story) abandoned() {
	t := s.t
	t.Helper()
	if err := s.g.Restart(t, func(o *gate.Options) {
		o.Env, o.Config = nil, map[string]string{"uploads": "{abandon_after: 1s}"}
	}); err != nil {
		t.Fatalf("starting again: %v", err)
	}
	soon(t, func() bool { return len(traces(t, s.g)) == 0 && s.openUploads() == 0 }, "the uploads to be removed")
	if left := traces(t, s.g); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// openUploads counts those that a listing shows.
func (s *story) openUploads() int {
	a := s.g.Do(s.t, s.g.Client(s.t, "/writer"), http.MethodGet, "/models?uploads", nil, 0, nil)
	if a.Status != http.StatusOK {
		s.t.Fatalf("listing uploads: %d %s", a.Status, a.Body)
	}
	return bytes.Count(a.Body, []byte("<Upload>"))
}

// TestKillWhileCleaningUp: the removal of an abandoned upload is itself killed
// at each of its steps, and goes on after the next start.
func TestKillWhileCleaningUp(t *testing.T) {
	t.Parallel()
	ca := certstest.NewCA(t, gate.TrustDomain)
	trace := filepath.Join(t.TempDir(), "trace")
	again := gate.Start(t, gate.Options{Dir: shortDir(t), CA: ca, Tags: []string{"killpoints"}})
	again.Kill()
	if err := again.Restart(t, func(o *gate.Options) { o.Env = []string{"SEALGATE_KILLPOINT_LOG=" + trace} }); err != nil {
		t.Fatal(err)
	}
	again.Kill()
	before := steps(t, trace)
	for _, point := range []string{"state.upload.abandon.commit", "disk.upload.drop", "disk.upload.gone", "disk.delete.unlink", "state.staged.forget.commit", "state.upload.forget.commit"} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			s := newStory(t, ca)
			s.g = gate.Start(t, gate.Options{Dir: shortDir(t), CA: ca, Tags: []string{"killpoints"}})
			u, err := begin(s.g, s.g.Client(t, "/writer"), "abandoned", "")
			if err != nil {
				t.Fatal(err)
			}
			for n, size := range map[int]int{1: 5 << 20, 2: 9} {
				if err := u.part(n, random(size)); err != nil {
					t.Fatal(err)
				}
			}
			s.g.Kill()
			err = s.g.Restart(t, func(o *gate.Options) {
				o.Env, o.Config = []string{fmt.Sprintf("SEALGATE_KILLPOINT=%s:%d", point, before[point]+1)}, map[string]string{"uploads": "{abandon_after: 1s}"}
			})
			if err == nil {
				if code := s.g.Wait(t); code != -1 {
					t.Fatalf("exit code %d, want a kill: %s", code, s.g.Log())
				}
			}
			s.g.Kill()
			s.abandoned()
			verify(t, s.g)
			seen := 0
			for _, r := range s.g.Records(t, audit.SearchQuery{Path: "models/**"}) {
				if r.Event == "staging.cleanup" && r.Phase == audit.PhaseIntent {
					seen++
				}
			}
			if seen == 0 {
				t.Error("the cleaning up is not on the record")
			}
		})
	}
}

// TestKilledWhileAListIsTakenBack: the store lost a part that waited, so the list
// that names it is refused, and the gateway is killed before that is written down.
// The upload goes on after the next start.
func TestKilledWhileAListIsTakenBack(t *testing.T) {
	t.Parallel()
	g := gate.Start(t, gate.Options{Dir: shortDir(t), Tags: []string{"killpoints"}, Env: []string{"SEALGATE_KILLPOINT=state.upload.thaw.commit:1"}})
	u, err := begin(g, g.Client(t, "/writer"), "lost-part", "")
	if err != nil {
		t.Fatal(err)
	}
	large, small := random(5<<20), random(9)
	if err := errors.Join(u.part(1, large), u.part(2, small)); err != nil {
		t.Fatal(err)
	}
	waiting := slices.DeleteFunc(traces(t, g), func(path string) bool { return !strings.Contains(path, "/staging") })
	if len(waiting) != 1 {
		t.Fatalf("%d parts wait: %q", len(waiting), waiting)
	}
	if err := os.Remove(waiting[0]); err != nil {
		t.Fatal(err)
	}
	if err := u.complete(); err == nil {
		t.Fatal("it was completed without its part")
	}
	if code := g.Wait(t); code != -1 {
		t.Fatalf("exit code %d, want a kill: %s", code, g.Log())
	}
	g.Kill()
	if err := g.Restart(t, func(o *gate.Options) { o.Env = nil }); err != nil {
		t.Fatal(err)
	}
	u.c = g.Client(t, "/writer")
	if err := u.complete(); err == nil || !strings.Contains(err.Error(), "InvalidPart") {
		t.Fatalf("the same list again: %v, want InvalidPart", err)
	}
	u.lines = u.lines[:1]
	if err := u.part(2, small); err != nil {
		t.Fatal(err)
	}
	if err := u.complete(); err != nil {
		t.Fatal(err)
	}
	if a := get(t, g, u.c, "lost-part"); a.Status != http.StatusOK || !bytes.Equal(a.Body, slices.Concat(large, small)) {
		t.Errorf("got %d and %d bytes", a.Status, len(a.Body))
	}
	verify(t, g)
}

// TestUploadsOutliveTheGateway: parts that were acknowledged before a kill are
// completed after it.
func TestUploadsOutliveTheGateway(t *testing.T) {
	t.Parallel()
	g := gate.Start(t, gate.Options{})
	u, err := begin(g, g.Client(t, "/writer"), "long", "")
	if err != nil {
		t.Fatal(err)
	}
	var whole []byte
	for n, size := range []int{5<<20 + 1, 6 << 20, 77} {
		body := random(size)
		whole = append(whole, body...)
		if err := u.part(n+1, body); err != nil {
			t.Fatal(err)
		}
		g.Kill()
		if err := g.Restart(t, nil); err != nil {
			t.Fatal(err)
		}
		u.c = g.Client(t, "/writer")
	}
	if err := u.complete(); err != nil {
		t.Fatal(err)
	}
	g.Kill()
	if err := g.Restart(t, nil); err != nil {
		t.Fatal(err)
	}
	u.c = g.Client(t, "/writer")
	if err := u.complete(); err != nil { // the answer may have been lost
		t.Error(err)
	}
	if a := get(t, g, u.c, "long"); a.Status != http.StatusOK || !bytes.Equal(a.Body, whole) {
		t.Errorf("got %d and %d bytes, want %d", a.Status, len(a.Body), len(whole))
	}
	verify(t, g)
}

// TestPartsAreStreamed: what a part takes of the gateway's memory does not grow
// with its size.
func TestPartsAreStreamed(t *testing.T) {
	t.Parallel()
	g := gate.Start(t, gate.Options{})
	u, err := begin(g, g.Client(t, "/writer"), "large", "")
	if err != nil {
		t.Fatal(err)
	}
	const small, large = 64 << 20, 512 << 20
	peak := func(number int, size int64) int64 {
		a := g.Do(t, u.c, http.MethodPut, u.target(fmt.Sprintf("&partNumber=%d", number)), io.LimitReader(zeros{}, size), size, nil)
		if a.Status != http.StatusOK {
			t.Fatalf("part of %d bytes: got %d %s", size, a.Status, a.Body)
		}
		return mostMemory(t, g.PID())
	}
	peak(1, small)
	before := peak(2, small)
	after := peak(3, large)
	t.Logf("at most %d MiB resident with parts of %d MiB, %d MiB with one of %d MiB", before>>20, small>>20, after>>20, large>>20)
	if after-before > 64<<20 {
		t.Errorf("a part of %d MiB took %d MiB more memory than one of %d MiB", large>>20, (after-before)>>20, small>>20)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// mostMemory is the most that a process ever had resident, in bytes.
func mostMemory(t *testing.T, pid int) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	var kib int64
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		t.Fatal(err)
	}
	return kib << 10
}
