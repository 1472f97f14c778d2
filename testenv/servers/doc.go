// SPDX-License-Identifier: Apache-2.0

// Package servers gives tests the real servers and clients that the gateway
// has to get on with: MinIO, versitygw, boto3, rclone, curl.
//
// Every server is a process of its own on a free port of the loopback
// interface, with a temporary folder, stopped when the tests that use it have
// ended. What has to be built or downloaded is kept in a folder outside the
// tree, $SEALGATE_TESTENV or sealgate-testenv in the user's cache folder, under
// a name that holds its version: it is made once, whatever number of test
// processes ask for it at the same time.
//
// Nothing here is skipped but under -short: what is absent is installed, and what
// cannot be installed ends the test with the command that would.
//
// Each server has a module of its own (minio/go.mod, versitygw/go.mod) with the
// exact version and the checksums of all it needs. The module of the project
// does not mention them, and no licence of theirs reaches its binaries.
package servers
