// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// The child is this test binary again. It writes to a log and says on pipe 3
// what was acknowledged, until it is killed or has done its work.
const (
	childDir   = "SEALGATE_AUDIT_TEST_CHILD"
	childPoint = "SEALGATE_AUDIT_TEST_POINT" // kill yourself at the nth call of this point
	childNth   = "SEALGATE_AUDIT_TEST_NTH"
	childWork  = "SEALGATE_AUDIT_TEST_WORK" // records per writer
)

func childConfig(dir string) Config {
	return Config{
		Dir: dir, disk: newFakeDisk(dir), Reserve: 8 << 10, SegmentSize: 12 << 10, ReopenFree: 1,
		CheckpointEvery: 5 * time.Millisecond, CommitDeadline: time.Minute, VerifyAtOpen: 1,
	}
}

// TestMain lets this binary also be the process that a test kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		child(dir)
		return
	}
	os.Exit(m.Run())
}

func child(dir string) {
	c := childConfig(dir)
	nth, _ := strconv.Atoi(os.Getenv(childNth))
	var calls atomic.Int32
	c.Persist = func(point string) {
		if point == os.Getenv(childPoint) && int(calls.Add(1)) == nth {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	said := os.NewFile(3, "ledger")
	l, err := Open(c)
	if err != nil {
		say(said, "error %v\n", err)
		return
	}
	work, _ := strconv.Atoi(os.Getenv(childWork))
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() { childWriter(l, said, w, work) })
	}
	wg.Wait()
	if err := l.Close(context.Background()); err != nil {
		say(said, "error %v\n", err)
	}
}

func childWriter(l *Log, said io.Writer, w, work int) {
	for i := range work {
		e := read(fmt.Sprintf("%d/%d/%d", os.Getpid(), w, i))
		e.AwaitOutcome = i%2 == 0
		p, err := l.Begin(context.Background(), e)
		if err != nil {
			say(said, "error %v\n", err)
			return
		}
		say(said, "intent %d %s\n", p.Receipt().Seq, e.Key)
		if err := p.End(context.Background(), Outcome{Status: 200}); err != nil {
			say(said, "error %v\n", err)
			return
		}
		if e.AwaitOutcome {
			say(said, "outcome %d %s\n", p.Receipt().Seq, e.Key)
		}
	}
}

// say writes one line to the parent, which hears it only if it was whole.
func say(w io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(w, format, args...)
}

// acknowledged is what children said was safe, over all of their lives.
type acknowledged struct {
	intents  map[uint64]string
	outcomes map[uint64]bool
}

// run runs one child. It reports whether the child was killed.
func (a *acknowledged) run(t *testing.T, dir string, kill time.Duration, env ...string) bool {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), childDir+"="+dir), env...)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.ExtraFiles = []*os.File{w}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	if kill > 0 {
		time.AfterFunc(kill, func() { _ = cmd.Process.Kill() })
	}
	a.read(t, r)
	err = cmd.Wait()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if err != nil && (!ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL) {
		t.Fatalf("child: %v", err)
	}
	return err != nil
}

func (a *acknowledged) read(t *testing.T, r io.Reader) {
	t.Helper()
	in := bufio.NewScanner(r)
	for in.Scan() {
		kind, rest, _ := strings.Cut(in.Text(), " ")
		num, key, _ := strings.Cut(rest, " ")
		seq, err := strconv.ParseUint(num, 10, 64)
		switch {
		case kind == "error" || err != nil:
			t.Errorf("child: %s", in.Text())
		case kind == "intent":
			a.intents[seq] = key
		default:
			a.outcomes[seq] = true
		}
	}
}

// check holds the log against what was acknowledged.
func (a *acknowledged) check(t *testing.T, dir string) {
	t.Helper()
	// As the crash left it: nothing is damaged, something may be open.
	r, err := Verify(dir, VerifyOptions{})
	if err != nil && r.Records > 0 {
		t.Fatalf("after the crash: %v", err)
	}
	l, err := Open(childConfig(dir))
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, l)
	if r := mustVerify(t, dir, VerifyOptions{}); r.Open != 0 {
		t.Errorf("%s", r)
	}
	intents, outcomes := make(map[uint64]string), make(map[uint64]bool)
	for _, rec := range records(t, dir, SearchQuery{}) {
		switch {
		case rec.Phase == PhaseIntent:
			intents[rec.Seq] = rec.Key
		case rec.Phase == PhaseOutcome && rec.Status == 200:
			outcomes[rec.Of] = true
		}
	}
	for seq, key := range a.intents {
		if intents[seq] != key {
			t.Errorf("intent %d of %s was acknowledged; the log has %q there", seq, key, intents[seq])
		}
	}
	for seq := range a.outcomes {
		if !outcomes[seq] {
			t.Errorf("the outcome of %d was acknowledged; the log does not have it", seq)
		}
	}
}

func newAcknowledged() *acknowledged {
	return &acknowledged{intents: make(map[uint64]string), outcomes: make(map[uint64]bool)}
}

// TestKillLoop kills writers at random moments, again and again on one log.
func TestKillLoop(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts many processes")
	}
	dir := filepath.Join(t.TempDir(), "audit")
	a := newAcknowledged()
	for i := range 8 {
		a.run(t, dir, time.Duration(40+31*i)*time.Millisecond, childWork+"=1000000")
		a.check(t, dir)
	}
	if len(a.intents) < 100 {
		t.Errorf("only %d records were acknowledged: the loop tests little", len(a.intents))
	}
	t.Logf("%d intents and %d outcomes acknowledged", len(a.intents), len(a.outcomes))
}

// TestKillPoints kills at the first calls of every step that makes something
// durable, twice in a row, so that recovery is killed too.
func TestKillPoints(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts many processes")
	}
	for _, point := range PersistPoints {
		t.Run(strings.TrimPrefix(point, "audit/"), func(t *testing.T) {
			t.Parallel()
			killed := 0
			for _, nth := range []int{1, 2, 9} {
				dir := filepath.Join(t.TempDir(), "audit")
				a := newAcknowledged()
				for range 2 {
					if a.run(t, dir, 0, childWork+"=25", childPoint+"="+point, fmt.Sprintf("%s=%d", childNth, nth)) {
						killed++
					}
					if point == pointCut {
						// Nothing is cut unless something is torn.
						a.run(t, dir, 0, childWork+"=1000", childPoint+"="+pointSync, childNth+"=20")
						tear(t, dir)
					}
				}
				a.check(t, dir)
			}
			if killed == 0 {
				t.Error("never came there")
			}
		})
	}
}

// tear adds the beginning of a record to the newest segment of a log whose
// writer was killed.
func tear(t *testing.T, dir string) {
	t.Helper()
	names, err := os.ReadDir(filepath.Join(dir, segmentDir))
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, segmentDir, names[len(names)-1].Name())
	b := strings.TrimRight(string(readFile(t, name)), "\x00")
	writeFile(t, []byte(b+`{"v":1,"log":"`), name)
}
