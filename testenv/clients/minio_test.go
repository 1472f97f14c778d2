// SPDX-License-Identifier: Apache-2.0

package clients

import (
	"bytes"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

type minioGo struct {
	*world
	c     *minio.Client
	small []byte
}

func openMinio(t *testing.T, w *world) play {
	t.Helper()
	u, err := url.Parse(w.url)
	must(t, err)
	access, secret := w.keys()
	tr := w.transport(t)
	c, err := minio.New(u.Host, &minio.Options{
		Creds: credentials.NewStaticV4(access, secret, ""), Secure: u.Scheme == "https", Transport: tr, BucketLookup: minio.BucketLookupPath, TrailingHeaders: true,
	})
	must(t, err)
	_, err = c.BucketExists(t.Context(), w.bucket)
	must(t, err)
	m := &minioGo{w, c, randomBytes(300_007)}
	return play{version: tr.version("minio-go/v"), steps: map[string]func(*testing.T){
		"upload": m.upload, "download": m.download, "range": m.ranged, "list": m.list, "copy": m.copy, "delete": m.remove, "multipart": m.multipart,
	}}
}

func (m *minioGo) put(t *testing.T, key string, b []byte, o minio.PutObjectOptions) {
	t.Helper()
	_, err := m.c.PutObject(t.Context(), m.bucket, m.prefix+key, bytes.NewReader(b), int64(len(b)), o)
	must(t, err)
}

func (m *minioGo) get(t *testing.T, key string, o minio.GetObjectOptions) []byte {
	t.Helper()
	object, err := m.c.GetObject(t.Context(), m.bucket, m.prefix+key, o)
	must(t, err)
	defer object.Close()
	b, err := io.ReadAll(object)
	must(t, err)
	return b
}

func (m *minioGo) keysIn(t *testing.T) map[string]int64 {
	t.Helper()
	found := map[string]int64{}
	for o := range m.c.ListObjects(t.Context(), m.bucket, minio.ListObjectsOptions{Prefix: m.prefix, Recursive: true}) {
		must(t, o.Err)
		found[strings.TrimPrefix(o.Key, m.prefix)] = o.Size
	}
	return found
}

func (m *minioGo) upload(t *testing.T) {
	m.put(t, "a b+%é/small.bin", m.small, minio.PutObjectOptions{UserMetadata: map[string]string{"epoch": "7"}, Checksum: minio.ChecksumCRC32C})
	m.put(t, "empty", nil, minio.PutObjectOptions{})
	info, err := m.c.StatObject(t.Context(), m.bucket, m.prefix+"a b+%é/small.bin", minio.StatObjectOptions{})
	must(t, err)
	if info.UserMetadata["Epoch"] != "7" {
		t.Errorf("metadata: %v", info.UserMetadata)
	}
}

func (m *minioGo) download(t *testing.T) {
	sameBytes(t, m.get(t, "a b+%é/small.bin", minio.GetObjectOptions{}), m.small)
	sameBytes(t, m.get(t, "empty", minio.GetObjectOptions{}), nil)
}

func (m *minioGo) ranged(t *testing.T) {
	var o minio.GetObjectOptions
	must(t, o.SetRange(65530, 131080))
	sameBytes(t, m.get(t, "a b+%é/small.bin", o), m.small[65530:131081])
}

func (m *minioGo) list(t *testing.T) {
	if found := m.keysIn(t); !maps.Equal(found, map[string]int64{"a b+%é/small.bin": 300_007, "empty": 0}) {
		t.Errorf("listing: %v", found)
	}
}

func (m *minioGo) copy(t *testing.T) {
	_, err := m.c.CopyObject(t.Context(), minio.CopyDestOptions{Bucket: m.bucket, Object: m.prefix + "copied"},
		minio.CopySrcOptions{Bucket: m.bucket, Object: m.prefix + "a b+%é/small.bin"})
	must(t, err)
	sameBytes(t, m.get(t, "copied", minio.GetObjectOptions{}), m.small)
}

// remove removes in one batch.
func (m *minioGo) remove(t *testing.T) {
	keys := make(chan minio.ObjectInfo, 3)
	for _, key := range slices.Sorted(maps.Keys(m.keysIn(t))) {
		keys <- minio.ObjectInfo{Key: m.prefix + key}
	}
	close(keys)
	for e := range m.c.RemoveObjects(t.Context(), m.bucket, keys, minio.RemoveObjectsOptions{}) {
		t.Errorf("removing %s: %v", e.ObjectName, e.Err)
	}
	if found := m.keysIn(t); len(found) > 0 {
		t.Errorf("after the removal: %v", found)
	}
}

func (m *minioGo) multipart(t *testing.T) {
	b := randomBytes(large())
	m.put(t, "large", b, minio.PutObjectOptions{PartSize: 16 << 20, NumThreads: 3})
	sameBytes(t, m.get(t, "large", minio.GetObjectOptions{}), b)
	must(t, m.c.RemoveObject(t.Context(), m.bucket, m.prefix+"large", minio.RemoveObjectOptions{}))
	m.inParts(t, "large")
}
