// SPDX-License-Identifier: Apache-2.0

package main

// ballastSize is how much garbage the gateway may hold beyond what Go would let
// it, in bytes. What it really needs is little, some 10 MiB, so that Go would
// collect every few milliseconds under load, and empty the pools of buffers each
// time: with 64 clients that get 4 KiB each, this saves a tenth of the CPU time.
// Twice as much saves no more, and costs its size in resident memory. A multiple
// of what is needed (GOGC) would count where many transfers run, and there Go's
// own rule does well.
const ballastSize = 16 << 20

// ballast is memory that is never touched, so that it only exists in the
// collector's account. There is none where the operator tells the collector
// what to do.
func ballast(getenv func(string) string) []byte {
	if getenv("GOGC") != "" || getenv("GOMEMLIMIT") != "" {
		return nil
	}
	return make([]byte, ballastSize)
}
