// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// records are the durable records, decoded, as Search sees them.
func records(t *testing.T, dir string, q SearchQuery) []Record {
	t.Helper()
	var out []Record
	if err := Search(dir, q, func(m Match) bool { out = append(out, m.Record); return true }); err != nil {
		t.Fatal(err)
	}
	return out
}

func tryBegin(l *Log, e Event) error {
	p, err := l.Begin(context.Background(), e)
	if err != nil {
		return err
	}
	return p.End(context.Background(), Outcome{Status: 200})
}

// TestNoSpace: every way in which a disk can be full closes the log, fails
// who waits, leaves nothing of the batch, and ends by itself.
func TestNoSpace(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]func(name string, off int64, b []byte) (int, error){
		"nothing written":        func(string, int64, []byte) (int, error) { return 0, unix.ENOSPC },
		"short write":            func(_ string, _ int64, b []byte) (int, error) { return len(b) / 2, unix.ENOSPC },
		"short write, no error":  func(_ string, _ int64, b []byte) (int, error) { return len(b) / 2, nil },
		"quota":                  func(string, int64, []byte) (int, error) { return 0, unix.EDQUOT },
		"all written, then full": func(_ string, _ int64, b []byte) (int, error) { return len(b), unix.ENOSPC },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, d := fakeConfig(t)
			c.ReopenFree = 1 << 20
			l := mustOpen(t, c)
			open := begin(t, l, write2())
			full := func(name string, off int64, b []byte) (int, error) {
				if !isSegment(name) || off < 0 {
					return -1, nil
				}
				return write(name, off, b)
			}
			d.on(full, nil, func() (int64, error) { return 4096, nil })
			if err := tryBegin(l, read("refused")); !errors.Is(err, ErrClosed) {
				t.Fatalf("full disk: %v", err)
			}
			s := l.State()
			if s.Health != Closed || !strings.Contains(s.Why, "no space left on "+c.Dir+" (4096 B free); nothing is served until 1MiB are free; it opens again by itself") {
				t.Errorf("state: %+v", s)
			}
			if b := readFile(t, c.Dir, segmentName(0)); bytes.Contains(b, []byte("refused")) || !bytes.HasSuffix(b, []byte("\n")) {
				t.Error("something of the refused batch is left in the file")
			}
			if err := tryBegin(l, read("refused")); !errors.Is(err, ErrClosed) {
				t.Errorf("closed: %v", err)
			}
			if _, err := l.Deny(t.Context(), read("refused")); !errors.Is(err, ErrClosed) {
				t.Errorf("closed, deny: %v", err)
			}
			if err := open.End(t.Context(), Outcome{Status: 200}); !errors.Is(err, ErrClosed) {
				t.Errorf("closed, end: %v", err)
			}
			d.on(nil, nil, func() (int64, error) { return 4096, nil })
			time.Sleep(1200 * time.Millisecond)
			if l.State().Health != Closed {
				t.Error("opened again with less free space than asked for")
			}
			d.on(nil, nil, nil)
			waitFor(t, func() bool { return tryBegin(l, read("after")) == nil })
			mustClose(t, l)
			r := mustVerify(t, c.Dir, VerifyOptions{})
			if r.Open != 0 {
				t.Errorf("%s", r)
			}
			if got := records(t, c.Dir, SearchQuery{Path: "models/refused"}); len(got) != 0 {
				t.Errorf("a refused intent is in the log: %+v", got)
			}
			if got := records(t, c.Dir, SearchQuery{Event: EventReopen}); len(got) != 1 || got[0].Count < 3 {
				t.Errorf("log.reopen: %+v", got)
			}
		})
	}
}

func write2() Event { return write("kept") }

// TestReservedSpaceIsUsed: a disk without space for more is a warning while
// there is reserved space.
func TestReservedSpaceIsUsed(t *testing.T) {
	t.Parallel()
	c, d := fakeConfig(t)
	c.Reserve, c.SegmentSize = 128<<10, 16<<10
	l := mustOpen(t, c)
	d.on(func(name string, off int64, b []byte) (int, error) {
		if !isSegment(name) {
			return -1, nil
		}
		if off < 0 || b[0] == 0 {
			return 0, unix.ENOSPC
		}
		return -1, nil
	}, nil, nil)
	for i := range 60 {
		if err := tryBegin(l, read(fmt.Sprint(i))); err != nil {
			t.Fatalf("%d: %v", i, err)
		}
	}
	s := l.State()
	if s.Health != Healthy || !strings.Contains(s.Warning, "no space") {
		t.Errorf("%+v", s)
	}
	var err error
	for i := 0; err == nil && i < 1000; i++ {
		err = tryBegin(l, read("x"))
	}
	if l.State().Health != Closed {
		t.Error("not closed when it was spent")
	}
	d.on(nil, nil, nil)
	waitFor(t, func() bool { return tryBegin(l, read("after")) == nil })
	mustClose(t, l)
	mustVerify(t, c.Dir, VerifyOptions{})
}

