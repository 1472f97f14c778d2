// SPDX-License-Identifier: Apache-2.0

package s3api_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/tags"

	"github.com/sealgate/sealgate/gateway/s3api"
)

// told answers every operation with what it knows by heart, through the
// writers, and keeps a line of what it was asked.
type told struct {
	mu    sync.Mutex
	asked []string
}

var when = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func (s *told) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	op, err := s3api.Parse(r, s3api.Options{})
	line := fmt.Sprint(err)
	if err == nil {
		line, err = s.answer(w, r, op)
		line = op.Action() + " " + op.Resource().String() + " " + line
	}
	if err != nil {
		s3api.WriteError(w, r, err.(*s3api.Error), "id") //nolint:forcetypeassert,errorlint // every error of this package is one
	}
	s.mu.Lock()
	s.asked = append(s.asked, strings.TrimSpace(line))
	s.mu.Unlock()
}

func (s *told) answer(w http.ResponseWriter, r *http.Request, op s3api.Op) (string, error) {
	sum := s3api.Checksum{Algorithm: s3api.ChecksumCRC32C, Sum: []byte{0, 0, 0, 1}}
	switch op := op.(type) {
	case *s3api.CreateMultipartUpload:
		s3api.WriteCreated(w, op, "the/upload+id")
		return fmt.Sprint(op.Headers.ContentType, " ", op.Meta, op.Tags), nil
	case *s3api.UploadPart:
		n, err := io.Copy(io.Discard, op.Body(r.Body))
		s3api.SetPartHeaders(w.Header(), `"part-1"`, op.Checksum)
		return fmt.Sprint(op.UploadID, " ", op.Number, " ", n), err
	case *s3api.UploadPartCopy:
		s3api.WriteCopiedPart(w, s3api.Copied{ETag: `"part-1"`, Modified: when})
		return fmt.Sprint(op.Source.Resource(), " ", op.Off, " ", op.Len), nil
	case *s3api.CompleteMultipartUpload:
		parts, err := op.Parts(r.Body)
		s3api.WriteCompleted(w, op, s3api.Completed{Location: s3api.Location(r), ETag: `"whole-2"`, Checksum: sum, VersionID: "v1"})
		return fmt.Sprint(parts), err
	case *s3api.AbortMultipartUpload:
		w.WriteHeader(http.StatusNoContent)
		return op.UploadID, nil
	case *s3api.ListParts:
		s3api.WriteParts(w, op, s3api.PartList{Parts: []s3api.PartListed{{Number: 3, Size: 7, ETag: `"part-1"`, Modified: when, Checksum: sum}}, More: true, Next: 3, Algorithm: sum.Algorithm})
	case *s3api.ListMultipartUploads:
		s3api.WriteUploads(w, op, s3api.UploadList{Uploads: []s3api.UploadListed{{Key: "a b", UploadID: "the/upload+id", Initiated: when}}})
	case *s3api.CopyObject:
		s3api.WriteCopied(w, s3api.Copied{ETag: `"copy-1"`, Modified: when, VersionID: "v2"})
		return fmt.Sprint(op.Source.Resource(), " ", op.Source.VersionID, " ", op.Replace, op.Meta, op.ReplaceTags, op.Tags), nil
	case *s3api.DeleteObjects:
		keys, _, err := op.Keys(r.Body)
		var done []s3api.Deletion
		for _, k := range keys {
			d := s3api.Deletion{Key: k.Key, VersionID: k.VersionID}
			if k.Key == "forbidden" {
				d.Err = s3api.AccessDenied("not you")
			}
			done = append(done, d)
		}
		s3api.WriteDeleted(w, false, done)
		return fmt.Sprint(keys), err
	default:
		return s.answerMore(w, r, op)
	}
	return "", nil
}

