// SPDX-License-Identifier: Apache-2.0

package s3api

// CreateBucket makes a bucket. Its body is held against what is possible by
// Check.
type CreateBucket struct {
	Bucket     string
	ObjectLock bool // objects can be locked in it

	body xmlBody
}

// DeleteBucket removes an empty bucket.
type DeleteBucket struct{ Bucket string }

// GetBucketVersioning asks whether a bucket keeps versions.
type GetBucketVersioning struct{ Bucket string }

// Stub is an operation whose answer is fixed: it is what it is for every
// bucket and every object (S3.md, "Fixed answers").
type Stub struct {
	Name        string // AWS name
	Bucket, Key string
}

// Action implements Op.
func (*CreateBucket) Action() string { return "CreateBucket" }

// Action implements Op.
func (*DeleteBucket) Action() string { return "DeleteBucket" }

// Action implements Op.
func (*GetBucketVersioning) Action() string { return "GetBucketVersioning" }

// Action implements Op: the name of what was asked for.
func (o *Stub) Action() string { return o.Name }

// Resource implements Op.
func (o *CreateBucket) Resource() Resource { return Resource{Bucket: o.Bucket} }

// Resource implements Op.
func (o *DeleteBucket) Resource() Resource { return Resource{Bucket: o.Bucket} }

// Resource implements Op.
func (o *GetBucketVersioning) Resource() Resource { return Resource{Bucket: o.Bucket} }

// Resource implements Op.
func (o *Stub) Resource() Resource { return Resource{Bucket: o.Bucket, Key: o.Key} }

func (*CreateBucket) sealed()        {}
func (*DeleteBucket) sealed()        {}
func (*GetBucketVersioning) sealed() {}
func (*Stub) sealed()                {}
