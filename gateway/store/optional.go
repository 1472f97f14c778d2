// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"io"
)

// Limits of a multipart upload, the same for every backend: those of S3.
const (
	// MaxParts is the greatest part number, and so the most parts.
	MaxParts = 10_000
	// MinPart is the least size in bytes of a part that is not the last one of
	// its object. A backend of its own accord may take less; S3 servers do not.
	MinPart = 5 << 20
	// MaxPart is the greatest size in bytes of one part.
	MaxPart = 5 << 30
)

// Multiparter is a Store that makes an object out of parts that come in any
// order, side by side and again. The parts of an upload are seen by nobody: not
// by Get, Head or List, nor by an upload of the same key. They survive a restart
// of this process and of the backend, until they are completed or aborted.
//
// Several uploads of one key are independent; the last Complete is the object.
type Multiparter interface {
	Store

	// CreateMultipart begins an upload and returns the backend's name for it:
	// visible ASCII of at most MaxUpload bytes, meaningless to anybody else. The
	// metadata is that of the object to come (PutOptions.Metadata). It is
	// durable when this returns. After ErrUnavailable there may be an upload
	// whose name nobody knows: the backend's own clean-up has to find it.
	CreateMultipart(ctx context.Context, key, metadata string) (upload string, err error)

	// PutPart writes a part of exactly size bytes and returns its tag, which
	// stands for these bytes in CompleteMultipart. The body is read once, in
	// order, and streamed; its errors come back as those of Put's do, and a
	// part whose body fails is not stored. A number that is sent again
	// replaces the part before; of two that are sent at once one is left.
	// When it fails the part of that number that was there is either still
	// there or, after ErrUnavailable, perhaps replaced.
	//
	// ErrNoUpload: there is none of this name under this key. ErrOptions: the
	// number is not 1 to MaxParts, or the size is negative. ErrTooLarge,
	// ErrNoSpace, ErrLength, ErrUnavailable as Put.
	PutPart(ctx context.Context, key, upload string, number int, body io.Reader, size int64) (etag string, err error)

	// CompleteMultipart makes the object out of the parts listed, in the order
	// of the list, replacing what was there, as atomically and durably as Put:
	// a reader sees all of it or what was before. Parts that are not listed are
	// dropped. Numbers must ascend. The upload is then gone.
	//
	// The condition is decided by the backend at the moment the object appears;
	// it never reads as held when another write came first. One upload makes one
	// object: of several Completes all that succeed tell of the same.
	//
	// ErrPart: a part is not there, has another tag, is out of order, too small
	// for its place, or the list is empty; nothing changed and the upload stays.
	// ErrPrecondition: the condition does not hold, also IfMatch on a key that
	// does not exist; nothing changed, and the upload may be gone or not: abort
	// it. ErrNoUpload: there is no such upload, also after a Complete that
	// succeeded. ErrTooLarge: the backend takes no object of this size.
	//
	// ErrUnavailable: the object may be there or not, the upload as well, and
	// for as long as the backend goes on with it, it may still come to be. It is
	// also what is said when a backend that cannot tell claims success, but
	// another object is there. Only what the object is tells what was done.
	CompleteMultipart(ctx context.Context, key, upload string, parts []PartTag, o CompleteOptions) (Object, error)

	// AbortMultipart drops an upload and its parts. An upload that does not
	// exist is no error. A part that is being written meanwhile may be left
	// behind by a backend: abort after the last PutPart has returned.
	AbortMultipart(ctx context.Context, key, upload string) error
}

// MaxUpload is the most bytes of a backend's name for an upload.
const MaxUpload = 1024

// PartTag names one part of a CompleteMultipart.
type PartTag struct {
	// Number is the part's, 1 to MaxParts.
	Number int
	// ETag is what PutPart returned.
	ETag string
}

// CompleteOptions of one CompleteMultipart. At most one may be set.
type CompleteOptions struct {
	// IfNoneMatch makes the object only if the key does not exist.
	IfNoneMatch bool
	// IfMatch, if not empty, makes the object only if the key exists with this
	// ETag.
	IfMatch string
}

// Copier is a Store that copies inside its bucket: the bytes do not pass
// through the gateway.
type Copier interface {
	Store

	// Copy writes the bytes of src under dst, replacing what was there, with
	// o.Metadata in place of the source's, as atomically and durably as Put.
	// The source's tags go along. Objects of any size are copied. dst may be
	// src: then only the metadata changes, and the ETag may stay or not.
	//
	// The tag of the source is decided by the backend, for every byte that it
	// copies: what appears under dst is one version of the source, that one.
	// ErrPrecondition: the source has another tag, or the condition on dst does
	// not hold; nothing changed. ErrNotFound: there is no source. ErrUnavailable:
	// dst is whole, old or new.
	Copy(ctx context.Context, dst, src string, o CopyOptions) (Object, error)
}

