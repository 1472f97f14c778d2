// SPDX-License-Identifier: Apache-2.0

// Package clients holds tests that drive the real program with the clients
// that people use, unmodified: curl, boto3, rclone.
package clients
