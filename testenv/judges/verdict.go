// SPDX-License-Identifier: Apache-2.0

package judges

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Verdicts are what a suite said: by the name of each test "", or what failed.
type Verdicts map[string]string

// Passed counts the tests that passed.
func (v Verdicts) Passed() int {
	n := 0
	for _, failed := range v {
		if failed == "" {
			n++
		}
	}
	return n
}

// Versity reads the output of the versitygw suite.
func Versity(r io.Reader) (Verdicts, error) {
	return read(r, func(line []byte) (string, string, error) {
		var d struct {
			Name, Error string
			OK          bool
		}
		err := json.Unmarshal(line, &d)
		if err == nil && !d.OK && d.Error == "" {
			d.Error = "failed"
		}
		return d.Name, d.Error, err
	})
}

// MinIO reads the output of the functional tests of minio-go, which may name a test
// more than once.
func MinIO(r io.Reader) (Verdicts, error) {
	return read(r, func(line []byte) (string, string, error) {
		var d struct {
			Name, Status, Alert, Message string
			Error                        any
		}
		if err := json.Unmarshal(line, &d); err != nil {
			return "", "", err
		}
		name := strings.TrimPrefix(d.Name, "minio-go: ")
		if d.Status == "PASS" {
			return name, "", nil
		}
		return name, strings.TrimSpace(fmt.Sprintf("%s %s %s %v", d.Status, d.Alert, d.Message, d.Error)), nil
	})
}

// read reads one verdict a line. A test that is named again has passed only if it
// always did.
func read(r io.Reader, parse func([]byte) (name, failed string, err error)) (Verdicts, error) {
	v := Verdicts{}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		name, failed, err := parse(lines.Bytes())
		if err != nil || name == "" {
			return nil, fmt.Errorf("not a verdict: %q: %w", lines.Text(), err)
		}
		if v[name] == "" {
			v[name] = failed
		}
	}
	return v, lines.Err()
}

// Exception is a test that may fail through the gateway though it passes bare.
type Exception struct {
	Suite, Name     string
	Section, Reason string
}

// ReadExceptions reads lines of four fields, parted by tabs: suite, test, section of
// S3.md, reason. Lines that begin with # are for people.
func ReadExceptions(r io.Reader) ([]Exception, error) {
	var all []Exception
	seen := map[string]bool{}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		if lines.Text() == "" || strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		f := strings.Split(lines.Text(), "\t")
		if len(f) != 4 || slices.Contains(f, "") {
			return nil, fmt.Errorf("line %d: want suite, test, section and reason, parted by single tabs", n)
		}
		if seen[f[0]+" "+f[1]] {
			return nil, fmt.Errorf("line %d: %s is there twice", n, f[1])
		}
		seen[f[0]+" "+f[1]] = true
		all = append(all, Exception{f[0], f[1], f[2], f[3]})
	}
	return all, lines.Err()
}

// Compare returns what speaks against the gateway: tests that it lost without an
// exception, and exceptions that it does not need.
func Compare(suite string, bare, through Verdicts, exceptions []Exception) (lost, needless []string) {
	excepted := map[string]bool{}
	for _, e := range exceptions {
		if e.Suite != suite {
			continue
		}
		excepted[e.Name] = true
		_, known := bare[e.Name]
		// One that fails bare may be one that fails by chance: that is no reason.
		if failed, ran := through[e.Name]; !known || ran && failed == "" {
			needless = append(needless, e.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(bare)) {
		failed, ran := through[name]
		if !ran {
			failed = "did not run"
		}
		if bare[name] == "" && failed != "" && !excepted[name] {
			lost = append(lost, name+": "+failed)
		}
	}
	return lost, needless
}
