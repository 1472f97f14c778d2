// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// testConfig is quick: it syncs nothing. Close and kill lose nothing by that,
// only a power cut would.
func testConfig(t *testing.T) Config {
	t.Helper()
	c, _ := fakeConfig(t)
	return c
}

// at moves a configuration to another directory.
func at(c Config, dir string) Config {
	c.Dir, c.disk = dir, newFakeDisk(dir)
	return c
}

// realConfig syncs. It is small: little reserved space, so that segments are
// several.
func realConfig(t *testing.T) Config {
	t.Helper()
	return Config{
		Dir: filepath.Join(t.TempDir(), "audit"), Reserve: 8 << 10, ReopenFree: 1,
		CheckpointEvery: time.Hour, CommitDeadline: 20 * time.Second,
	}
}

func mustOpen(t *testing.T, c Config) *Log {
	t.Helper()
	l, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func mustClose(t *testing.T, l *Log) {
	t.Helper()
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func mustVerify(t *testing.T, dir string, o VerifyOptions) Report {
	t.Helper()
	r, err := Verify(dir, o)
	if err != nil {
		t.Fatalf("verify: %v", err)
	}
	return r
}

func read(key string) Event {
	return Event{
		Event: "artifact.read", Actor: "spiffe://acme.ai/ns/fraud/train", ActorType: "service",
		Action: "GetObject", Bucket: "models", Key: key, Decision: "allow", Rule: "roles.t.can[0]@3",
		Reason: "", SrcIP: "192.0.2.7", RequestID: "01JD6QK3W8Z5V9T0N4X7B2M1RC",
	}
}

func write(key string) Event {
	e := read(key)
	e.Event, e.Action, e.AwaitOutcome = "artifact.write", "PutObject", true
	return e
}

func begin(t *testing.T, l *Log, e Event) Pending {
	t.Helper()
	p, err := l.Begin(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func end(t *testing.T, p Pending) {
	t.Helper()
	if err := p.End(t.Context(), Outcome{Status: 200, BytesSent: 12, Duration: time.Millisecond}); err != nil {
		t.Fatal(err)
	}
}

func TestLifeOfALog(t *testing.T) {
	t.Parallel()
	c := realConfig(t)
	l := mustOpen(t, c)
	for i := range 5 {
		end(t, begin(t, l, read(fmt.Sprintf("fraud/v%d", i))))
		end(t, begin(t, l, write(fmt.Sprintf("fraud/w%d", i))))
	}
	if _, err := l.Deny(t.Context(), read("secret")); err != nil {
		t.Fatal(err)
	}
	reg := l.Registration()
	mustClose(t, l)
	if _, err := l.Begin(t.Context(), read("late")); !errors.Is(err, ErrStopped) {
		t.Errorf("Begin after Close: %v", err)
	}
	r := mustVerify(t, c.Dir, VerifyOptions{Registered: []Registration{reg}})
	want := "log " + reg.Log[:8] + ": 23 records, 1 segment, 1 checkpoint: no gap, no change, every intent has its outcome"
	if r.String() != want {
		t.Errorf("got  %s\nwant %s", r, want)
	}
}

func TestManyStartsAndWriters(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.SegmentSize = 64 << 10
	const starts, writers, each = 3, 16, 40
	for range starts {
		l := mustOpen(t, c)
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for i := range each {
					e := read(fmt.Sprintf("w%d/%d", w, i))
					e.AwaitOutcome = i%4 == 0
					p, err := l.Begin(context.Background(), e)
					if err != nil {
						t.Error(err)
						return
					}
					if err := p.End(context.Background(), Outcome{Status: 200}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		mustClose(t, l)
	}
	r := mustVerify(t, c.Dir, VerifyOptions{})
	if want := uint64(starts * (2 + 2*writers*each)); r.Records != want {
		t.Errorf("%d records, want %d", r.Records, want)
	}
	if r.Epoch != starts || r.Segments < 2*starts || r.Open != 0 {
		t.Errorf("%+v", r)
	}
}

func waitFor(t *testing.T, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited too long")
		}
	}
}
