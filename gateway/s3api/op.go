// SPDX-License-Identifier: Apache-2.0

package s3api

// Op is one S3 operation of a request that was understood. It is a closed
// sum: the pointer types of the files op*.go are all there are, so that a
// switch over them can be complete and an unknown operation has nowhere to
// hide.
type Op interface {
	// Action is the operation's AWS name, such as "GetObject".
	Action() string
	// Resource is what the operation is about; policy, audit and store see
	// these very bytes.
	Resource() Resource
	sealed()
}

// Resource names a bucket, or an object in it.
type Resource struct {
	Bucket string // "" for the service itself
	Key    string // decoded exact bytes; "" for the bucket itself
}

// String returns BUCKET/KEY.
func (r Resource) String() string {
	if r.Key == "" {
		return r.Bucket
	}
	return r.Bucket + "/" + r.Key
}

// ListBuckets is GET on the service.
type ListBuckets struct {
	Prefix string // names begin with it
	Max    int    // 1..10000
	After  string // names come after it in byte order; from the continuation token
}

// HeadBucket asks whether a bucket is there.
type HeadBucket struct{ Bucket string }

// GetBucketLocation asks for a bucket's region.
type GetBucketLocation struct{ Bucket string }

// ListObjects is ListObjects (V1) and ListObjectsV2.
type ListObjects struct {
	Bucket      string
	Version     int    // 1 or 2
	Prefix      string // exact bytes; may end within a key's segment
	Delimiter   string // "" for none; any string
	Max         int    // 0..1000 keys and common prefixes together
	Marker      string // V1: go on after this name
	StartAfter  string // V2: go on after this name, when there is no Token
	Token       string // V2: opaque here; the gateway makes and opens it
	EncodingURL bool   // names in the answer are percent-encoded
	FetchOwner  bool   // V2: each object names its owner (V1 always does)

	tokenSent bool // an empty token is echoed, as S3 does
}

// GetObject reads an object or a range of it.
type GetObject struct {
	Bucket, Key  string
	VersionID    string // "" for the newest
	Range        Range
	Conditions   Conditions
	ChecksumMode bool    // x-amz-checksum-mode: ENABLED
	Overrides    Headers // response-* parameters; "" leaves the stored value
}

// HeadObject asks for the headers that GetObject would answer.
type HeadObject struct {
	Bucket, Key  string
	VersionID    string
	Range        Range
	Conditions   Conditions
	ChecksumMode bool
	Overrides    Headers
}

// PutObject stores an object. Its payload is read through Body.
type PutObject struct {
	Bucket, Key string
	Size        int64      // of the decoded payload, in bytes
	Headers     Headers    // stored with the object; without aws-chunked
	Meta        []UserMeta // sorted by Name, no duplicates
	Tags        []Tag      // x-amz-tagging; sorted by Key, no duplicates
	Lock        Lock       // of the version that is written
	IfNoneMatch bool       // If-None-Match: *
	IfMatch     string     // one entity tag as sent, "" for none; see IfMatches
	Checksum    Checksum   // sent in a header; zero when none or in a trailer

	payload payload
}

// DeleteObject removes an object, or one version of it.
type DeleteObject struct {
	Bucket, Key string
	VersionID   string // "" for the object itself
}

// Unsupported is an operation of S3 that is not served. It is answered 501.
type Unsupported struct {
	Name        string // AWS name
	Bucket, Key string // "" where the request named none
}

// Refused accompanies the error of a request whose operation is known but
// which is not served as asked. It names what was asked, for the record, and
// can never be served: like Unsupported it has no action row.
type Refused struct {
	Name        string
	Bucket, Key string
}

// Headers are the system headers that S3 keeps with an object, as sent.
type Headers struct {
	ContentType        string
	ContentEncoding    string
	ContentDisposition string
	ContentLanguage    string
	CacheControl       string
	Expires            string
	// Redirect is what x-amz-website-redirect-location said.
	Redirect string
}

// UserMeta is one x-amz-meta header: its lower-case name without that prefix,
// and its value.
type UserMeta struct{ Name, Value string }

// Action implements Op.
func (*ListBuckets) Action() string { return "ListBuckets" }

// Action implements Op.
func (*HeadBucket) Action() string { return "HeadBucket" }

// Action implements Op.
func (*GetBucketLocation) Action() string { return "GetBucketLocation" }

// Action implements Op: "ListObjects" or "ListObjectsV2".
func (o *ListObjects) Action() string {
	if o.Version == 2 {
		return "ListObjectsV2"
	}
	return "ListObjects"
}

// Action implements Op.
func (*GetObject) Action() string { return "GetObject" }

// Action implements Op.
func (*HeadObject) Action() string { return "HeadObject" }

// Action implements Op.
func (*PutObject) Action() string { return "PutObject" }

// Action implements Op.
func (*DeleteObject) Action() string { return "DeleteObject" }

// Action implements Op: the name of what was asked for.
func (o *Unsupported) Action() string { return o.Name }

// Action implements Op: the name of what was asked for.
func (o *Refused) Action() string { return o.Name }

// Resource implements Op: the service.
func (*ListBuckets) Resource() Resource { return Resource{} }

// Resource implements Op.
func (o *HeadBucket) Resource() Resource { return Resource{Bucket: o.Bucket} }

// Resource implements Op.
func (o *GetBucketLocation) Resource() Resource { return Resource{Bucket: o.Bucket} }

// Resource implements Op.
func (o *ListObjects) Resource() Resource { return Resource{Bucket: o.Bucket} }

// Resource implements Op.
func (o *GetObject) Resource() Resource { return Resource{Bucket: o.Bucket, Key: o.Key} }

// Resource implements Op.
func (o *HeadObject) Resource() Resource { return Resource{Bucket: o.Bucket, Key: o.Key} }

// Resource implements Op.
func (o *PutObject) Resource() Resource { return Resource{Bucket: o.Bucket, Key: o.Key} }

// Resource implements Op.
func (o *DeleteObject) Resource() Resource { return Resource{Bucket: o.Bucket, Key: o.Key} }

// Resource implements Op.
func (o *Unsupported) Resource() Resource { return Resource{Bucket: o.Bucket, Key: o.Key} }

// Resource implements Op.
func (o *Refused) Resource() Resource { return Resource{Bucket: o.Bucket, Key: o.Key} }

func (*ListBuckets) sealed()       {}
func (*HeadBucket) sealed()        {}
func (*GetBucketLocation) sealed() {}
func (*ListObjects) sealed()       {}
func (*GetObject) sealed()         {}
func (*HeadObject) sealed()        {}
func (*PutObject) sealed()         {}
func (*DeleteObject) sealed()      {}
func (*Unsupported) sealed()       {}
func (*Refused) sealed()           {}