func (s *told) answerMore(w http.ResponseWriter, r *http.Request, op s3api.Op) (string, error) {
	switch op := op.(type) {
	case *s3api.ListObjectVersions:
		s3api.WriteVersions(w, op, s3api.VersionList{Versions: []s3api.VersionListed{
			{Key: "a b+ü", VersionID: "2", Latest: true, Marker: true, Modified: when}, {Key: "a b+ü", VersionID: "1", ETag: `"x-1"`, Size: 5, Modified: when},
		}})
	case *s3api.GetObjectTagging:
		s3api.WriteTags(w, "v", []s3api.Tag{{Key: "a", Value: "1 : 2"}})
	case *s3api.PutObjectTagging:
		got, err := op.Tags(r.Body)
		return fmt.Sprint(got), err
	case *s3api.DeleteObjectTagging:
		w.WriteHeader(http.StatusNoContent)
	case *s3api.GetObjectAttributes:
		s3api.WriteAttributes(w, op, s3api.Attributes{ETag: `"x-2"`, Modified: when, Size: 12, Total: 2, Parts: []s3api.AttributePart{{Number: 1, Size: 5}, {Number: 2, Size: 7}}})
	case *s3api.GetBucketVersioning:
		s3api.WriteVersioning(w, "Enabled")
	case *s3api.CreateBucket:
		return "", op.Check(r.Body, "us-east-1")
	case *s3api.DeleteBucket:
		w.WriteHeader(http.StatusNoContent)
	case *s3api.GetBucketLocation:
		s3api.WriteLocation(w, "us-east-1")
	case *s3api.HeadObject:
		s3api.SetObjectHeaders(w.Header(), s3api.ObjectAnswer{Size: 7, Len: 7, ETag: `"x-1"`, Modified: when, VersionID: "v"})
	case *s3api.Stub:
		return "", s3api.WriteStub(w, op)
	default:
		return "", s3api.NotImplemented(op.Action())
	}
	return "", nil
}

