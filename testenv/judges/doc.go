// SPDX-License-Identifier: Apache-2.0

// Package judges holds the gateway against test suites of others: what ships with
// versitygw, and the functional tests of minio-go. Each runs twice, against the bare
// server and against the gateway in front of it. No test may pass bare and fail
// through the gateway but those in exceptions.txt, each with the section of S3.md that
// says why; those that are there for signing by SigV2 must pass where they sign by
// SigV4. An exception that is no longer needed is an error, too.
//
// Through the gateway most tests come by an agent. Those about signatures come by the
// listener for session keys, with a shim that adds the token, and those that sign
// nothing by the mTLS listener, with a certificate.
//
// They take minutes, so they run by `make judges`, as benchmarks do; what `make test`
// checks is that the list of exceptions is in order.
package judges
