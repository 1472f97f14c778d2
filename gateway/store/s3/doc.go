// SPDX-License-Identifier: Apache-2.0

// Package s3 is the store that keeps one bucket at an S3 endpoint.
//
// The endpoint is untrusted: everything it answers is bounded and checked
// against what was asked before it is passed on. A range that is not the one
// asked for, a body that ends early, a listing out of order or with names that
// do not belong are errors of kind store.ErrUnavailable, not data.
//
// Bodies are streams in both directions. Nothing is buffered but what the
// signature needs, 64 KiB; nothing is read twice, so that a write that failed
// is never sent again from the middle of its body. Writes announce their body
// with Expect: 100-continue (RFC 9110 §10.1.1). Calls are tried three times
// while the endpoint is unavailable, a write only until its body has begun.
//
// Over HTTPS bodies are signed as UNSIGNED-PAYLOAD, TLS protecting them on the
// way; over plain HTTP each chunk is signed. There is no proxy from the
// environment, no redirect is followed, and CAFile replaces the authorities of
// the system.
//
// Keys with an empty first or middle segment, a segment of dots or a control
// character that XML cannot write are store.ErrKey, whatever the server would
// make of them. So is what a server refuses: MinIO and versitygw take segments
// of up to 255 bytes, and versitygw, whose objects are files, neither "a" beside
// "a/b" nor "a/". MinIO holds "a/b" beside "a", but lists it only under the
// prefix "a/", and loses keys from listings of several pages when a page ends
// near a key that ends in a slash.
//
// An object has one metadata entry, x-amz-meta-sg1, and the content type
// application/octet-stream. Other metadata is neither written nor read.
package s3
