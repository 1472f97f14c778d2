// SPDX-License-Identifier: Apache-2.0

package main

import "runtime"

// widen lets twice as many goroutines run at once as there are processors. Large
// transfers spend most of their time in system calls that copy. The runtime
// counts a goroutine in one as running until its monitor looks, which must then
// take the place away for another, and that is a tenth of a large read.
//
// Where the operator or a quota of the container says how many processors there
// are for us, that holds.
func widen(getenv func(string) string) {
	if n := wide(getenv, runtime.NumCPU(), runtime.GOMAXPROCS(0)); n > 0 {
		runtime.GOMAXPROCS(n)
	}
}

// wide is how many goroutines may run at once, 0 to leave it as it is.
func wide(getenv func(string) string, processors, allowed int) int {
	if getenv("GOMAXPROCS") != "" || allowed != processors {
		return 0
	}
	return 2 * processors
}