// CopyOptions of one Copy.
type CopyOptions struct {
	// Metadata of the copy (PutOptions.Metadata).
	Metadata string
	// SourceETag is the tag that the source must have. Without it the call is
	// refused (ErrOptions): a copy of other bytes than its caller has looked at
	// would stand under metadata that is not theirs.
	SourceETag string
	// SourceVersion is the version of the source, "" for the current one. A
	// store that is no Versioner refuses others with ErrNotFound.
	SourceVersion string
	// IfNoneMatch and IfMatch are conditions on dst, as in PutOptions. At most
	// one may be set.
	IfNoneMatch bool
	IfMatch     string
	// Lock of the copy, as in PutOptions. That of the source stays with it.
	Lock Lock
}

// Tag is one of an object's tags. The backend can read and change it: no
// decision may rest on one.
type Tag struct{ Key, Value string }

// Limits of tags, those of S3, the lengths in characters.
const (
	MaxTags     = 10
	MaxTagKey   = 128
	MaxTagValue = 256
)

// Tagger is a Store whose objects can have tags. They belong to one version of
// an object: a Put or Complete of the same key begins without.
type Tagger interface {
	Store

	// Tags returns the tags of an object sorted by key, none is no error.
	// ErrNotFound: no such object, or no such version of it.
	Tags(ctx context.Context, key, version string) ([]Tag, error)

	// SetTags replaces all tags of an object at once, durably; no tags removes
	// them. Neither the bytes nor the ETag or the time of the object change.
	// ErrOptions: too many, a key twice, or a length or character beyond what
	// S3 takes. ErrNotFound as Tags.
	SetTags(ctx context.Context, key, version string, tags []Tag) error
}

// Versioner is a Store whose backend can keep what is overwritten and deleted.
// Get, Head, Delete and List of such a store see the current versions.
type Versioner interface {
	Store

	// Versioning tells whether the bucket keeps versions: "" for never did,
	// "Enabled", or "Suspended", which still has those from before.
	Versioning(ctx context.Context) (status string, err error)

	// GetVersion is Get of one version, which the answer names as it was asked
	// for. ErrNotFound also for a delete marker, and for what is no version's
	// name. With version "" it is Get.
	GetVersion(ctx context.Context, key, version string, o GetOptions) (*Reader, error)

	// HeadVersion is Head of one version, as GetVersion.
	HeadVersion(ctx context.Context, key, version string) (Object, error)

	// DeleteVersion removes one version for good. With version "" it is Delete,
	// and tells what came of it; where versions are kept that is a marker, for a
	// key that never was perhaps none. What does not exist is no error.
	DeleteVersion(ctx context.Context, key, version string) (Deleted, error)

	// ListVersions returns one page in strict byte order of the keys, the
	// versions of one key newest first.
	ListVersions(ctx context.Context, o VersionListOptions) (VersionPage, error)
}

// NullVersion is the version of an object that was written while its bucket
// kept none. It is what S3 calls it, and given only where there are others.
const NullVersion = "null"

// Deleted is what came of a DeleteVersion.
type Deleted struct {
	// VersionID is the version that was removed or, for a delete without one,
	// the delete marker that was made; "" where the bucket keeps none.
	VersionID string
	// Marker says that a delete marker was made, or that it was one that was
	// removed.
	Marker bool
}

// VersionListOptions of one page.
type VersionListOptions struct {
	// Prefix and Delimiter as in ListOptions.
	Prefix, Delimiter string
	// KeyMarker and VersionMarker exclude what comes up to this version of this
	// key. Without VersionMarker, all versions of the key.
	KeyMarker, VersionMarker string
	// Max as in ListOptions.
	Max int
}

// Version is one entry of a listing of versions.
type Version struct {
	// Object with its VersionID set (NullVersion for none). A delete marker has
	// neither size nor ETag.
	Object
	// Latest says that it is the current one.
	Latest bool
	// Marker says that it is a delete marker.
	Marker bool
}

// VersionPage is one page of versions.
type VersionPage struct {
	Versions []Version
	Prefixes []string
	// More says that entries may follow, after NextKey and NextVersion.
	More                 bool
	NextKey, NextVersion string
}

// BucketMaker is a backend that can make and remove buckets. It is not a Store:
// those are one bucket, and exist already.
type BucketMaker interface {
	// MakeBucket makes an empty bucket. ErrPrecondition: there is one of this
	// name. ErrKey: the backend takes no such name. ErrNoLock: it cannot make one
	// in which objects can be locked, and made none.
	MakeBucket(ctx context.Context, name string, o BucketOptions) error

	// RemoveBucket removes an empty bucket. ErrNotFound: there is none.
	// ErrPrecondition: it holds objects or unfinished uploads.
	RemoveBucket(ctx context.Context, name string) error
}

// BucketOptions of a new bucket.
type BucketOptions struct {
	// ObjectLock makes it one whose Store is a Locker that locks; it keeps
	// versions from the start.
	ObjectLock bool
}
