// SPDX-License-Identifier: Apache-2.0

// Package s3api turns bytes into S3 operations and back: it is the one place
// that knows the S3 wire. S3.md beside this file is its specification; code
// cites its sections.
//
// # Requests
//
// [Parse] reads the head of a request and gives a closed sum of operations
// ([Op]). It decodes the path and the query once and never cleans them: what
// has two readings is refused. An operation of S3 that is not served is an
// [Unsupported] with its AWS name; a served operation with a parameter or a
// header that would change its meaning is refused as well, never half done.
//
// [PutObject.Body] and [UploadPart.Body] decode a payload: five payload modes,
// length, Content-MD5 and checksums in headers and trailers. What is wrong with
// a payload is an error of Read, so that nothing is stored. An XML body is small:
// [CompleteMultipartUpload.Parts], [DeleteObjects.Keys], [PutObjectTagging.Tags]
// and [CreateBucket.Check] read it whole, verify it, and then decode it strictly.
//
// A [CopySource] and the keys of a batch are read by the same rules as a path:
// what is authorized is what the store is asked for.
//
// # Signatures
//
// [ReadSignature] gives what a request claims by its signature, [Signed.Verify]
// holds it against the request, and UseSignature of an upload has the
// signatures of its chunks verified while its [Body] is read. [STSCall] is a call
// of the token service. [SignHeader] and [Presign] are the other side.
//
// # Answers
//
// [WriteError] is the only renderer of errors; [Codes] is the closed table of
// codes. Writers of results take plain values and hold the AWS order of
// elements. [StartLate] begins the answer to what takes long; its end tells
// what came of it.
//
// Nothing here decides who may do what, and nothing here does I/O beyond the
// request and its answer. All functions are safe for concurrent use; a [Body]
// belongs to one goroutine.
package s3api
