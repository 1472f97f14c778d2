// SPDX-License-Identifier: Apache-2.0

//go:build killpoints

package main

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// killPoints gives a hook that kills this process, as the kernel would, at the
// durable step that SEALGATE_KILLPOINT names: POINT:N is before its Nth time.
// Every step taken is also appended to the file SEALGATE_KILLPOINT_LOG. It
// exists in test builds only.
func killPoints(getenv func(string) string) func(string) {
	point, nth, _ := strings.Cut(getenv("SEALGATE_KILLPOINT"), ":")
	n, err := strconv.ParseInt(nth, 10, 64)
	if err != nil {
		n = 1
	}
	trace := getenv("SEALGATE_KILLPOINT_LOG")
	var seen atomic.Int64
	return func(p string) {
		if trace != "" {
			if f, err := os.OpenFile(trace, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
				_, _ = f.WriteString(p + "\n")
				_ = f.Close()
			}
		}
		if p == point && seen.Add(1) == n {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // the signal is on its way; nothing more may happen
		}
	}
}
