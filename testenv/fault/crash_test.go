// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/testenv/gate"
)

// A gateway killed in the middle of a large PUT has the old object or the new
// one afterwards, whole; the record says which, and that it was cut off.
func TestKillDuringPut(t *testing.T) {
	t.Parallel()
	g := gate.Start(t, gate.Options{})
	old := random(3 << 20)
	put(t, g, g.Client(t, "/writer"), "big", old)
	whole := bytes.Repeat(random(1<<20), 64)
	absent := 0
	for i := range 8 {
		c := g.Client(t, "/writer")
		fresh := fmt.Sprintf("fresh%d", i)
		done := make(chan struct{}, 2)
		for _, key := range []string{"big", fresh} {
			go func() {
				_, _ = g.Try(c, http.MethodPut, "/models/"+key, paced{bytes.NewReader(whole), 100 * time.Microsecond}, int64(len(whole)), nil) // cut off, as a rule
				done <- struct{}{}
			}()
		}
		time.Sleep(50*time.Millisecond + time.Duration(rand.IntN(700))*time.Millisecond)
		g.Kill()
		<-done
		<-done
		if err := g.Restart(t, nil); err != nil {
			t.Fatalf("starting again: %v", err)
		}
		c = g.Client(t, "/writer")
		a := get(t, g, c, "big")
		switch {
		case a.Status == http.StatusOK && bytes.Equal(a.Body, whole):
			put(t, g, c, "big", old)
		case a.Status != http.StatusOK || !bytes.Equal(a.Body, old):
			t.Fatalf("kill %d: got %d and %d bytes, want the old object or the new one", i, a.Status, len(a.Body))
		}
		f := get(t, g, c, fresh)
		switch {
		case f.Status == http.StatusNotFound:
			absent++
		case f.Status != http.StatusOK || !bytes.Equal(f.Body, whole):
			t.Fatalf("kill %d: got %d and %d bytes, want the object whole or absent", i, f.Status, len(f.Body))
		}
		checkReconciled(t, g, fresh, f.Status == http.StatusOK)
		if left := leftovers(t, g); len(left) > 0 {
			t.Errorf("kill %d: left behind: %q", i, left)
		}
	}
	if absent == 0 {
		t.Error("no kill came before the end of a PUT")
	}
	verify(t, g)
}

// checkReconciled wants one outcome for the write of a key, and if recovery
// wrote it, that it tells what is there.
func checkReconciled(t *testing.T, g *gate.Gate, key string, there bool) {
	t.Helper()
	intents, ends := outcomes(t, g, "models/"+key)
	if intents == 0 {
		if there {
			t.Errorf("%s is there without a record", key)
		}
		return
	}
	if intents != 1 || len(ends) != 1 {
		t.Errorf("%s: %d intents and %d outcomes, want one each", key, intents, len(ends))
		return
	}
	want := map[bool]string{true: audit.ReconciledPresent, false: audit.ReconciledAbsent}[there]
	if e := ends[0]; e.Reconciled != want && (e.Reconciled != "" || there != (e.Status == http.StatusOK)) {
		t.Errorf("%s: the record says %q, status %d; it is there: %t", key, e.Reconciled, e.Status, there)
	}
}

// What was stored opens after every kind of end.
func TestRestart(t *testing.T) {
	t.Parallel()
	g := gate.Start(t, gate.Options{})
	objects := map[string][]byte{}
	for i, end := range []string{"stop", "kill", "stop"} {
		c := g.Client(t, "/writer")
		for _, size := range []int{0, 1, 65536, 1 << 20} {
			key := fmt.Sprintf("restart/%d/%d", i, size)
			objects[key] = random(size)
			put(t, g, c, key, objects[key])
		}
		if end == "kill" {
			g.Kill()
		} else if code := g.Stop(t); code != 0 {
			t.Fatalf("stopping: exit code %d: %s", code, g.Log())
		}
		if err := g.Restart(t, nil); err != nil {
			t.Fatal(err)
		}
		c = g.Client(t, "/writer")
		for key, want := range objects {
			if a := get(t, g, c, key); a.Status != http.StatusOK || !bytes.Equal(a.Body, want) {
				t.Errorf("after %s: %s: got %d and %d bytes", end, key, a.Status, len(a.Body))
			}
		}
	}
	verify(t, g)
}

