// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"

	"github.com/sealgate/sealgate/gateway/policy"
	"github.com/sealgate/sealgate/gateway/s3api"
	"github.com/sealgate/sealgate/gateway/store"
)

// noVersionError says that a key has no such version, or is not there at all.
type noVersionError struct {
	version string
	err     error // wraps store.ErrNotFound
}

func (e *noVersionError) Error() string { return "no such version: " + e.err.Error() }
func (e *noVersionError) Unwrap() error { return e.err }

// readerAt is reader for one version of an object, or with version "" for the
// newest. What a client names is what it gets: an older version is not taken
// for a newer one, since the store is asked for nothing else (S3.md,
// "Versions").
func (x *exchange) readerAt(g policy.Grant, version string) (reader, error) {
	rd, err := x.reader(g)
	if err != nil {
		return rd, err
	}
	rd.store, err = versioned(rd.store, version)
	return rd, err
}

// versioned is s with Get and Head of one version. A store that keeps none has
// one version of each object, which S3 calls "null".
func versioned(s store.Store, version string) (store.Store, error) {
	if version == "" {
		return s, nil
	}
	v, ok := s.(store.Versioner)
	switch {
	case ok:
		return oneVersion{v, version}, nil
	case version == store.NullVersion:
		return s, nil
	}
	return nil, badVersion(version)
}

func badVersion(version string) error {
	return s3api.InvalidArgument("versionId", version, "Invalid version id specified")
}

// oneVersion reads one version where its users say nothing of versions.
type oneVersion struct {
	store.Versioner
	version string
}

// Get implements store.Store.
func (s oneVersion) Get(ctx context.Context, key string, o store.GetOptions) (*store.Reader, error) {
	r, err := s.GetVersion(ctx, key, s.version, o)
	return r, s.absent(err)
}

// Head implements store.Store.
func (s oneVersion) Head(ctx context.Context, key string) (store.Object, error) {
	o, err := s.HeadVersion(ctx, key, s.version)
	return o, s.absent(err)
}

// absent lets a missing version be told from a missing key.
func (s oneVersion) absent(err error) error {
	if isNotFound(err) {
		return &noVersionError{s.version, err}
	}
	return err
}

// versionOf gives the version that a request names, for its record.
func versionOf(op s3api.Op) string {
	switch op := op.(type) {
	case *s3api.GetObject:
		return op.VersionID
	case *s3api.HeadObject:
		return op.VersionID
	case *s3api.DeleteObject:
		return op.VersionID
	case *s3api.GetObjectTagging:
		return op.VersionID
	case *s3api.PutObjectTagging:
		return op.VersionID
	case *s3api.DeleteObjectTagging:
		return op.VersionID
	case *s3api.GetObjectAttributes:
		return op.VersionID
	case *s3api.GetObjectRetention:
		return op.VersionID
	case *s3api.GetObjectLegalHold:
		return op.VersionID
	case *s3api.PutObjectRetention:
		return op.VersionID
	}
	return ""
}

// versioner gives the bucket's store as one that may keep versions.
func (rd reader) versioner() (store.Versioner, bool) {
	v, ok := rd.store.(store.Versioner)
	return v, ok
}

// remove deletes an object, or one version of it.
func (rd reader) remove(ctx context.Context, key, version string) (store.Deleted, error) {
	if v, ok := rd.versioner(); ok {
		return v.DeleteVersion(ctx, key, version)
	}
	return store.Deleted{}, rd.store.Delete(ctx, key)
}

// checkVersion refuses a version that the bucket's store cannot have.
func (rd reader) checkVersion(version string) error {
	_, err := versioned(rd.store, version)
	return err
}
