// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
)

// TestConstantMemory seals and opens a stream of 4 GiB through a pipe and
// counts everything that is allocated on the way.
func TestConstantMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("4 GiB through AES-GCM twice")
	}
	const size = 4 * gib
	s := newTestSealer(t, size)
	o := mustOpenHeader(t, s.Metadata())
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	pr, pw := io.Pipe()
	go func() {
		_, err := s.Reader(&idleReader{size}, noDigests).(io.WriterTo).WriteTo(pw)
		pw.CloseWithError(err)
	}()
	n, err := o.OpenAll(pr, s.StoredSize()).WriteTo(io.Discard)
	runtime.ReadMemStats(&after)
	if n != size || err != nil {
		t.Fatalf("opened %d bytes, error %v (%s)", n, err, Fault(err))
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 16<<20 {
		t.Errorf("4 GiB allocated %d MiB in all", used>>20)
	}
}

// TestFIPS runs the core of this package once more in a process where only
// approved cryptography works. cipher.NewGCM with nonces of our own would fail
// there, and so would a key or hash that is not approved.
func TestFIPS(t *testing.T) {
	t.Parallel()
	if os.Getenv("GODEBUG") == fipsOnly {
		t.Skip("this is the process that the test starts")
	}
	core := "^(TestRoundTrip|TestMultipart|TestVectors|TestRecordRoundTrip|TestRewrap|TestAttrBudget|TestSegments|TestForged|TestDerive)$"
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run="+core, "-test.v")
	cmd.Env = append(os.Environ(), "GODEBUG="+fipsOnly)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if n := strings.Count(string(out), "\n--- PASS: "); n != 9 {
		t.Errorf("%d tests ran under %s, want 9:\n%s", n, fipsOnly, out)
	}
}

const fipsOnly = "fips140=only"
