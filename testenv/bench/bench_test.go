// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A server that gives other bytes than were put must not get a figure.
func TestPayloadIsVerified(t *testing.T) {
	t.Parallel()
	const size = 2*period + 100
	whole, err := io.ReadAll(newPayload(7, size))
	if err != nil || len(whole) != size {
		t.Fatalf("%d bytes, %v", len(whole), err)
	}
	check := func(b []byte) error {
		_, err := newPayload(7, size).Write(b)
		return err
	}
	if err := check(whole); err != nil {
		t.Errorf("the bytes that were put: %v", err)
	}
	const segment = 64 << 10
	swapped := append(append(bytes.Clone(whole[segment:2*segment]), whole[:segment]...), whole[2*segment:]...)
	flipped := bytes.Clone(whole)
	flipped[size-1] ^= 1
	for name, b := range map[string][]byte{
		"one bit": flipped, "a byte too many": append(bytes.Clone(whole), 0), "segments swapped": swapped, "another seed's": mustRead(t, newPayload(8, size)),
	} {
		if check(b) == nil {
			t.Errorf("%s: taken for what was put", name)
		}
	}
}

func mustRead(t *testing.T, r io.Reader) []byte {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestLoad(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	done := map[int]int{}
	count := load{clients: 8, ops: 100, do: func(i int) error {
		mu.Lock()
		defer mu.Unlock()
		done[i]++
		return nil
	}}
	if rate, err := count.run(); rate <= 0 || err != nil || len(done) != 100 {
		t.Errorf("%v ops/s, %v, %d operations", rate, err, len(done))
	}
	for i, n := range done {
		if n != 1 || i < 0 || i >= 100 {
			t.Errorf("operation %d was done %d times", i, n)
		}
	}
	broken := errors.New("broken")
	if _, err := (load{clients: 2, ops: 10, do: func(int) error { return broken }}).run(); !errors.Is(err, broken) {
		t.Errorf("got %v, want the failure of an operation", err)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	got, err := parse("goos: linux\nBenchmarkSeal/segments-2 \t 100\t 12.5 ns/op\t  5000.00 MB/s\nBenchmarkX-64 \t 1 \t 7 p50-us\nPASS\n")
	want := map[string]metrics{"Seal/segments": {"ns/op": 12.5, "MB/s": 5000}, "X": {"p50-us": 7}}
	if err != nil || !cmp.Equal(got, want) {
		t.Errorf("%v\n%s", err, cmp.Diff(want, got))
	}
}

// Work costs time, and waiting does not.
func TestCPUSeconds(t *testing.T) {
	t.Parallel()
	before, err := cpuSeconds(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for after := before; after < before+0.05; {
		newPayload(1, period).skip(1)
		if after, err = cpuSeconds(os.Getpid()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := cpuSeconds(-1); err == nil {
		t.Error("a process that is not there used CPU time")
	}
}

// The workers of a proxy are children of the process that was started.
func TestFamilySeconds(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", "while :; do :; done") // ended with the test
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = cmd.Process.Kill(), cmd.Wait() }()
	for end := time.Now().Add(time.Minute); ; {
		family, err := familySeconds(os.Getpid())
		alone, aerr := cpuSeconds(os.Getpid()) // later: what it used since then is not the child's
		if err := errors.Join(err, aerr); err != nil {
			t.Fatal(err)
		}
		if family > alone+0.05 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("with a child that works: %v s, without: %v s", family, alone)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestResults(t *testing.T) {
	t.Parallel()
	results := []Result{
		against("ratio", "MiB/s", rounds{90, 50, 95}, "other", rounds{100, 100, 100}).atLeast(0.9),
		against("missed", "MiB/s", rounds{80}, "other", rounds{100}).atLeast(0.9),
		figure("value", "ms", rounds{4}).atMost(5),
		figure("reported", "ops/s", rounds{1, 2}).costing(costs{gateway: rounds{250, 260, 270}, proxy: rounds{90, 100, 110}}),
	}
	var table bytes.Buffer
	file := filepath.Join(t.TempDir(), "out", "latest.json")
	if err := write(&table, file, results); err != nil {
		t.Fatal(err)
	}
	if strings.Count(table.String(), "yes") != 2 || strings.Count(table.String(), "NO") != 1 {
		t.Errorf("two bars hold and one does not:\n%s", &table)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got []Result
	if err := json.Unmarshal(b, &got); err != nil || !cmp.Equal(got, results) {
		t.Errorf("%v\n%s", err, cmp.Diff(results, got))
	}
	if results[1].beside() != "" {
		t.Error("a row without a floor is held against one")
	}
	if r := results[0]; r.Value != 90 || r.Ratio != 0.9 || !*r.Holds {
		t.Errorf("medians of three rounds: %+v", r)
	}
}
