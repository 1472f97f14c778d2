// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"io"
	"time"
)

// Limits that hold for every backend, so that no adapter is surprised.
const (
	// MaxKey is the longest key in bytes (the limit of S3 itself).
	MaxKey = 1024
	// MaxMetadata is the longest Metadata in bytes: the 2 KiB that S3 gives to
	// user metadata, less the name of its header, which MinIO counts.
	MaxMetadata = 2048 - len("x-amz-meta-sg1")
	// MaxList is the largest page that List returns.
	MaxList = 1000
	// Reserved is the prefix of the gateway's own objects in a bucket. A Store
	// does not treat it specially; the gateway hides it from clients.
	Reserved = ".sealgate/"
)

// Object describes one stored object. All of it is the backend's claim.
type Object struct {
	// Key is the exact key, any valid UTF-8 of 1 to MaxKey bytes.
	Key string
	// Size is the whole stored length in bytes, also in the answer to a ranged
	// Get. In a listing it is -1 for an object whose own record is damaged: it
	// is listed all the same, so that one bad file does not hide the others.
	Size int64
	// ETag is the backend's tag without quotes, opaque, never empty (but for
	// the damaged object of a listing).
	ETag string
	// LastModified is the time of the Put by the backend's clock. It is zero
	// in the answer to a Put when the backend does not tell it there.
	LastModified time.Time
	// Metadata is the value of x-amz-meta-sg1 as given to Put, up to
	// MaxMetadata bytes of printable ASCII; "" if absent and in listings.
	Metadata string
	// VersionID is the backend's version, "" where versioning is off.
	VersionID string
	// Lock is what keeps this version from being deleted: of a Get or Head of a
	// store that is a Locker, else zero.
	Lock Lock
}

// PutOptions of one write.
type PutOptions struct {
	// Size is the exact length of the body in bytes. A body that is shorter or
	// longer is ErrLength, and nothing is stored.
	Size int64
	// Metadata is stored with the object, and read back unchanged.
	Metadata string
	// IfNoneMatch makes the write succeed only if the key does not exist.
	IfNoneMatch bool
	// IfMatch, if not empty, makes the write succeed only if the key exists
	// with this ETag. At most one of the two conditions may be set.
	IfMatch string
	// Lock locks the version that is written, from its first moment. ErrNoLock
	// where nothing can be locked, by every store that is no Locker.
	Lock Lock
}

// GetOptions select a range of the stored bytes. The zero value selects
// nothing and is refused with ErrRange: use [Whole] or name a range.
type GetOptions struct {
	// Off is the first byte. A negative Off asks for the last -Off bytes (Len
	// is then ignored); more than there are gives the whole object.
	Off int64
	// Len is the number of bytes; negative means to the end. A range that goes
	// beyond the end is cut there, one that selects no byte is ErrRange.
	Len int64
	// IfMatch, if not empty, is the ETag that the object must have.
	IfMatch string
}

// Whole returns the options that read a whole object, empty or not.
func Whole() GetOptions { return GetOptions{Len: -1} }

// Reader is the body of a Get, and the object it belongs to.
type Reader struct {
	// Object is the whole object: its Size is the total, not this body's.
	Object Object
	// Off and Len are the range that this body holds, in bytes: what was asked
	// for, resolved against Object.Size.
	Off, Len int64
	// Read yields exactly Len bytes and then io.EOF; a body that ends early is
	// an error (io.ErrUnexpectedEOF or ErrUnavailable), never a clean io.EOF.
	// Close must be called; it stops the transfer.
	io.ReadCloser
}

// ListOptions of one page.
type ListOptions struct {
	// Prefix that every listed key starts with.
	Prefix string
	// Delimiter groups: keys that contain it after Prefix are given once, as a
	// prefix up to and including the delimiter. Empty: no grouping.
	Delimiter string
	// StartAfter excludes every key and every common prefix <= StartAfter, so
	// a prefix that StartAfter lies in is not given either.
	StartAfter string
	// Max is the most entries of the page, objects and prefixes together; 0
	// and values above MaxList mean MaxList.
	Max int
}

// ListPage is one page of a listing. Objects and Prefixes are each in strict
// byte order of the whole key, with no duplicates, and merge into one order.
type ListPage struct {
	Objects  []Object
	Prefixes []string
	// More says that entries may follow; the last page may be empty.
	More bool
	// Next is the StartAfter of the next page, set if More.
	Next string
}

// Store is one bucket of a backend. See the package for what always holds.
type Store interface {
	// Put writes body as key, replacing what was there, and returns when it is
	// durable. The body is read once, in order, and never more than Size bytes
	// of it are held: an error that it returns means that nothing was stored,
	// and is found in the returned error by errors.Is. A condition that does
	// not hold is ErrPrecondition, also IfMatch on a key that does not exist;
	// conditions are decided atomically against concurrent writes.
	Put(ctx context.Context, key string, body io.Reader, o PutOptions) (Object, error)

	// Get opens a range of an object. ErrNotFound, ErrPrecondition, ErrRange.
	Get(ctx context.Context, key string, o GetOptions) (*Reader, error)

	// Head describes an object. ErrNotFound.
	Head(ctx context.Context, key string) (Object, error)

	// Delete removes an object; a key that does not exist is no error.
	Delete(ctx context.Context, key string) error

	// List returns one page in strict byte order of whole keys.
	List(ctx context.Context, o ListOptions) (ListPage, error)
}