// TestPoison: any other error of a write, and any error of a sync, ends the
// process: nothing is written, synced or signed after it.
func TestPoison(t *testing.T) {
	t.Parallel()
	onSegments := func(err error) func(string, int64, []byte) (int, error) {
		return func(name string, _ int64, _ []byte) (int, error) {
			if isSegment(name) {
				return 0, err
			}
			return -1, nil
		}
	}
	syncs := func(prefix string, err error) func(string) error {
		return func(name string) error {
			if strings.HasPrefix(name, prefix) {
				return err
			}
			return nil
		}
	}
	for name, c := range map[string]struct {
		write func(string, int64, []byte) (int, error)
		sync  func(string) error
	}{
		"write EIO":             {write: onSegments(unix.EIO)},
		"write EROFS":           {write: onSegments(unix.EROFS)},
		"fdatasync EIO":         {sync: syncs(segmentDir+"/", unix.EIO)},
		"fdatasync ENOSPC":      {sync: syncs(segmentDir+"/", unix.ENOSPC)},
		"checkpoint sync EIO":   {sync: syncs(checkpointName, unix.EIO)},
		"tile sync EIO":         {sync: syncs(tileDir, unix.EIO)},
		"audit directory EIO":   {sync: syncs(".", unix.EIO)},
		"tile directory ENOSPC": {sync: syncs("tile/0/000.p", unix.ENOSPC)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, d := fakeConfig(t)
			l := mustOpen(t, cfg)
			before := l.Checkpoint()
			var calls atomic.Int32
			d.on(c.write, func(name string) error {
				if c.sync == nil {
					return nil
				}
				err := c.sync(name)
				if err != nil {
					calls.Add(1)
				}
				return err
			}, nil)
			err := tryBegin(l, write("x"))
			l.checkpoint()
			if fatal := <-l.Fatal(); !errors.Is(fatal, ErrPoisoned) {
				t.Fatalf("fatal: %v", fatal)
			}
			if c.write != nil && !errors.Is(err, ErrPoisoned) {
				t.Errorf("waiter: %v", err)
			}
			synced := calls.Load()
			d.on(nil, nil, nil) // the disk says that all is well again
			for range 3 {
				if err := tryBegin(l, read("after")); !errors.Is(err, ErrPoisoned) {
					t.Errorf("after: %v", err)
				}
			}
			if _, err := l.Deny(t.Context(), read("after")); !errors.Is(err, ErrPoisoned) {
				t.Errorf("deny after: %v", err)
			}
			l.checkpoint()
			var touched atomic.Int32
			d.on(func(string, int64, []byte) (int, error) { touched.Add(1); return -1, nil },
				func(string) error { touched.Add(1); return nil }, nil)
			time.Sleep(1200 * time.Millisecond)
			if touched.Load() != 0 {
				t.Error("the files were touched again")
			}
			if s := l.State(); s.Health != Poisoned || s.Why == "" {
				t.Errorf("%+v", s)
			}
			if err := l.Close(t.Context()); !errors.Is(err, ErrPoisoned) {
				t.Errorf("close: %v", err)
			}
			if calls.Load() != synced {
				t.Error("a failed sync was repeated")
			}
			if string(l.Checkpoint()) != string(before) {
				t.Error("a poisoned log was signed")
			}
			cfg.disk = newFakeDisk(cfg.Dir)
			l = mustOpen(t, cfg)
			mustClose(t, l)
			mustVerify(t, cfg.Dir, VerifyOptions{})
		})
	}
}

