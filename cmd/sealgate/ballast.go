// SPDX-License-Identifier: Apache-2.0

package main

// ballastSize is how much garbage the gateway may hold beyond what Go would let
// it, in bytes. What it really needs is little, some 10 MiB, so that Go would
// collect every few milliseconds under load, and empty the pools of buffers each
// time. More garbage than this, or a multiple of what is needed, would count
// where many transfers run, and there Go's own rule does well.
const ballastSize = 32 << 20

// ballast is memory that is never touched, so that it only exists in the
// collector's account. There is none where the operator tells the collector
// what to do.
func ballast(getenv func(string) string) []byte {
	if getenv("GOGC") != "" || getenv("GOMEMLIMIT") != "" {
		return nil
	}
	return make([]byte, ballastSize)
}
