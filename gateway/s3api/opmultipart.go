// SPDX-License-Identifier: Apache-2.0

package s3api

import "time"

// CreateMultipartUpload begins an upload in parts.
type CreateMultipartUpload struct {
	Bucket, Key  string
	Headers      Headers
	Meta         []UserMeta   // sorted by Name, no duplicates
	Tags         []Tag        // sorted by Key, no duplicates
	Lock         Lock         // of the object
	Algorithm    Algorithm    // of the checksums of parts and object; ChecksumNone when not said
	ChecksumType ChecksumType // S3's default when not said; ChecksumTypeNone without Algorithm
	IfNoneMatch  bool         // If-None-Match: *, to hold at Complete
	IfMatch      string       // one entity tag as sent, to hold at Complete; "" for none
}

// UploadPart stores one part. Its payload is read through Body.
type UploadPart struct {
	Bucket, Key, UploadID string
	Number                int      // 1..MaxParts
	Size                  int64    // of the decoded payload, in bytes
	Checksum              Checksum // sent in a header; zero when none or in a trailer

	payload payload
}

// UploadPartCopy makes a part of a range of another object.
type UploadPartCopy struct {
	Bucket, Key, UploadID string
	Number                int // 1..MaxParts
	Source                CopySource
	Off, Len              int64 // bytes of the source; Len -1 is the whole source, and Off 0
}

// CompleteMultipartUpload makes the object of its parts. The list of them is
// read through Parts.
type CompleteMultipartUpload struct {
	Bucket, Key, UploadID string
	IfNoneMatch           bool         // If-None-Match: *
	IfMatch               string       // one entity tag as sent, "" for none
	Checksum              Checksum     // of the whole object; zero when none was sent, Parts zero when it has no -N
	ChecksumType          ChecksumType // ChecksumTypeNone when not said
	ObjectSize            int64        // x-amz-mp-object-size, -1 when not sent

	body xmlBody
}

// AbortMultipartUpload gives an upload up.
type AbortMultipartUpload struct {
	Bucket, Key, UploadID string
	IfInitiated           time.Time // when it must have been begun, whole seconds; zero when not said
}

// ListParts lists the parts of an upload.
type ListParts struct {
	Bucket, Key, UploadID string
	Max                   int // 0..1000
	After                 int // go on after this part number
	EncodingURL           bool
}

// ListMultipartUploads lists the uploads of a bucket that are not ended.
type ListMultipartUploads struct {
	Bucket         string
	Prefix         string
	Delimiter      string
	KeyMarker      string // go on after this key
	UploadIDMarker string // ... and after this upload of it; read only with KeyMarker
	Max            int    // 0..1000 uploads and common prefixes together
	EncodingURL    bool
}

// Action implements Op.
func (*CreateMultipartUpload) Action() string { return "CreateMultipartUpload" }

// Action implements Op.
func (*UploadPart) Action() string { return "UploadPart" }

// Action implements Op.
func (*UploadPartCopy) Action() string { return "UploadPartCopy" }

// Action implements Op.
func (*CompleteMultipartUpload) Action() string { return "CompleteMultipartUpload" }

// Action implements Op.
func (*AbortMultipartUpload) Action() string { return "AbortMultipartUpload" }

// Action implements Op.
func (*ListParts) Action() string { return "ListParts" }

// Action implements Op.
func (*ListMultipartUploads) Action() string { return "ListMultipartUploads" }

// Resource implements Op.
func (o *CreateMultipartUpload) Resource() Resource { return Resource{Bucket: o.Bucket, Key: o.Key} }

// Resource implements Op.
func (o *UploadPart) Resource() Resource { return Resource{Bucket: o.Bucket, Key: o.Key} }

// Resource implements Op: the destination. The source needs a right of its
// own.
func (o *UploadPartCopy) Resource() Resource { return Resource{Bucket: o.Bucket, Key: o.Key} }

// Resource implements Op.
func (o *CompleteMultipartUpload) Resource() Resource {
	return Resource{Bucket: o.Bucket, Key: o.Key}
}

// Resource implements Op.
func (o *AbortMultipartUpload) Resource() Resource { return Resource{Bucket: o.Bucket, Key: o.Key} }

// Resource implements Op.
func (o *ListParts) Resource() Resource { return Resource{Bucket: o.Bucket, Key: o.Key} }

// Resource implements Op.
func (o *ListMultipartUploads) Resource() Resource { return Resource{Bucket: o.Bucket} }

func (*CreateMultipartUpload) sealed()   {}
func (*UploadPart) sealed()              {}
func (*UploadPartCopy) sealed()          {}
func (*CompleteMultipartUpload) sealed() {}
func (*AbortMultipartUpload) sealed()    {}
func (*ListParts) sealed()               {}
func (*ListMultipartUploads) sealed()    {}
