// SPDX-License-Identifier: Apache-2.0

package stories

import (
	"bytes"
	"crypto/rand"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealgate/sealgate/certs/certstest"
	"github.com/sealgate/sealgate/testenv/gate"
	"github.com/sealgate/sealgate/testenv/servers"
)

// pair is two gateways on one PostgreSQL, one S3 server and one keystore.
type pair struct {
	t        *testing.T
	postgres *servers.Postgres
	server   *servers.Server
	bucket   string // of models, with the server
	gates    [2]*gate.Gate
	clients  [2]*http.Client
}

const replicaPolicy = `version: 1
trust_domain: test.sealgate
identities:
  writer: spiffe://test.sealgate/writer
roles:
  writer:
    who: [writer]
    can:
      - {do: [read, list, write, delete], paths: ["**"]}
      - {do: [bucket-create, bucket-delete], paths: ["gateway/buckets/*"]}
`

// twoReplicasOn starts both at the same moment, with nothing there.
func twoReplicasOn(t *testing.T, s *servers.Server) *pair {
	t.Helper()
	p := &pair{t: t, postgres: servers.NewPostgreSQL(t), server: s}
	o, st := backendOptions(t, s, s.Endpoint, "")
	p.bucket = st.buckets["models"]
	o.CA, o.Policy = certstest.NewCA(t, gate.TrustDomain), replicaPolicy
	o.Config["buckets_on_demand"] = "{enabled: true}"
	keys := t.TempDir()
	o.Config["keks"] = fmt.Sprintf("{shared: {kind: local, keystore: %s, key_file: %s}}", filepath.Join(keys, "keystore"), filepath.Join(keys, "keyfile"))
	o.Config["state"] = fmt.Sprintf("{postgres: {url: %q, password: {file: %s}}}", p.postgres.URL, p.postgres.PasswordFile)
	var wg sync.WaitGroup
	var errs [2]error
	for i := range p.gates {
		o.Dir = t.TempDir()
		g := gate.Prepare(t, o)
		p.gates[i] = g
		wg.Go(func() { errs[i] = g.Restart(t, nil) })
	}
	wg.Wait()
	for i, g := range p.gates {
		t.Cleanup(g.Kill)
		if errs[i] != nil {
			t.Fatalf("replica %d: %v", i, errs[i])
		}
		p.clients[i] = g.Client(t, "/writer")
	}
	return p
}

// do sends a request through one of the two.
func (p *pair) do(i int, method, target string, body []byte, header http.Header) gate.Answer {
	p.t.Helper()
	return p.gates[i].Do(p.t, p.clients[i], method, "/"+target, bytes.NewReader(body), int64(len(body)), header)
}

// must is do, with the status that has to come.
func (p *pair) must(status, i int, method, target string, body []byte) gate.Answer {
	p.t.Helper()
	a := p.do(i, method, target, body, nil)
	if a.Status != status {
		p.t.Fatalf("%s %s through replica %d: want %d, got %d %s", method, target, i, status, a.Status, a.Body)
	}
	return a
}

// wantObject reads an object through both.
func (p *pair) wantObject(path string, want []byte) {
	p.t.Helper()
	for i := range p.gates {
		if a := p.must(http.StatusOK, i, http.MethodGet, path, nil); !bytes.Equal(a.Body, want) {
			p.t.Errorf("%s through replica %d: %d bytes of %d", path, i, len(a.Body), len(want))
		}
	}
}

// eventually tries until it holds.
func eventually(t *testing.T, what string, holds func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if err = holds(); err == nil {
			return
		}
	}
	t.Fatalf("%s: %v", what, err)
}

// Two gateways serve the same data: what one stores the other has, an upload goes
// through both, keys move under both, and PostgreSQL may be away meanwhile.
func TestTwoReplicas(t *testing.T) {
	t.Parallel()
	p := twoReplicasOn(t, servers.Versitygw(t))
	p.share()
	p.upload("models/big")
	p.rotate()
	p.newBucket()
	p.newKeyring()
	p.outage()
	p.logs()
}

