// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// program is the test program of another package, whose own benchmarks are
// measured here instead of being written a second time.
type program struct{ path, dir string }

// compile builds the test program of a package, named by its path in the
// module.
func compile(t testing.TB, pkg string) program {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", "..", filepath.FromSlash(pkg)))
	if err != nil {
		t.Fatal(err)
	}
	p := program{path: filepath.Join(t.TempDir(), "test"), dir: dir}
	cmd := exec.Command("go", "test", "-c", "-o", p.path, "./"+pkg) //nolint:noctx // ends by itself
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the tests of %s: %v\n%s", pkg, err, out)
	}
	return p
}

// metrics are the figures of one benchmark, by unit.
type metrics map[string]float64

// run runs the benchmarks whose names match pattern, once, and gives their
// figures by name without "Benchmark".
func (p program) run(t testing.TB, pattern string, args ...string) map[string]metrics {
	t.Helper()
	cmd := exec.Command(p.path, append([]string{"-test.run=^$", "-test.bench=" + pattern}, args...)...) //nolint:noctx // ends by itself
	cmd.Dir = p.dir
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", pattern, err, out, errs.Bytes())
	}
	found, err := parse(string(out))
	if err != nil || len(found) == 0 {
		t.Fatalf("%s: %d figures, %v:\n%s", pattern, len(found), err, out)
	}
	return found
}

// cpus is what a benchmark's name ends in when it ran on more than one.
var cpus = regexp.MustCompile(`-\d+$`)

// parse reads lines of the form "BenchmarkX-2  100  12.3 ns/op  4 B/op".
func parse(out string) (map[string]metrics, error) {
	found := map[string]metrics{}
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) < 4 || !strings.HasPrefix(f[0], "Benchmark") {
			continue
		}
		m := metrics{}
		for i := 2; i+1 < len(f); i += 2 {
			v, err := strconv.ParseFloat(f[i], 64)
			if err != nil {
				return nil, fmt.Errorf("reading %q: %w", line, err)
			}
			m[f[i+1]] = v
		}
		found[cpus.ReplaceAllString(strings.TrimPrefix(f[0], "Benchmark"), "")] = m
	}
	return found, nil
}
