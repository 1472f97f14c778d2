// SPDX-License-Identifier: Apache-2.0

//go:build !race

package s3_test

const memoryFactor = 1