// TestStalledDisk: nobody waits longer than the deadline, who comes later is
// told at once, and the log opens again when the disk answers.
func TestStalledDisk(t *testing.T) {
	t.Parallel()
	c, d := fakeConfig(t)
	c.CommitDeadline = 200 * time.Millisecond
	l := mustOpen(t, c)
	w := begin(t, l, write("w"))
	stall := make(chan struct{})
	d.on(nil, func(name string) error {
		if isSegment(name) {
			<-stall
		}
		return nil
	}, nil)
	began := time.Now()
	if err := tryBegin(l, read("stalled")); !errors.Is(err, ErrDeadline) {
		t.Fatalf("first: %v", err)
	}
	waitFor(t, func() bool { return l.State().Health == Closed })
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("waited %s", took)
	}
	if err := tryBegin(l, read("later")); !errors.Is(err, ErrClosed) || !strings.Contains(err.Error(), "has not answered") {
		t.Errorf("later: %v", err)
	}
	if err := w.End(t.Context(), Outcome{Status: 200}); !errors.Is(err, ErrDeadline) {
		t.Errorf("outcome: %v", err)
	}
	d.on(nil, nil, nil)
	close(stall)
	waitFor(t, func() bool { return tryBegin(l, read("after")) == nil })
	mustClose(t, l)
	r := mustVerify(t, c.Dir, VerifyOptions{})
	if r.Open != 0 {
		t.Errorf("%s", r)
	}
	if got := records(t, c.Dir, SearchQuery{Path: "models/later"}); len(got) != 0 {
		t.Errorf("an intent that was refused at once is in the log: %+v", got)
	}
	got := records(t, c.Dir, SearchQuery{Path: "models/stalled"})
	if len(got) != 2 || got[1].Abort != AbortWithdrawn {
		t.Errorf("an intent that became durable too late: %+v", got)
	}
	if got := records(t, c.Dir, SearchQuery{Path: "models/w"}); len(got) != 2 || got[1].Status != 200 {
		t.Errorf("an outcome that became durable too late: %+v", got)
	}
}

// TestClientGone: a request that ends while it waits leaves no open intent.
func TestClientGone(t *testing.T) {
	t.Parallel()
	c, d := fakeConfig(t)
	l := mustOpen(t, c)
	stall := make(chan struct{})
	entered := make(chan struct{}, 16)
	d.on(nil, func(string) error { entered <- struct{}{}; <-stall; return nil }, nil)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i, want := range []error{context.Canceled, context.Canceled} {
		wg.Go(func() {
			if _, err := l.Begin(ctx, read(fmt.Sprint("gone", i))); !errors.Is(err, want) {
				t.Errorf("%d: %v", i, err)
			}
		})
		if i == 0 {
			<-entered // the first is in the batch, the second behind it
		}
	}
	waitFor(t, func() bool { return l.queue.len() == 1 })
	cancel()
	wg.Wait()
	d.on(nil, nil, nil)
	close(stall)
	if err := tryBegin(l, read("after")); err != nil {
		t.Fatal(err)
	}
	mustClose(t, l)
	if r := mustVerify(t, c.Dir, VerifyOptions{}); r.Open != 0 {
		t.Errorf("%s", r)
	}
	if got := records(t, c.Dir, SearchQuery{Path: "models/gone0"}); len(got) != 2 || got[1].Abort != AbortWithdrawn {
		t.Errorf("in the batch: %+v", got)
	}
	if got := records(t, c.Dir, SearchQuery{Path: "models/gone1"}); len(got) != 0 {
		t.Errorf("in the queue: %+v", got)
	}
}

// TestFullQueue: intents and refusals fail at once, outcomes never.
func TestFullQueue(t *testing.T) {
	t.Parallel()
	c, d := fakeConfig(t)
	l := mustOpen(t, c)
	p := begin(t, l, read("x"))
	w := begin(t, l, write("y"))
	stall := make(chan struct{})
	d.on(nil, func(string) error { <-stall; return nil }, nil)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range queueLimit + 1 {
		wg.Go(func() { _, _ = l.Begin(ctx, read("filler")) })
	}
	waitFor(t, func() bool {
		e, err := l.encode(&Record{Phase: PhaseIntent})
		return err == nil && errors.Is(l.queue.put(e), ErrBusy)
	})
	if _, err := l.Begin(t.Context(), read("more")); !errors.Is(err, ErrBusy) {
		t.Errorf("begin: %v", err)
	}
	if _, err := l.Deny(t.Context(), read("more")); !errors.Is(err, ErrBusy) {
		t.Errorf("deny: %v", err)
	}
	if err := p.End(t.Context(), Outcome{Status: 200}); err != nil {
		t.Errorf("lazy outcome: %v", err)
	}
	wg.Go(func() {
		if err := w.End(context.Background(), Outcome{Status: 200}); err != nil {
			t.Errorf("awaited outcome: %v", err)
		}
	})
	cancel()
	d.on(nil, nil, nil)
	close(stall)
	wg.Wait()
	if err := p.End(t.Context(), Outcome{}); !errors.Is(err, ErrEnded) {
		t.Errorf("second end: %v", err)
	}
	mustClose(t, l)
	mustVerify(t, c.Dir, VerifyOptions{})
}
