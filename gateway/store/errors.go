// SPDX-License-Identifier: Apache-2.0

package store

import "errors"

// The kinds of failure that callers tell apart. An adapter wraps them with what
// it knows; errors.Is finds them.
var (
	// ErrNotFound: no object has this key.
	ErrNotFound = errors.New("no such object")
	// ErrPrecondition: IfMatch or IfNoneMatch does not hold. Nothing changed.
	ErrPrecondition = errors.New("precondition does not hold")
	// ErrUnavailable: the backend did not answer, answered that it cannot now,
	// or broke off. A write may or may not have happened.
	ErrUnavailable = errors.New("storage is unavailable")
	// ErrRange: the range selects no byte of the object.
	ErrRange = errors.New("range is not satisfiable")
	// ErrNoSpace: the backend is full (or over quota). Nothing changed.
	ErrNoSpace = errors.New("no space left in storage")
	// ErrKey: the backend cannot hold an object of this key, or the key is no
	// key at all (empty, over MaxKey bytes, not UTF-8). Nothing changed.
	ErrKey = errors.New("key cannot be stored")
	// ErrTooLarge: the backend does not take a body of this size in one write.
	ErrTooLarge = errors.New("object is too large for storage")
	// ErrLength: the body was shorter or longer than its declared Size.
	ErrLength = errors.New("body length differs from its declared size")
	// ErrDamaged: the backend's own record of the object makes no sense; the
	// object exists but cannot be read. Never the same as ErrNotFound.
	ErrDamaged = errors.New("stored object is damaged")
	// ErrOptions: the options contradict each other or exceed a limit; a fault
	// of the caller, not of the backend.
	ErrOptions = errors.New("invalid options")
	// ErrNoUpload: the backend does not know this multipart upload, or not
	// under this key. It was never begun, or is completed or aborted.
	ErrNoUpload = errors.New("no such multipart upload")
	// ErrPart: the parts named for a multipart upload's completion are not what
	// the backend has: number, tag, order, or a size that is too small.
	ErrPart = errors.New("part of a multipart upload does not match")
	// ErrNoLock: the bucket, or the backend, locks no objects. Nothing changed.
	ErrNoLock = errors.New("nothing can be locked here")
	// ErrLocked: the version is locked against what was asked. Nothing changed.
	ErrLocked = errors.New("object is locked")
)
