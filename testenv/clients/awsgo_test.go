// SPDX-License-Identifier: Apache-2.0

package clients

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"
)

// awsGo is told to write path style where the endpoint has a name; for the
// address of an agent it does so by itself.
type awsGo struct {
	*world
	c     *s3.Client
	small []byte
}

func openAWSGo(t *testing.T, w *world) play {
	t.Helper()
	access, secret := w.keys()
	tr := w.transport(t)
	a := &awsGo{w, s3.New(s3.Options{
		BaseEndpoint: &w.url, UsePathStyle: w.way == mtls, Region: "us-east-1", HTTPClient: &http.Client{Transport: tr},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: access, SecretAccessKey: secret}, nil
		}),
	}), randomBytes(300_007)}
	_, err := a.c.HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: &w.bucket})
	must(t, err)
	return play{version: tr.version("api/s3#"), steps: map[string]func(*testing.T){
		"upload": a.upload, "download": a.download, "range": a.ranged, "list": a.list, "copy": a.copy, "delete": a.remove, "multipart": a.multipart,
	}}
}

func (a *awsGo) key(name string) *string { return aws.String(a.prefix + name) }

func (a *awsGo) get(t *testing.T, name string, ranged *string) []byte {
	t.Helper()
	out, err := a.c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &a.bucket, Key: a.key(name), Range: ranged})
	must(t, err)
	defer out.Body.Close()
	b, err := io.ReadAll(out.Body)
	must(t, err)
	return b
}

func (a *awsGo) keysIn(t *testing.T) map[string]int64 {
	t.Helper()
	found := map[string]int64{}
	for pages := s3.NewListObjectsV2Paginator(a.c, &s3.ListObjectsV2Input{Bucket: &a.bucket, Prefix: &a.prefix, MaxKeys: aws.Int32(1)}); pages.HasMorePages(); {
		page, err := pages.NextPage(t.Context())
		must(t, err)
		for _, o := range page.Contents {
			found[strings.TrimPrefix(*o.Key, a.prefix)] = *o.Size
		}
	}
	return found
}

func (a *awsGo) upload(t *testing.T) {
	_, err := a.c.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: &a.bucket, Key: a.key("a b+%é/small.bin"), Body: bytes.NewReader(a.small), Metadata: map[string]string{"epoch": "7"},
	})
	must(t, err)
	_, err = a.c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &a.bucket, Key: a.key("empty")})
	must(t, err)
	head, err := a.c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &a.bucket, Key: a.key("a b+%é/small.bin")})
	must(t, err)
	if head.Metadata["epoch"] != "7" {
		t.Errorf("metadata: %v", head.Metadata)
	}
}

func (a *awsGo) download(t *testing.T) {
	sameBytes(t, a.get(t, "a b+%é/small.bin", nil), a.small)
	sameBytes(t, a.get(t, "empty", nil), nil)
}

func (a *awsGo) ranged(t *testing.T) {
	sameBytes(t, a.get(t, "a b+%é/small.bin", aws.String("bytes=65530-131080")), a.small[65530:131081])
}

func (a *awsGo) list(t *testing.T) {
	if found := a.keysIn(t); !maps.Equal(found, map[string]int64{"a b+%é/small.bin": 300_007, "empty": 0}) {
		t.Errorf("listing: %v", found)
	}
}

func (a *awsGo) copy(t *testing.T) {
	_, err := a.c.CopyObject(t.Context(), &s3.CopyObjectInput{
		Bucket: &a.bucket, Key: a.key("copied"), CopySource: aws.String(a.bucket + "/" + a.prefix + "a%20b%2B%25%C3%A9/small.bin"),
	})
	must(t, err)
	sameBytes(t, a.get(t, "copied", nil), a.small)
}

// remove removes in one batch.
func (a *awsGo) remove(t *testing.T) {
	var batch types.Delete
	for key := range a.keysIn(t) {
		batch.Objects = append(batch.Objects, types.ObjectIdentifier{Key: a.key(key)})
	}
	out, err := a.c.DeleteObjects(t.Context(), &s3.DeleteObjectsInput{Bucket: &a.bucket, Delete: &batch})
	must(t, err)
	if left := a.keysIn(t); len(out.Deleted) != 3 || len(left) > 0 {
		t.Errorf("%d were removed, left are %v", len(out.Deleted), left)
	}
}

// multipart sends four parts at a time, each with the checksum that the client
// sends by itself.
func (a *awsGo) multipart(t *testing.T) {
	b := randomBytes(large())
	chunks := slices.Collect(slices.Chunk(b, 16<<20))
	made, err := a.c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &a.bucket, Key: a.key("large")})
	must(t, err)
	sent := make([]types.CompletedPart, len(chunks))
	var group errgroup.Group
	group.SetLimit(4)
	for n, chunk := range chunks {
		group.Go(func() error {
			number := aws.Int32(int32(n + 1))
			out, err := a.c.UploadPart(t.Context(), &s3.UploadPartInput{
				Bucket: &a.bucket, Key: a.key("large"), UploadId: made.UploadId, PartNumber: number, Body: bytes.NewReader(chunk),
			})
			if err != nil {
				return fmt.Errorf("part %d: %w", *number, err)
			}
			sent[n] = types.CompletedPart{PartNumber: number, ETag: out.ETag, ChecksumCRC32: out.ChecksumCRC32}
			return nil
		})
	}
	must(t, group.Wait())
	_, err = a.c.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{
		Bucket: &a.bucket, Key: a.key("large"), UploadId: made.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: sent},
	})
	must(t, err)
	sameBytes(t, a.get(t, "large", nil), b)
	_, err = a.c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &a.bucket, Key: a.key("large")})
	must(t, err)
	a.inParts(t, "large")
}