func (p *pair) share() {
	t := p.t
	t.Helper()
	for i := range p.gates {
		if !strings.Contains(p.gates[i].Banner, "state     postgres://sealgate@127.0.0.1") {
			t.Errorf("the banner does not say where the state is: %s", p.gates[i].Banner)
		}
		path, data := fmt.Sprintf("models/from-%d", i), randomBytes(100_000)
		p.must(http.StatusOK, i, http.MethodPut, path, data)
		p.wantObject(path, data)
		if a := p.must(http.StatusOK, 1-i, http.MethodGet, "models?list-type=2", nil); !bytes.Contains(a.Body, []byte("<Key>from-"+fmt.Sprint(i))) {
			t.Errorf("replica %d does not list what the other stored: %s", 1-i, a.Body)
		}
		p.must(http.StatusNoContent, 1-i, http.MethodDelete, path, nil)
		p.must(http.StatusNotFound, i, http.MethodGet, path, nil)
	}
}

// create begins an upload.
func (p *pair) create(i int, path string) (id string) {
	p.t.Helper()
	a := p.must(http.StatusOK, i, http.MethodPost, path+"?uploads", nil)
	var made struct {
		UploadID string `xml:"UploadId"`
	}
	if err := xml.Unmarshal(a.Body, &made); err != nil || made.UploadID == "" {
		p.t.Fatalf("no upload id in %s: %v", a.Body, err)
	}
	return made.UploadID
}

// part sends one and gives its line in the list.
func (p *pair) part(i int, path, id string, number int, data []byte) string {
	p.t.Helper()
	a := p.must(http.StatusOK, i, http.MethodPut, fmt.Sprintf("%s?partNumber=%d&uploadId=%s", path, number, id), data)
	return fmt.Sprintf("<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", number, a.Header.Get("ETag"))
}

func completion(lines ...string) []byte {
	return []byte("<CompleteMultipartUpload>" + strings.Join(lines, "") + "</CompleteMultipartUpload>")
}

// upload sends parts through both replicas, the last one first and one of them
// twice; then both are told to complete it, each with a list of its own.
func (p *pair) upload(path string) {
	t := p.t
	t.Helper()
	id := p.create(0, path)
	parts := [][]byte{randomBytes(5 << 20), randomBytes(5<<20 + 1), randomBytes(70_000)}
	last := p.part(1, path, id, 3, parts[2])
	first := p.part(0, path, id, 1, parts[0])
	p.part(1, path, id, 2, parts[0])
	second := p.part(0, path, id, 2, parts[1])
	if a := p.must(http.StatusOK, 1, http.MethodGet, path+"?uploadId="+id, nil); bytes.Count(a.Body, []byte("<Part>")) != 3 {
		t.Errorf("parts: %s", a.Body)
	}
	lists := [2][]byte{completion(first, second, last), completion(first, second)}
	var answers [2]gate.Answer
	var wg sync.WaitGroup
	for i := range lists {
		wg.Go(func() { answers[i] = p.do(i, http.MethodPost, path+"?uploadId="+id, lists[i], nil) })
	}
	wg.Wait()
	won := [2]bool{}
	for i, a := range answers {
		won[i] = a.Status == http.StatusOK && bytes.Contains(a.Body, []byte("<CompleteMultipartUploadResult"))
	}
	if won[0] == won[1] {
		t.Fatalf("both or none completed: %d %s; %d %s", answers[0].Status, answers[0].Body, answers[1].Status, answers[1].Body)
	}
	winner := 0
	if won[1] {
		winner, parts = 1, parts[:2]
	}
	p.wantObject(path, bytes.Join(parts, nil))
	again := p.must(http.StatusOK, 1-winner, http.MethodPost, path+"?uploadId="+id, lists[winner])
	if !bytes.Contains(again.Body, []byte("<CompleteMultipartUploadResult")) {
		t.Errorf("the same again: %s", again.Body)
	}
	p.must(http.StatusNotFound, winner, http.MethodPut, path+"?partNumber=4&uploadId="+id, []byte("late"))
}

