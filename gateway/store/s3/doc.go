// SPDX-License-Identifier: Apache-2.0

// Package s3 is the store that keeps one bucket at an S3 endpoint.
//
// The endpoint is untrusted: everything it answers is bounded and checked
// against what was asked before it is passed on. A range that is not the one
// asked for, a body that ends early, a listing out of order or with names that
// do not belong are errors of kind store.ErrUnavailable, not data.
//
// Bodies are streams in both directions. Nothing is buffered but what is written
// at once, 256 KiB; nothing is read twice, so that a write that failed
// is never sent again from the middle of its body. Writes announce their body
// with Expect: 100-continue (RFC 9110 §10.1.1). Calls are tried three times
// while the endpoint is unavailable, a write only until its body has begun.
//
// Bodies of up to 32 KiB are read to their end before the endpoint hears of
// them, are signed by their SHA-256, and are not announced: an announcement costs
// a small write as much as all the rest. They are tried three times where the
// endpoint is busy, and parts, which are the same a second time, also where an
// answer was lost. Writes with a condition or a lock go as large ones do.
//
// Over HTTPS large bodies are signed as UNSIGNED-PAYLOAD, TLS protecting them on
// the way. Over plain HTTP they are STREAMING-UNSIGNED-PAYLOAD-TRAILER with a
// CRC32C, and parts, with which S3 takes no other, with a CRC64NVME (MinIO makes that
// one in software, for half of what its MD5 costs): what breaks off or is
// damaged on the way is refused by the backend (versitygw would store the beginning of a body that has no framing). They are
// sealed: who changes one on purpose makes an object that nobody can read, as
// who answers in place of the backend does, and never other plaintext. Signing
// each chunk would have the backend refuse such a body when it comes, and cost a
// third of the CPU time of a PUT; where that matters the backend has HTTPS. The
// frames are made here, four sealed segments long: those of the client library
// copy each byte three times, and have the backend read in small pieces.
//
// Where the endpoint refuses a body for want of a checksum, as S3 does in buckets that
// lock of their own accord, it is sent again with one, and so is all that follows.
//
// There is no proxy from the environment, no redirect is followed, and CAFile
// replaces the authorities of the system.
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
//
// # Uploads and copies
//
// A part is sent as a body is. The completion of an upload is asked for once
// from the moment when the list of parts has begun to be sent, and what it is
// said to have made is looked at by a HEAD: an answer of success that holds an
// error, or that names another object than is there, is none. A beginning of an
// upload is repeated only after an answer. Uploads whose name was lost are the
// backend's to clear away: give the bucket a lifecycle rule that aborts
// incomplete uploads after eight days or more.
//
// A copy is one request, with the tag of the source as a condition. One that is
// over Config.CopyLimit, or whose destination has a condition, which servers do
// not look at in a CopyObject, is an upload of parts that are copied, each with
// the tag of the source as a condition; the completion has the other one.
//
// # Differences of servers
//
// All S3 servers refuse parts below 5 MiB that are not the last (store.ErrPart).
// The conformance suites hold what is said here:
//
//   - MinIO takes no upload of a key that ends in a slash (store.ErrKey), and
//     makes no delete marker for a key that never was.
//   - versitygw answers a Complete of an upload that it does not know with
//     success where there is just any object of this key, and a second Complete
//     while the first one is still at work. The HEAD finds out: if the object is
//     the one that these parts make, that is success, else store.ErrUnavailable.
//   - versitygw finds out only at the completion that a key is too long for its
//     files, and then says that it is unavailable.
//   - versitygw, which is run without a directory for versions here, keeps none:
//     Versioning is "", the listing of versions shows the objects, and a version
//     of any name is store.ErrNotFound.
//   - Both take ASCII in tags only, and versitygw no more than fit into an
//     extended attribute: about 3 KiB with ext4, 500 above. It gives and takes
//     tags of a key that is only a folder of others.
//
// A backend with its own names of uploads and versions is asked only about what
// can be one: visible ASCII, and for uploads no path that leads elsewhere.
package s3
