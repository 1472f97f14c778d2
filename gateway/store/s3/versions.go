// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/sealgate/sealgate/gateway/store"
)

// Versioning implements store.Versioner.
func (s *Store) Versioning(ctx context.Context) (string, error) {
	var status string
	err := within(ctx, s.c.Timeout, func(ctx context.Context) error {
		c, err := s.core.GetBucketVersioning(ctx, s.c.Bucket)
		status = c.Status
		if e, ok := errors.AsType[minio.ErrorResponse](err); ok && e.Code == "NotImplemented" {
			return nil // keeps none
		}
		return err
	})
	if err == nil && status != "" && status != minio.Enabled && status != minio.Suspended {
		err = wrongAnswer("a state of versioning that there is not")
	}
	if err != nil {
		return "", fmt.Errorf("asking for the versioning of %s: %w", s.c.Bucket, err)
	}
	return status, nil
}

// HeadVersion implements store.Versioner.
func (s *Store) HeadVersion(ctx context.Context, key, version string) (store.Object, error) {
	if err := checkVersion(version); err != nil {
		return store.Object{}, fmt.Errorf("reading %q: %w", key, err)
	}
	var obj store.Object
	err := s.retry(ctx, "reading", key, func(ctx context.Context) error {
		info, err := s.core.StatObject(ctx, s.c.Bucket, key, minio.StatObjectOptions{VersionID: version})
		if err != nil {
			return ofLongKey(ofVersion(err, version), key)
		}
		if obj, err = describe(key, info); err == nil {
			err = sameVersion(&obj, version)
		}
		return err
	})
	if err != nil {
		return store.Object{}, err
	}
	return obj, nil
}

// DeleteVersion implements store.Versioner.
func (s *Store) DeleteVersion(ctx context.Context, key, version string) (store.Deleted, error) {
	if checkVersion(version) != nil {
		return store.Deleted{}, checkKey(key) // there is none of this name
	}
	c := call{method: http.MethodDelete, key: key}
	if version != "" {
		c.query = url.Values{"versionId": {version}}
	}
	var header http.Header
	err := s.retry(ctx, "deleting", key, func(ctx context.Context) (err error) {
		header, err = s.exchange(ctx, c, nil)
		return ofVersion(err, version)
	})
	if errors.Is(err, store.ErrNotFound) && version != "" {
		// Some backends say of what is locked what they say of a version that
		// there cannot be.
		o, herr := s.HeadVersion(ctx, key, version)
		switch {
		case herr == nil && o.Lock.Holds(time.Now()):
			return store.Deleted{}, fmt.Errorf("deleting %q: %w", key, store.ErrLocked)
		case !errors.Is(herr, store.ErrNotFound):
			return store.Deleted{}, fmt.Errorf("deleting %q: %w", key, cmp.Or(herr, wrongAnswer("no such version, of one that is there")))
		}
	}
	if errors.Is(err, store.ErrNotFound) {
		return store.Deleted{}, nil // some backends tell
	}
	if err != nil {
		return store.Deleted{}, s.lockedOut(ctx, key, version, store.Lock{}, err)
	}
	return store.Deleted{VersionID: nameOf(header), Marker: header.Get("X-Amz-Delete-Marker") == "true"}, nil
}

// nameOf is the version that an answer names.
func nameOf(h http.Header) string { return version(h.Get("X-Amz-Version-Id")) }

// checkVersion refuses what no backend can have named a version.
func checkVersion(version string) error {
	if len(version) > store.MaxKey || strings.ContainsFunc(version, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fmt.Errorf("version %.60q: %w", version, store.ErrNotFound)
	}
	return nil
}

// ofVersion makes what backends answer about versions that do not exist, that
// have another form than theirs, or that are delete markers, what it means.
func ofVersion(err error, version string) error {
	e, ok := errors.AsType[minio.ErrorResponse](err)
	if ok && version != "" && (e.StatusCode == http.StatusMethodNotAllowed || e.StatusCode == http.StatusBadRequest) && codes[e.Code] != store.ErrOptions { //nolint:errorlint // a table of sentinels
		return fmt.Errorf("version %q: %w", version, store.ErrNotFound)
	}
	return err
}

// sameVersion holds an answer about a version against the question, and names
// the version in it.
func sameVersion(obj *store.Object, asked string) error {
	if asked != "" && asked != store.NullVersion && obj.VersionID != asked {
		return wrongAnswer("another version")
	}
	if asked != "" {
		obj.VersionID = asked
	}
	return nil
}
