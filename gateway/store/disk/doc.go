// SPDX-License-Identifier: Apache-2.0

// Package disk is the store that keeps one bucket in one local directory.
//
// # Names
//
// A key is cut at its slashes. Every segment but the last becomes a directory
// whose name ends in "+", the last one a file whose name ends in "=", so that
// "a", "a/" and "a/b" can all exist:
//
//	a          a=
//	a/         a+/=
//	a/b        a+/b=
//	a//b       a+/+/b=
//	/a         +/a=
//	é x        %C3%A9%20x=
//
// Inside a segment the bytes A-Z a-z 0-9 - _ . stand for themselves and every
// other byte is %XX in upper case. A segment whose escaped form is longer than
// 200 bytes is cut, never inside an escape, into pieces that are as long as
// possible; all but the last are directories whose name ends in "~". Names that
// no key maps to are ignored: they are not ours. Some of those are made here:
// ".tmp" holds writes in progress, ".uploads" the unfinished multipart uploads,
// ".format" names this layout, and beside the file of an object, "a=", its tags
// are in "a@".
//
// # File
//
// One file is one object, so that one rename publishes both its metadata and
// its body. Integers are big-endian.
//
//	offset  bytes
//	0       8      "SGDISK1\n"
//	8       4      H, length of this header
//	12      8      length of the body; the file is H + this long
//	20      8      time of the write, nanoseconds since 1970 UTC
//	28      16     ETag, random
//	44      2 + k  length of the key, key
//	..      2 + m  length of the metadata, metadata
//	H-4     4      CRC-32C of the H-4 bytes before
//	H       ..     body
//
// In version 2, "SGDISK2\n", H is 4096 and zeros stand between the metadata and
// the checksum: parts, what is made of them, and copies of that have it.
//
// The checksum finds accidents. Attacks on the body and the metadata are the
// envelope's to find; the key is here so that a file that was moved, linked or
// reached through a folded name is not taken for another object.
//
// # Uploads
//
// An upload is the directory .uploads/NAME, 26 letters and digits drawn at
// random. Its file "record" is a header without a body that holds the key and
// the metadata; "00001" to "10000" are the parts, each an object's file whose
// metadata is NAME/NUMBER. A part is made in .tmp and renamed, so that the same
// number sent again replaces the one before. Complete copies the parts into a
// new file in .tmp and publishes that as a Put does; then the whole directory is
// renamed into .tmp and removed. The copying is done by the system: without
// memory of this process, and on file systems whose files can share blocks (XFS,
// Btrfs) without writing anything again when the parts are multiples of 4 KiB, as
// sealed parts of whole 8 MiB are. A crash leaves an upload as it was before or
// after the step; whoever has its name goes on with it or aborts it. One that
// nothing was added to for 30 days is removed by Open.
//
// Parts of any size are taken, the last or not.
//
// # Tags
//
// The file of tags says which write of the key it is about, by the ETag: an
// object that was overwritten has none. A copy that replaces an object writes
// both sets first, then publishes.
//
//	offset  bytes
//	0       8      "SGTAGS1\n"
//	8       2 + k  length of the key, key
//	..             at most twice:
//	        16     ETag of the object
//	        2      number of tags
//	        ..     of each: 2 + n length of its key, key, 2 + m length of its value, value
//	..      4      CRC-32C of all before
//
// # Durability
//
// A Put writes .tmp/RANDOM, fsyncs it, links or renames it to its name and
// fsyncs the directory; a directory that this process has not written to before
// is made durable from the top down first. Whatever a crash leaves is either
// nothing, the old object, the new object, or a file in .tmp, which the next
// Open removes. Conditions are decided by the link (IfNoneMatch) or under a lock
// of the key (IfMatch): one process at a time may write to a directory.
package disk
