// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"golang.org/x/sync/errgroup"

	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/testenv/gate"
	"github.com/sealgate/sealgate/testenv/servers"
)

// behind is a gateway whose two buckets lie on a real S3 server, with a spoiler
// between them.
type behind struct {
	*gate.Gate
	client  *http.Client
	server  *servers.Server
	spoiler *spoiler
	buckets map[string]string // logical -> backend

	mu   sync.Mutex // guards dues
	dues []due
}

func (b *behind) note(d due) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dues = append(b.dues, d)
}

func newBehind(t *testing.T, s *servers.Server) *behind {
	t.Helper()
	return newBehindWith(t, s, storyPolicy, nil)
}

// newBehindMaking is one whose clients make and remove buckets.
func newBehindMaking(t *testing.T, s *servers.Server) *behind {
	t.Helper()
	return newBehindWith(t, s, bucketPolicy, map[string]string{
		"buckets_on_demand": "{enabled: true}", "keyrings": "[{scope: models/, kek: local}, {scope: datasets/, kek: local}]",
	})
}

func newBehindWith(t *testing.T, s *servers.Server, policy string, more map[string]string) *behind {
	t.Helper()
	b := &behind{server: s, spoiler: newSpoiler(t, s), buckets: map[string]string{"models": s.NewBucket(t), "datasets": s.NewBucket(t)}}
	secret, err := json.Marshal(map[string]string{"access_key": s.AccessKey, "secret_key": s.SecretKey})
	credential := filepath.Join(t.TempDir(), "credential")
	if err == nil {
		err = os.WriteFile(credential, secret, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	config := map[string]string{
		"backends": fmt.Sprintf("{store: {kind: s3, endpoint: %q, region: %s, credential: {file: %s}}}", b.spoiler.URL, s.Region, credential),
		"buckets":  fmt.Sprintf("{models: {backend: store, bucket: %s}, datasets: {backend: store, bucket: %s}}", b.buckets["models"], b.buckets["datasets"]),
	}
	maps.Copy(config, more)
	b.Gate = gate.Start(t, gate.Options{Dir: shortDir(t), Policy: policy, Config: config})
	b.client = b.Client(t, "/writer")
	return b
}

// trial is one operation under one fault, on keys of its own.
type trial struct {
	*behind
	t   *testing.T
	key string // in models
	old []byte // what lay there, nil for nothing
	new []byte // what the operation would put there
	u   *uploading

	became string // what the record has to say of a change, "" for whatever
}

// do sends one request; headers are NAME, VALUE, ...
func (tr *trial) do(method, target string, body []byte, headers ...string) gate.Answer {
	tr.t.Helper()
	h := http.Header{}
	for i := 0; i+1 < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	a, err := tr.Try(tr.client, method, target, bytes.NewReader(body), int64(len(body)), h)
	if err != nil {
		tr.t.Errorf("%s %s: no answer: %v", method, target, err)
	}
	return a
}

func (tr *trial) must(status int, method, target string, body []byte, headers ...string) gate.Answer {
	tr.t.Helper()
	a := tr.do(method, target, body, headers...)
	if a.Status != status || a.Err != nil {
		tr.t.Fatalf("%s %s: got %d %.300s %v, want %d", method, target, a.Status, a.Body, a.Err, status)
	}
	return a
}

func (tr *trial) path() string { return "/models/" + tr.key }

// at says whether a request of the gateway is about an object.
func (tr *trial) at(r *http.Request, method, bucket, key string) bool {
	return r.Method == method && r.URL.Path == "/"+tr.buckets[bucket]+"/"+key
}

// verdict is an answer in a few words: the status, and the code of an error, or
// that the body did not come whole.
func verdict(a gate.Answer) string {
	var e struct {
		XMLName xml.Name
		Code    string
	}
	_ = xml.Unmarshal(a.Body, &e) // what is no error has none
	switch {
	case a.Status == 0:
		return "none"
	case a.Err != nil:
		return fmt.Sprintf("%d cut", a.Status)
	case e.XMLName.Local == "Error":
		return fmt.Sprintf("%d %s", a.Status, e.Code)
	}
	return fmt.Sprint(a.Status)
}

// whole wants that the object is what it was, or what it should become, and
// nothing else.
func (tr *trial) whole(done bool) {
	tr.t.Helper()
	a := tr.do(http.MethodGet, tr.path(), nil)
	switch {
	case a.Status == http.StatusOK && a.Err == nil && tr.new != nil && bytes.Equal(a.Body, tr.new):
	case !done && tr.old != nil && a.Status == http.StatusOK && a.Err == nil && bytes.Equal(a.Body, tr.old):
	case !done && tr.old == nil && a.Status == http.StatusNotFound:
	default:
		tr.t.Errorf("then it is %d, %d bytes, %v; before it were %d, it should become %d", a.Status, len(a.Body), a.Err, len(tr.old), len(tr.new))
	}
}

// only wants that these keys and no others are there below the trial's, by the
// gateway's listing and by the server's own.
func (tr *trial) only(want ...string) {
	tr.t.Helper()
	a := tr.must(http.StatusOK, http.MethodGet, "/models?list-type=2&prefix="+tr.key, nil)
	var page struct{ Contents []struct{ Key string } }
	if err := xml.Unmarshal(a.Body, &page); err != nil {
		tr.t.Fatal(err)
	}
	for _, c := range page.Contents {
		if !slices.Contains(want, c.Key) {
			tr.t.Errorf("a listing shows %s", c.Key)
		}
	}
	for o := range tr.server.Client(tr.t).ListObjects(tr.t.Context(), tr.buckets["models"], minio.ListObjectsOptions{Prefix: tr.key, Recursive: true}) {
		if o.Err != nil || !slices.Contains(want, o.Key) {
			tr.t.Errorf("the server holds %s (%v)", o.Key, o.Err)
		}
	}
}

// due is what the record has to say of one trial.
type due struct {
	name   string
	answer gate.Answer
	ended  func(gate.Answer, []audit.Record) error
	became string // of a change whose answer did not come, "" for whatever
}

// settle wants each answer on the record: every intent of it with its end, and
// an end that tells what the client was told. The log is read for all at once.
func (b *behind) settle(t *testing.T) {
	t.Helper()
	var wrong []error
	soon(t, func() bool {
		wrong = nil
		intents, ends := b.byRequest(t)
		for _, d := range b.dues {
			id := d.answer.Header.Get("X-Amz-Request-Id")
			err := d.settled(intents[id], ends[id])
			if err != nil {
				wrong = append(wrong, fmt.Errorf("%s: %w", d.name, err))
			}
		}
		return len(wrong) == 0
	}, "all records")
	for _, err := range wrong {
		t.Error(err)
	}
}

func (b *behind) byRequest(t *testing.T) (intents map[string]int, ends map[string][]audit.Record) {
	t.Helper()
	intents, ends = map[string]int{}, map[string][]audit.Record{}
	of := map[uint64]string{}
	for _, r := range b.Records(t, audit.SearchQuery{}) {
		switch r.Phase {
		case audit.PhaseIntent:
			intents[r.RequestID]++
			of[r.Seq] = r.RequestID
		case audit.PhaseOutcome:
			ends[of[r.Of]] = append(ends[of[r.Of]], r)
		}
	}
	return intents, ends
}

func (d due) settled(intents int, ends []audit.Record) error {
	if intents == 0 || intents != len(ends) {
		return fmt.Errorf("%d intents and %d outcomes on the record", intents, len(ends))
	}
	if err := d.ended(d.answer, ends); err != nil {
		return err
	}
	if d.became != "" && !slices.ContainsFunc(ends, func(r audit.Record) bool { return r.Detail["reconciled"] == d.became }) {
		return fmt.Errorf("the record does not say that the change is %s: %+v", d.became, ends)
	}
	return nil
}

// endedAlike wants an end on the record that tells what the client was told;
// what is broken, or was cut off, has its reason besides.
func endedAlike(a gate.Answer, ends []audit.Record) error {
	cut := a.Err != nil || a.Status == http.StatusInternalServerError
	if slices.ContainsFunc(ends, func(r audit.Record) bool { return r.Status == a.Status && cut == (r.Abort != "") }) {
		return nil
	}
	return fmt.Errorf("no end on the record says %d, cut off: %t; they are %+v", a.Status, a.Err != nil, ends)
}

// run has the operation meet a fault, so many times. want is the verdict, or
// several that are as good.
func (tr *trial) run(op operation, f fault, times int, want string) {
	t := tr.t
	tr.client = tr.Client(t, "/writer")
	op.prepare(tr)
	end := tr.spoiler.spoil(times, f, func(r *http.Request) bool { return op.hits(tr, r) })
	start := time.Now()
	a := op.do(tr)
	if end() == 0 {
		t.Error("the fault did not strike")
	}
	got := verdict(a)
	if !slices.Contains(strings.Split(want, ", or "), got) {
		t.Errorf("got %q in %s, want %q: %.300s", got, time.Since(start), want, a.Body)
	}
	if a.Status == http.StatusServiceUnavailable && a.Header.Get("Retry-After") == "" {
		t.Error("503 does not say when to come back")
	}
	if op.check != nil {
		op.check(tr, a)
	}
	if op.ended == nil {
		op.ended = endedAlike
	}
	tr.note(due{name: t.Name(), answer: a, ended: op.ended, became: tr.became})
	if op.again == nil {
		op.again = op.do
	}
	if a := op.again(tr); a.Status/100 != 2 || a.Err != nil || strings.Contains(verdict(a), " ") {
		t.Errorf("the same again, without the fault: %s %.300s %v", verdict(a), a.Body, a.Err)
	}
	if op.after != nil {
		op.after(tr)
	}
}

// together is how many trials run at once: they mostly wait.
const together = 8

func (b *behind) tryAll(t *testing.T) {
	var work errgroup.Group
	work.SetLimit(together)
	for _, op := range operations {
		for f, want := range op.want {
			work.Go(func() error {
				t.Run(op.name+"/"+f, func(t *testing.T) {
					key := strings.NewReplacer(" ", "-", ",", "").Replace("t/" + op.name + "/" + f + "/o")
					name, once := strings.CutSuffix(f, ", once")
					times := -1
					if once {
						times = 1
					}
					(&trial{behind: b, t: t, key: key, became: op.became[f]}).run(op, faults[name], times, want)
				})
				return nil
			})
		}
	}
	_ = work.Wait() // the trials have their own say
}

// TestBackendFaults has every operation meet every fault of a backend, in front
// of two real servers: the answer is what it should be, or an error of S3, or a
// connection that is cut; no byte is wrong, nothing half-made is seen, both the
// intent and its end are on the record, and the same request succeeds after it.
func TestBackendFaults(t *testing.T) {
	t.Parallel()
	for name, server := range map[string]func(testing.TB) *servers.Server{"versitygw": servers.Versitygw, "minio": servers.MinIO} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBehind(t, server(t))
			b.tryAll(t)
			b.settle(t)
			if code := b.Stop(t); code != 0 {
				t.Errorf("stopping: exit code %d", code)
			}
			if _, err := audit.Verify(b.AuditDir(), audit.VerifyOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
}