// A client that is not ours reads every answer as it was meant, and what it
// asks for is read as it meant it.
func TestMinioGoReadsTheAnswers(t *testing.T) {
	t.Parallel()
	s := &told{}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	c, err := minio.NewCore(strings.TrimPrefix(srv.URL, "http://"), &minio.Options{Creds: credentials.NewStaticV4("AKIDEXAMPLE", "secretexample", ""), Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	check := func(what string, ok bool, got ...any) {
		t.Helper()
		if !ok {
			t.Errorf("%s: the client has %+v", what, got)
		}
	}
	id, err := c.NewMultipartUpload(ctx, "models", "a b+ü", minio.PutObjectOptions{ContentType: "text/x", UserMetadata: map[string]string{"k": "v"}, UserTags: map[string]string{"t": "1 2"}})
	check("create", err == nil && id == "the/upload+id", id, err)
	p, err := c.PutObjectPart(ctx, "models", "a b+ü", id, 2, strings.NewReader("part"), 4, minio.PutObjectPartOptions{})
	check("part", err == nil && p.ETag == "part-1", p, err)
	cp, err := c.CopyObjectPart(ctx, "models", "s/ö+ x", "models", "a b+ü", id, 1, 5, 10, nil)
	check("part copy", err == nil && cp.ETag == `"part-1"`, cp, err)
	l, err := c.ListObjectParts(ctx, "models", "a b+ü", id, 2, 10)
	check("parts", err == nil && l.IsTruncated && l.NextPartNumberMarker == 3 && l.ObjectParts[0].Size == 7 && l.ObjectParts[0].ETag == `"part-1"` && l.ObjectParts[0].ChecksumCRC32C == "AAAAAQ==", l, err)
	done, err := c.CompleteMultipartUpload(ctx, "models", "a b+ü", id, []minio.CompletePart{{PartNumber: 1, ETag: "part-1"}, {PartNumber: 2, ETag: "part-1", ChecksumCRC32C: "AAAAAQ=="}}, minio.PutObjectOptions{})
	check("complete", err == nil && done.ETag == "whole-2" && done.VersionID == "v1" && done.ChecksumCRC32C == "AAAAAQ==", done, err)
	check("abort", c.AbortMultipartUpload(ctx, "models", "a b+ü", id) == nil)
	ups, err := c.ListMultipartUploads(ctx, "models", "a", "", "", "", 10)
	check("uploads", err == nil && ups.Uploads[0].UploadID == id && ups.Uploads[0].Key == "a b" && ups.Uploads[0].Initiated.Equal(when), ups, err)
	copied, err := c.Client.CopyObject(ctx, minio.CopyDestOptions{Bucket: "models", Object: "copy", ReplaceMetadata: true, UserMetadata: map[string]string{"m": "n"}, ReplaceTags: true, UserTags: map[string]string{"x": "y"}},
		minio.CopySrcOptions{Bucket: "models", Object: "s/ö+ x", VersionID: "v.7"})
	check("copy", err == nil && copied.ETag == "copy-1" && copied.VersionID == "v2" && copied.LastModified.Equal(when), copied, err)
	check("batch", removed(t, c.Client))
	var versions []minio.ObjectInfo
	for v := range c.ListObjectsIter(ctx, "models", minio.ListObjectsOptions{WithVersions: true, Prefix: "a", Recursive: true}) {
		versions = append(versions, v)
	}
	check("versions", len(versions) == 2 && versions[0].IsDeleteMarker && versions[0].IsLatest && versions[1].VersionID == "1" && versions[1].Size == 5 && versions[1].Key == "a b+ü", versions)
	set, _ := tags.MapToObjectTags(map[string]string{"q": "a b"})
	check("put tags", c.PutObjectTagging(ctx, "models", "k", set, minio.PutObjectTaggingOptions{VersionID: "v"}) == nil)
	got, err := c.GetObjectTagging(ctx, "models", "k", minio.GetObjectTaggingOptions{})
	check("get tags", err == nil && got.ToMap()["a"] == "1 : 2", got, err)
	check("remove tags", c.RemoveObjectTagging(ctx, "models", "k", minio.RemoveObjectTaggingOptions{}) == nil)
	attr, err := c.GetObjectAttributes(ctx, "models", "k", minio.ObjectAttributesOptions{})
	check("attributes", err == nil && attr.ETag == "x-2" && attr.ObjectSize == 12 && attr.ObjectParts.PartsCount == 2 && attr.ObjectParts.Parts[1].Size == 7, attr, err)
	v, err := c.GetBucketVersioning(ctx, "models")
	check("versioning", err == nil && v.Enabled(), v, err)
	acl, err := c.GetObjectACL(ctx, "models", "k")
	check("acl", err == nil && acl.Owner.ID == "sealgate" && acl.Grant[0].Permission == "FULL_CONTROL", acl, err)
	enc, err := c.GetBucketEncryption(ctx, "models")
	check("encryption", err == nil && enc.Rules[0].Apply.SSEAlgorithm == "aws:kms", enc, err)
	pol, err := c.Client.GetBucketPolicy(ctx, "models")
	check("policy", err == nil && pol == "", pol, err)
	check("make bucket", c.MakeBucket(ctx, "fresh", minio.MakeBucketOptions{Region: "us-east-1"}) == nil)
	err = c.MakeBucket(ctx, "fresh", minio.MakeBucketOptions{Region: "mars"})
	check("make bucket elsewhere", minio.ToErrorResponse(err).Code == "InvalidLocationConstraint", err)
	check("remove bucket", c.RemoveBucket(ctx, "fresh") == nil)

	srv.Close() // waits until every answer was noted
	for _, want := range []string{
		"CreateMultipartUpload models/a b+ü text/x [{k v}] [{t 1 2}]", "UploadPart models/a b+ü the/upload+id 2 4", "UploadPartCopy models/a b+ü models/s/ö+ x 5 10",
		"AbortMultipartUpload models/a b+ü the/upload+id", "CopyObject models/copy models/s/ö+ x v.7 true [{m n}] true [{x y}]",
		"DeleteObjects models [{gone v9 <nil>} {forbidden  <nil>}]", "PutObjectTagging models/k [{q a b}]",
	} {
		if !slices.Contains(s.asked, want) {
			t.Errorf("nobody asked for %s; asked:\n%s", want, strings.Join(s.asked, "\n"))
		}
	}
}

// removed deletes two objects in a batch; one of them may not be.
func removed(t *testing.T, c *minio.Client) bool {
	t.Helper()
	batch := make(chan minio.ObjectInfo, 2)
	batch <- minio.ObjectInfo{Key: "gone", VersionID: "v9"}
	batch <- minio.ObjectInfo{Key: "forbidden"}
	close(batch)
	var failed bytes.Buffer
	for e := range c.RemoveObjects(t.Context(), "models", batch, minio.RemoveObjectsOptions{}) {
		fmt.Fprint(&failed, e.ObjectName, minio.ToErrorResponse(e.Err).Code)
	}
	return failed.String() == "forbiddenAccessDenied"
}