// rotate moves the KEK through one replica, then through the other: it goes on
// from there.
func (p *pair) rotate() {
	t := p.t
	t.Helper()
	p.must(http.StatusOK, 0, http.MethodPut, "models/before", []byte("before"))
	for i, g := range p.gates {
		if r := g.CLI(t, "keys", "rotate-kek"); r.Code != 0 || !strings.Contains(r.Stdout, fmt.Sprintf("version %d -> %d", i+1, i+2)) {
			t.Errorf("rotating through replica %d: %s%s", i, r.Stdout, r.Stderr)
		}
		for j, g := range p.gates {
			if r := g.CLI(t, "keys", "status"); r.Code != 0 || !strings.Contains(r.Stdout, fmt.Sprintf("shared@%d  local     current", i+2)) {
				t.Errorf("status of replica %d: %s%s", j, r.Stdout, r.Stderr)
			}
		}
	}
	p.wantObject("models/before", []byte("before"))
}

// newBucket makes a bucket through one replica and removes it through the other.
func (p *pair) newBucket() {
	t := p.t
	t.Helper()
	name := "made-" + strings.ToLower(rand.Text())
	p.must(http.StatusOK, 0, http.MethodPut, name, nil)
	p.must(http.StatusOK, 0, http.MethodPut, name+"/a", []byte("in a new bucket"))
	eventually(t, "the other replica has the bucket", func() error {
		if a := p.do(1, http.MethodGet, name+"/a", nil, nil); a.Status != http.StatusOK {
			return fmt.Errorf("%d %s", a.Status, a.Body)
		}
		return nil
	})
	p.must(http.StatusNoContent, 1, http.MethodDelete, name+"/a", nil)
	p.must(http.StatusNoContent, 1, http.MethodDelete, name, nil)
	if r := p.gates[0].CLI(t, "keys", "rotate-kek"); r.Code != 0 { // also before it has noticed
		t.Errorf("rotating after the bucket was removed through the other replica: %s", r.Stderr)
	}
	eventually(t, "the bucket is gone for the first one too", func() error {
		if a := p.do(0, http.MethodGet, name+"?list-type=2", nil, nil); a.Status != http.StatusNotFound {
			return fmt.Errorf("%d %s", a.Status, a.Body)
		}
		return nil
	})
}