// A gateway that is told to end finishes what runs, takes nothing new, and
// ends with 0.
func TestStopDuringTransfer(t *testing.T) {
	t.Parallel()
	g := gate.Start(t, gate.Options{})
	whole := random(24 << 20)
	put(t, g, g.Client(t, "/writer"), "big", whole)
	resp, err := g.Client(t, "/writer").Get(g.Endpoint + "/models/big")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	uploaded := make(chan int, 1)
	up := g.Client(t, "/writer")
	go func() {
		a, err := g.Try(up, http.MethodPut, "/models/up", paced{bytes.NewReader(whole), 3 * time.Millisecond}, int64(len(whole)), nil)
		if err != nil {
			t.Errorf("a PUT that was running: %v", err)
		}
		uploaded <- a.Status
	}()
	soon(t, func() bool { n, _ := outcomes(t, g, "models/up"); return n == 1 }, "the beginning of the PUT")
	if err := g.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	soon(t, func() bool {
		_, err := g.Try(g.Client(t, "/writer"), http.MethodHead, "/models/big", nil, 0, nil)
		return err != nil
	}, "the listener to close")
	got, err := io.ReadAll(resp.Body)
	if err != nil || !bytes.Equal(got, whole) {
		t.Errorf("a GET that was running: %d bytes, %v", len(got), err)
	}
	if status := <-uploaded; status != http.StatusOK {
		t.Errorf("a PUT that was running: got %d, want 200", status)
	}
	if code := g.Wait(t); code != 0 {
		t.Errorf("exit code %d, want 0: %s", code, g.Log())
	}
	verify(t, g)
	if err := g.Restart(t, nil); err != nil {
		t.Fatal(err)
	}
	if a := get(t, g, g.Client(t, "/writer"), "up"); !bytes.Equal(a.Body, whole) {
		t.Errorf("what was put while stopping: got %d and %d bytes", a.Status, len(a.Body))
	}
}

// A transfer that does not end in time is cut, and the gateway ends.
func TestDrainTimesOut(t *testing.T) {
	t.Parallel()
	g := gate.Start(t, gate.Options{Config: map[string]string{"limits": "{drain: 1s}"}})
	put(t, g, g.Client(t, "/writer"), "big", make([]byte, 48<<20))
	resp, err := g.Client(t, "/writer").Get(g.Endpoint + "/models/big")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	start := time.Now()
	if code := g.Stop(t); code != 0 {
		t.Errorf("exit code %d, want 0: %s", code, g.Log())
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("stopping took %s with a drain of 1s", took)
	}
	if n, err := io.Copy(io.Discard, resp.Body); err == nil {
		t.Errorf("a transfer that was cut ended cleanly with %d bytes", n)
	}
	for _, r := range g.Records(t, audit.SearchQuery{}) {
		if r.Phase == audit.PhaseOutcome && r.Abort == audit.AbortShutdown {
			verify(t, g)
			return
		}
	}
	t.Error("no outcome says that the transfer was cut by the end of the gateway")
}

// Clients that vanish in the middle of a PUT leave nothing behind.
func TestClientsVanish(t *testing.T) {
	t.Parallel()
	g := gate.Start(t, gate.Options{})
	const clients = 10
	for i := range clients {
		c := g.Client(t, "/writer")
		r, w := io.Pipe()
		go func() {
			_, _ = w.Write(make([]byte, 2<<20)) // fails when the request does
			_ = w.CloseWithError(io.ErrClosedPipe)
		}()
		if a, err := g.Try(c, http.MethodPut, fmt.Sprintf("/models/vanish/%d", i), r, 20<<20, nil); err == nil && a.Status < 300 {
			t.Errorf("a cut PUT got %d", a.Status)
		}
	}
	soon(t, func() bool { n, ends := outcomes(t, g, "models/vanish/*"); return n == clients && len(ends) == clients }, "the outcomes of cut PUTs")
	if left := leftovers(t, g); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	_, ends := outcomes(t, g, "models/vanish/*")
	for _, e := range ends {
		if e.Status == http.StatusOK || e.BytesReceived >= 20<<20 {
			t.Errorf("record %d: status %d, %d bytes", e.Seq, e.Status, e.BytesReceived)
		}
	}
}
