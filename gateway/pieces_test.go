// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/s3api"
	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/storetest"
)

func TestPageTokenIsForOneListing(t *testing.T) {
	t.Parallel()
	keys, _ := testKeys()
	others, _ := testKeys()
	scope := pageScope{Identity: "spiffe://acme.ai/a", Bucket: "data", Prefix: "ab", Delimiter: "c"}
	token, err := sealPage(pageBox(keys), scope, "ab/last")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(token, "last") {
		t.Errorf("the token shows its name: %s", token)
	}
	if got, err := openPage(pageBox(keys), scope, token); got != "ab/last" || err != nil {
		t.Fatalf("own listing: got %q %v", got, err)
	}
	for name, s := range map[string]pageScope{
		"identity":       {"spiffe://acme.ai/b", "data", "ab", "c"},
		"bucket":         {scope.Identity, "datb", "ab", "c"},
		"prefix":         {scope.Identity, "data", "a", "c"},
		"delimiter":      {scope.Identity, "data", "ab", "/"},
		"moved boundary": {scope.Identity, "data", "a", "bc"},
	} {
		if _, err := openPage(pageBox(keys), s, token); !errors.Is(err, errPageToken) {
			t.Errorf("another %s: got %v, want %v", name, err, errPageToken)
		}
	}
	if _, err := openPage(pageBox(others), scope, token); !errors.Is(err, errPageToken) {
		t.Errorf("another deployment: got %v", err)
	}
	for i := range token {
		if _, err := openPage(pageBox(keys), scope, token[:i]); !errors.Is(err, errPageToken) {
			t.Errorf("token cut to %d: got %v", i, err)
		}
	}
}

func TestPinsHoldAnObjectToItsTag(t *testing.T) {
	t.Parallel()
	var p pins
	one, two := envelope.NewID(), envelope.NewID()
	for range 2 {
		if !p.check("data", "k", "tag", one) {
			t.Error("the same object is refused")
		}
	}
	if p.check("data", "k", "tag", two) {
		t.Error("another object under the same tag passes")
	}
	for _, other := range [][3]string{{"data", "k", "tag2"}, {"data", "k2", "tag"}, {"datak", "", "tag"}, {"dat", "ak", "tag"}} {
		if !p.check(other[0], other[1], other[2], two) {
			t.Errorf("%q is taken for the first", other)
		}
	}
	for i := range maxPins { // what was pinned lately outlives a full half
		p.check("data", fmt.Sprint("fill", i), "tag", two)
	}
	if p.check("data", "k", "tag", two) {
		t.Error("a pin is forgotten when the newer half fills up")
	}
	for i := range 3 * maxPins {
		p.check("data", fmt.Sprint("more", i), "tag", two)
	}
	if n := len(p.now) + len(p.old); n > 2*maxPins {
		t.Errorf("%d pins are kept, want at most %d", n, 2*maxPins)
	}
}

func TestPaceCountsWaitingAlone(t *testing.T) {
	t.Parallel()
	start := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	p := pace{rate: 1000}
	if got := p.deadline(start); got != start.Add(paceWindow) {
		t.Errorf("first deadline: got %v", got.Sub(start))
	}
	p.step(100, start, start.Add(10*time.Second))
	later := start.Add(time.Hour) // the store was slow: the peer does not pay for it
	if got := p.deadline(later); got != later.Add(paceWindow-10*time.Second) {
		t.Errorf("after 10 s of waiting: got %v", got.Sub(later))
	}
	p.step(30_000, later, later.Add(time.Second))
	if got := p.deadline(later); got != later.Add(paceWindow) {
		t.Errorf("after a window's worth: got %v", got.Sub(later))
	}
}

func TestAlgorithmsAreOneList(t *testing.T) {
	t.Parallel()
	pairs := map[s3api.Algorithm]envelope.ChecksumAlgorithm{
		s3api.ChecksumNone: envelope.ChecksumNone, s3api.ChecksumCRC32: envelope.ChecksumCRC32, s3api.ChecksumCRC32C: envelope.ChecksumCRC32C,
		s3api.ChecksumCRC64NVME: envelope.ChecksumCRC64NVME, s3api.ChecksumSHA1: envelope.ChecksumSHA1, s3api.ChecksumSHA256: envelope.ChecksumSHA256,
	}
	for wire, format := range pairs {
		if got := sealedChecksum(s3api.Checksum{Algorithm: wire}).Algorithm; got != format {
			t.Errorf("%v is sealed as %v, want %v", wire, got, format)
		}
		if got := wireChecksum(envelope.Checksum{Algorithm: format}).Algorithm; got != wire {
			t.Errorf("%v is answered as %v, want %v", format, got, wire)
		}
	}
}

// crashed is a log whose last run left changes open.
type crashed struct {
	open    []audit.Unfinished
	results map[string]string
}

func (c *crashed) Unfinished() []audit.Unfinished { return c.open }

func (c *crashed) Reconcile(_ context.Context, u audit.Unfinished, result string) error {
	c.results[u.Record.Key] = result
	return nil
}

func TestReconcileAfterACrash(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	c := w.client("/writer")
	mine := w.put(c, "/data/mine", []byte("x")).header.Get("X-Sealgate-Object")
	w.put(c, "/data/replaced", []byte("x"))
	w.put(c, "/data/broken", []byte("x"))
	w.store.Add(storetest.Rule{Key: "broken", Err: store.ErrUnavailable})
	w.store.Add(storetest.Rule{Key: "stripped", Object: func(o *store.Object) { o.Metadata = "" }})
	w.put(c, "/data/stripped", []byte("x"))
	log := &crashed{results: map[string]string{}}
	add := func(event, bucket, key, object string) {
		log.open = append(log.open, audit.Unfinished{Record: audit.Record{Event: event, Bucket: bucket, Key: key, Object: object}})
	}
	other := envelope.NewID().String()
	add("artifact.write", "data", "mine", mine)
	add("artifact.write", "data", "replaced", other)
	add("artifact.write", "data", "absent", other)
	add("artifact.write", "data", "broken", other)
	add("artifact.write", "data", "stripped", other)
	add("artifact.write", "nowhere", "gone", other)
	add("artifact.write", "data", "nameless", "")
	add("artifact.delete", "data", "replaced2", "")
	want := map[string]string{
		"mine": "present", "replaced": "absent", "absent": "absent", "broken": "unknown", "stripped": "unknown",
		"gone": "unknown", "nameless": "unknown", "replaced2": "absent",
	}
	if err := w.g.Reconcile(context.Background(), log); err != nil {
		t.Fatal(err)
	}
	for key, result := range want {
		if log.results[key] != result {
			t.Errorf("%s: got %q, want %q", key, log.results[key], result)
		}
	}
}

func TestPanicTextHoldsNoValue(t *testing.T) {
	t.Parallel()
	if got := panicText("the secret value"); strings.Contains(got, "secret") {
		t.Errorf("got %q", got)
	}
	func() {
		defer func() {
			if got := panicText(recover()); !strings.Contains(got, "index out of range") {
				t.Errorf("a fault of the runtime: got %q", got)
			}
		}()
		var none []int
		_ = none[len(t.Name())]
	}()
	if got := stack(); !strings.Contains(got, "TestPanicTextHoldsNoValue") || strings.Contains(got, "0x") {
		t.Errorf("stack: %s", got)
	}
}
