// SPDX-License-Identifier: Apache-2.0

// Package store is the boundary to the untrusted object storage behind the
// gateway: one bucket of sealed bytes, seen through five operations.
//
// Nothing that comes out of a Store is believed. It sees ciphertext only, and
// the envelope decides whether what it gives back is genuine; the contract
// below is about atomicity, order and honest failure, which the gateway needs
// in order to answer clients correctly, not in order to keep secrets.
//
// # Contract
//
// A Store is safe for concurrent use. The suite in store/storetest holds every
// statement made here and in the comments of [Store]:
//
//   - A write is whole or absent. No reader and no listing ever sees a part of
//     a body, a body without its metadata, or a mixture of two writes.
//   - A Get serves one version of an object: the bytes of one Put, even when
//     the key is overwritten or deleted while the body is being read.
//   - After a Put or Delete has returned nil, every later Get, Head and List
//     sees it (read after write), and it survives a loss of power.
//   - A failed Put or Delete has either happened whole or not at all. When the
//     store knows that nothing happened it says so with the error's kind
//     ([ErrPrecondition], [ErrNoSpace], [ErrKey], [ErrTooLarge], an error of
//     the body); after [ErrUnavailable] either is possible.
//   - Keys are compared byte by byte: no folding of case, no normalization of
//     Unicode, no collapsing of slashes. "a", "a/", "a/b", "a//b" and "/a" are
//     five different keys. A backend that cannot hold one of them says ErrKey;
//     it never stores it under another name.
//   - An ETag stands for the bytes: two Puts of different bytes have different
//     ETags. (Sealed bodies are never the same twice.)
//
// What a backend may have beside is an interface of its own: [Multiparter],
// [Copier], [Tagger], [Versioner], [Locker]. Who needs one asks for it by type assertion;
// a store that wraps another must have those that it has. The suites
// storetest.RunMultipart, RunCopy, RunTags, RunVersions and RunLocks hold them.
//
// Adapters: store/disk (a local directory), store/s3 (any S3 endpoint).
package store
