// SPDX-License-Identifier: Apache-2.0

package s3api

// Tag is one tag of an object.
type Tag struct{ Key, Value string }

// CopySource is the object that a copy reads. Bucket and key were read by the
// same rules as a path (S3.md, "Copies").
type CopySource struct {
	Bucket, Key string
	VersionID   string     // "" for the newest
	Conditions  Conditions // x-amz-copy-source-if-*; see Check
}

// Resource is what the copy needs the right to read.
func (s CopySource) Resource() Resource { return Resource{Bucket: s.Bucket, Key: s.Key} }

// CopyObject copies an object.
type CopyObject struct {
	Bucket, Key string
	Source      CopySource
	Replace     bool       // x-amz-metadata-directive: REPLACE; else Headers and Meta are empty
	Headers     Headers    // of the copy, with Replace
	Meta        []UserMeta // of the copy, with Replace
	ReplaceTags bool       // x-amz-tagging-directive: REPLACE; else Tags is empty
	Tags        []Tag      // of the copy, with ReplaceTags
	Lock        Lock       // of the copy; that of the source stays there
	IfNoneMatch bool       // If-None-Match: * of the destination
	IfMatch     string     // one entity tag of the destination, as sent; "" for none
	Algorithm   Algorithm  // the checksum that the copy shall have; ChecksumNone when not said
}

// DeleteObjects removes up to 1000 objects. They are read through Keys.
type DeleteObjects struct {
	Bucket string

	body xmlBody
}

// ListObjectVersions lists the versions of a bucket's objects.
type ListObjectVersions struct {
	Bucket        string
	Prefix        string
	Delimiter     string
	KeyMarker     string // go on after this key
	VersionMarker string // ... and after this version of it; read only with KeyMarker
	Max           int    // 0..1000 versions and common prefixes together
	EncodingURL   bool
}

// GetObjectTagging asks for an object's tags.
type GetObjectTagging struct{ Bucket, Key, VersionID string }

// DeleteObjectTagging removes all tags of an object.
type DeleteObjectTagging struct{ Bucket, Key, VersionID string }

// PutObjectTagging replaces an object's tags. They are read through Tags.
type PutObjectTagging struct {
	Bucket, Key, VersionID string

	body xmlBody
}

// GetObjectAttributes asks for some facts about an object.
type GetObjectAttributes struct {
	Bucket, Key, VersionID                    string
	ETag, Checksum, Parts, Size, StorageClass bool // what is asked for
	MaxParts                                  int  // 0..1000 parts
	After                                     int  // parts after this number
}

// Action implements Op.
func (*CopyObject) Action() string { return "CopyObject" }

// Action implements Op.
func (*DeleteObjects) Action() string { return "DeleteObjects" }

// Action implements Op.
func (*ListObjectVersions) Action() string { return "ListObjectVersions" }

// Action implements Op.
func (*GetObjectTagging) Action() string { return "GetObjectTagging" }

// Action implements Op.
func (*DeleteObjectTagging) Action() string { return "DeleteObjectTagging" }

// Action implements Op.
func (*PutObjectTagging) Action() string { return "PutObjectTagging" }

// Action implements Op.
func (*GetObjectAttributes) Action() string { return "GetObjectAttributes" }

// Resource implements Op: the destination. The source needs a right of its
// own.
func (o *CopyObject) Resource() Resource { return Resource{Bucket: o.Bucket, Key: o.Key} }

// Resource implements Op: the bucket. Each key needs a right of its own.
func (o *DeleteObjects) Resource() Resource { return Resource{Bucket: o.Bucket} }

// Resource implements Op.
func (o *ListObjectVersions) Resource() Resource { return Resource{Bucket: o.Bucket} }

// Resource implements Op.
func (o *GetObjectTagging) Resource() Resource { return Resource{Bucket: o.Bucket, Key: o.Key} }

// Resource implements Op.
func (o *DeleteObjectTagging) Resource() Resource { return Resource{Bucket: o.Bucket, Key: o.Key} }

// Resource implements Op.
func (o *PutObjectTagging) Resource() Resource { return Resource{Bucket: o.Bucket, Key: o.Key} }

// Resource implements Op.
func (o *GetObjectAttributes) Resource() Resource { return Resource{Bucket: o.Bucket, Key: o.Key} }

func (*CopyObject) sealed()          {}
func (*DeleteObjects) sealed()       {}
func (*ListObjectVersions) sealed()  {}
func (*GetObjectTagging) sealed()    {}
func (*DeleteObjectTagging) sealed() {}
func (*PutObjectTagging) sealed()    {}
func (*GetObjectAttributes) sealed() {}
