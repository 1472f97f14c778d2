// SPDX-License-Identifier: Apache-2.0

// Package gateway takes one S3 request from the listener to the store and
// back. The way is the same for every operation, and has no way around:
//
//	identify -> parse -> decide -> record -> seal or open -> store
//
// A handler needs a policy.Grant, which only an allowing decision makes, and
// an audit.Pending, which exists only once its record is durable: forgetting
// to authorize or to record does not compile.
package gateway
