// SPDX-License-Identifier: Apache-2.0

//go:build race

package s3_test

// The race detector's shadow memory is several times what it watches.
const memoryFactor = 8