// newKeyring gives one replica a keyring more: what it seals with it the other one
// opens.
func (p *pair) newKeyring() {
	t := p.t
	t.Helper()
	g := p.gates[0]
	file, err := os.OpenFile(g.ConfigFile(), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = file.WriteString("keyrings: [{scopes: [models/, datasets/, models/pii/], kek: shared}]\n")
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	g.Hup(t)
	eventually(t, "the keyring of models/pii/", func() error {
		if r := g.CLI(t, "keys", "status"); !strings.Contains(r.Stdout, "models/pii/@1") {
			return errors.New(r.Stdout + r.Stderr)
		}
		return nil
	})
	p.must(http.StatusOK, 0, http.MethodPut, "models/pii/a", []byte("sealed by the new keyring"))
	eventually(t, "the other replica opens it", func() error {
		if a := p.do(1, http.MethodGet, "models/pii/a", nil, nil); a.Status != http.StatusOK {
			return fmt.Errorf("%d %s", a.Status, a.Body)
		}
		return nil
	})
	p.must(http.StatusOK, 1, http.MethodPut, "models/pii/b", []byte("and the other way"))
	p.wantObject("models/pii/b", []byte("and the other way"))
}

// outage takes PostgreSQL away: objects are served, uploads are not, and all is
// well when it is back.
func (p *pair) outage() {
	t := p.t
	t.Helper()
	id := p.create(1, "models/interrupted")
	line := p.part(0, "models/interrupted", id, 1, []byte("a part"))
	p.postgres.Kill()
	for i, g := range p.gates {
		path := fmt.Sprintf("models/away-%d", i)
		p.must(http.StatusOK, i, http.MethodPut, path, []byte("stored"))
		p.wantObject(path, []byte("stored"))
		for target, body := range map[string][]byte{"models/x?uploads": nil, "models/interrupted?uploadId=" + id: completion(line)} {
			if a := p.do(i, http.MethodPost, target, body, nil); a.Status != http.StatusServiceUnavailable {
				t.Errorf("%s through replica %d: %d %s", target, i, a.Status, a.Body)
			}
		}
		if r := g.CLI(t, "keys", "rotate-kek"); r.Code != 5 || !strings.Contains(r.Stderr, "the state database cannot be reached") {
			t.Errorf("rotating through replica %d: exit code %d: %s", i, r.Code, r.Stderr)
		}
		if r := p.verify(i); r.Code != 5 || !strings.Contains(r.Stderr, "the state database cannot be reached") {
			t.Errorf("verifying the log of replica %d: exit code %d: %s", i, r.Code, r.Stderr)
		}
	}
	p.refuses("exit code 5", "opening state "+p.postgres.URL[:strings.Index(p.postgres.URL, "?")]+": the state database cannot be reached", p.postgres.PasswordFile)
	p.postgres.Restart(t)
	p.postgres.SetPassword(t, "changed meanwhile")
	for i := range p.gates {
		eventually(t, "an upload after the outage", func() error {
			if a := p.do(i, http.MethodGet, "models/interrupted?uploadId="+id, nil, nil); a.Status != http.StatusOK {
				return fmt.Errorf("%d %s", a.Status, a.Body)
			}
			return nil
		})
	}
	p.must(http.StatusOK, 1, http.MethodPost, "models/interrupted?uploadId="+id, completion(line))
	p.wantObject("models/interrupted", []byte("a part"))
}

// refuses starts a third gateway with another password file, which must not
// start.
func (p *pair) refuses(code, why, passwordFile string) {
	t := p.t
	t.Helper()
	g := gate.Prepare(t, gate.Options{CA: p.gates[0].CA, Config: map[string]string{
		"state": fmt.Sprintf("{postgres: {url: %q, password: {file: %s}}}", p.postgres.URL, passwordFile),
	}})
	err := g.Restart(t, nil)
	t.Cleanup(g.Kill)
	if err == nil || !strings.Contains(err.Error(), code) || !strings.Contains(err.Error(), why) {
		t.Errorf("want %s, %q, got %v", code, why, err)
	}
}

func (p *pair) verify(i int) gate.Result {
	p.t.Helper()
	return gate.Run(p.t, gate.Command{Args: []string{"audit", "verify", "--config", p.gates[i].ConfigFile()}})
}

// logs: each replica has one of its own, which verifies against the registered
// ones; a log that was deleted is missed.
func (p *pair) logs() {
	t := p.t
	t.Helper()
	shown := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(shown, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	p.refuses("exit code 1", "may be read by others", shown)
	for i, g := range p.gates {
		if r := p.verify(i); r.Code != 0 {
			t.Errorf("replica %d: %s%s", i, r.Stdout, r.Stderr)
		}
		if code := g.Stop(t); code != 0 {
			t.Errorf("replica %d stopped with exit code %d: %s", i, code, g.Log())
		}
	}
	if err := os.RemoveAll(p.gates[1].AuditDir()); err != nil {
		t.Fatal(err)
	}
	if err := p.gates[0].Restart(t, nil); err != nil {
		t.Errorf("replica 0 does not start again: %v", err)
	}
	if err := p.gates[1].Restart(t, nil); err == nil || !strings.Contains(err.Error(), "it was replaced") {
		t.Errorf("a deleted log was not missed: %v", err)
	}
}
