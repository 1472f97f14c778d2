// SPDX-License-Identifier: Apache-2.0

// Package storetest holds what tests need of a store: [Run], the suite that
// every adapter passes; [Mem], a store in memory; and [Faulty], a store that
// misbehaves as it is told to.
//
// It is imported by tests only.
package storetest
