// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"slices"
	"strings"
	"testing"
)

// What is not found is not fuzzed: the parsers that meet hostile input first
// must be among the targets.
func TestFind(t *testing.T) {
	t.Parallel()
	found, err := find(t.Context(), "../..")
	if err != nil {
		t.Fatal(err)
	}
	const module = "github.com/sealgate/sealgate/"
	for _, want := range []target{
		{module + "envelope", "FuzzHeader"},
		{module + "envelope", "FuzzManifest"},
		{module + "envelope", "FuzzLayout"},
		{module + "certs", "FuzzParseID"},
		{module + "gateway/policy", "FuzzParse"},
		{module + "gateway/audit", "FuzzDecode"},
		{module + "gateway/s3api", "FuzzPath"},
	} {
		if !slices.Contains(found, want) {
			t.Errorf("%s of %s is not found", want.name, want.pkg)
		}
	}
	if _, err := targetsIn("no such file"); err == nil {
		t.Error("a file that cannot be read has no targets, without an error")
	}
}

func TestRunRefuses(t *testing.T) {
	for name, args := range map[string][]string{"no time": {"soon"}, "time zero": {"0s"}, "two times": {"1s", "1s"}} {
		if err := run(t.Context(), args, io.Discard); err == nil || !strings.Contains(err.Error(), "usage") {
			t.Errorf("%s: %v, want how to use it", name, err)
		}
	}
	t.Chdir("../../cmd/sealgate/doc") // a folder without packages
	if err := run(t.Context(), nil, io.Discard); err == nil {
		t.Error("no targets are a failure")
	}
}

func TestOutOfTimeIsNoFailure(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		said string
		want bool
	}{
		"out of time": {"fuzz: elapsed: 2s\n--- FAIL: FuzzX (2.02s)\n    context deadline exceeded\nFAIL\nexit status 1\n", true},
		"a panic":     {"--- FAIL: FuzzX (0.32s)\n    --- FAIL: FuzzX (0.00s)\n        testing.go:1: panic: index\nFAIL\n", false},
		"an input that ran out of time": {
			"--- FAIL: FuzzX (1s)\n    --- FAIL: FuzzX (0.00s)\n        x_test.go:1: context deadline exceeded\n    Failing input written to testdata\nFAIL\n", false,
		},
		"another target": {"--- FAIL: FuzzXY (2.02s)\n    context deadline exceeded\nFAIL\n", false},
		"no build":       {"x.go:1: undefined: y\nFAIL\tx [build failed]\n", false},
	} {
		if got := onlyOutOfTime(tc.said, "FuzzX"); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}
