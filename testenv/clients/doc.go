// SPDX-License-Identifier: Apache-2.0

// Package clients drives the real programs with the S3 clients that people
// use, unmodified: each over each of its ways in, through the same steps.
//
// The clients of every day run in each test run; "make clients" runs all of
// them, and writes what came of it into the table of S3.md.
package clients
