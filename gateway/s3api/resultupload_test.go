// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

var (
	noon = time.Date(2026, 11, 21, 12, 0, 0, 5e6, time.UTC)
	crc  = Checksum{Algorithm: ChecksumCRC32, Sum: []byte{0, 0, 0, 1}}
)

const (
	ns    = ` xmlns="http://s3.amazonaws.com/doc/2006-03-01/">`
	own   = `<ID>sealgate</ID><DisplayName>sealgate</DisplayName>`
	isoAt = `2026-11-21T12:00:00.005Z`
)

// Every result, element by element in the order of AWS.
func TestResultDocuments(t *testing.T) {
	t.Parallel()
	composite := Checksum{Algorithm: ChecksumSHA256, Sum: make([]byte, 32), Parts: 2}
	sha := strings.Repeat("A", 43) + "=-2"
	for _, c := range []struct {
		name  string
		write func(w http.ResponseWriter)
		want  string
	}{
		{"created", func(w http.ResponseWriter) {
			WriteCreated(w, &CreateMultipartUpload{Bucket: "models", Key: "a&b", Algorithm: ChecksumCRC32, ChecksumType: FullObject}, "up/load+")
		}, `<InitiateMultipartUploadResult` + ns + `<Bucket>models</Bucket><Key>a&amp;b</Key><UploadId>up/load+</UploadId></InitiateMultipartUploadResult>`},
		{"completed", func(w http.ResponseWriter) {
			WriteCompleted(w, &CompleteMultipartUpload{Bucket: "models", Key: "k"}, Completed{Location: "https://s3/models/k", ETag: `"a-2"`, Checksum: composite})
		}, `<CompleteMultipartUploadResult` + ns + `<Location>https://s3/models/k</Location><Bucket>models</Bucket><Key>k</Key><ETag>&#34;a-2&#34;</ETag>` +
			`<ChecksumSHA256>` + sha + `</ChecksumSHA256><ChecksumType>COMPOSITE</ChecksumType></CompleteMultipartUploadResult>`},
		{"completed without a checksum", func(w http.ResponseWriter) {
			WriteCompleted(w, &CompleteMultipartUpload{Bucket: "models", Key: "k"}, Completed{ETag: `"a-2"`})
		}, `<CompleteMultipartUploadResult` + ns + `<Location></Location><Bucket>models</Bucket><Key>k</Key><ETag>&#34;a-2&#34;</ETag></CompleteMultipartUploadResult>`},
		{
			"copied", func(w http.ResponseWriter) { WriteCopied(w, Copied{ETag: `"a-1"`, Modified: noon, Checksum: crc}) },
			`<CopyObjectResult` + ns + `<ETag>&#34;a-1&#34;</ETag><LastModified>` + isoAt + `</LastModified><ChecksumType>FULL_OBJECT</ChecksumType><ChecksumCRC32>AAAAAQ==</ChecksumCRC32></CopyObjectResult>`,
		},
		{"copied part", func(w http.ResponseWriter) {
			WriteCopiedPart(w, Copied{ETag: `"a-1"`, Modified: noon, Checksum: crc})
		}, `<CopyPartResult` + ns + `<ETag>&#34;a-1&#34;</ETag><LastModified>` + isoAt + `</LastModified><ChecksumCRC32>AAAAAQ==</ChecksumCRC32></CopyPartResult>`},
		{"parts", func(w http.ResponseWriter) {
			WriteParts(w, &ListParts{Bucket: "models", Key: "a b", UploadID: "u", Max: 2, After: 1, EncodingURL: true}, PartList{
				Parts: []PartListed{{Number: 2, Size: 5, ETag: `"p2-1"`, Modified: noon, Checksum: crc}}, More: true, Next: 2, Algorithm: ChecksumCRC32, ChecksumType: Composite,
			})
		}, `<ListPartsResult` + ns + `<Bucket>models</Bucket><Key>a%20b</Key><UploadId>u</UploadId><PartNumberMarker>1</PartNumberMarker><NextPartNumberMarker>2</NextPartNumberMarker>` +
			`<MaxParts>2</MaxParts><IsTruncated>true</IsTruncated><EncodingType>url</EncodingType><Part><ChecksumCRC32>AAAAAQ==</ChecksumCRC32><ETag>&#34;p2-1&#34;</ETag><LastModified>` + isoAt + `</LastModified>` +
			`<PartNumber>2</PartNumber><Size>5</Size></Part><Initiator>` + own + `</Initiator><Owner>` + own + `</Owner><StorageClass>STANDARD</StorageClass>` +
			`<ChecksumAlgorithm>CRC32</ChecksumAlgorithm><ChecksumType>COMPOSITE</ChecksumType></ListPartsResult>`},
		{"uploads", func(w http.ResponseWriter) {
			WriteUploads(w, &ListMultipartUploads{Bucket: "models", Prefix: "p/", Delimiter: "/", KeyMarker: "k", UploadIDMarker: "m", Max: 2}, UploadList{
				Uploads: []UploadListed{{Key: "p/x", UploadID: "u", Initiated: noon}}, Prefixes: []string{"p/d/"}, More: true, NextKey: "p/x", NextUploadID: "u",
			})
		}, `<ListMultipartUploadsResult` + ns + `<Bucket>models</Bucket><KeyMarker>k</KeyMarker><UploadIdMarker>m</UploadIdMarker><NextKeyMarker>p/x</NextKeyMarker><NextUploadIdMarker>u</NextUploadIdMarker>` +
			`<Prefix>p/</Prefix><Delimiter>/</Delimiter><MaxUploads>2</MaxUploads><IsTruncated>true</IsTruncated><Upload><Key>p/x</Key><UploadId>u</UploadId><Initiator>` + own + `</Initiator>` +
			`<Owner>` + own + `</Owner><StorageClass>STANDARD</StorageClass><Initiated>` + isoAt + `</Initiated></Upload><CommonPrefixes><Prefix>p/d/</Prefix></CommonPrefixes></ListMultipartUploadsResult>`},
		{"deleted", func(w http.ResponseWriter) {
			WriteDeleted(w, false, []Deletion{{Key: "a<b"}, {Key: "v", VersionID: "1", Marker: true, MarkerVersion: "1"}, {Key: "c", VersionID: "2", Err: AccessDenied("no")}})
		}, `<DeleteResult` + ns + `<Deleted><Key>a&lt;b</Key></Deleted><Deleted><DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>1</DeleteMarkerVersionId><Key>v</Key><VersionId>1</VersionId></Deleted>` +
			`<Error><Code>AccessDenied</Code><Key>c</Key><Message>no</Message><VersionId>2</VersionId></Error></DeleteResult>`},
		{"deleted quietly", func(w http.ResponseWriter) {
			WriteDeleted(w, true, []Deletion{{Key: "a"}, {Key: "c", Err: AccessDenied("no")}})
		}, `<DeleteResult` + ns + `<Error><Code>AccessDenied</Code><Key>c</Key><Message>no</Message></Error></DeleteResult>`},
		{"versions", func(w http.ResponseWriter) {
			WriteVersions(w, &ListObjectVersions{Bucket: "models", Prefix: "a", KeyMarker: "b", VersionMarker: "c", Max: 2}, VersionList{
				Versions: []VersionListed{{Key: "k", VersionID: "2", Latest: true, Marker: true, Modified: noon}, {Key: "k", VersionID: "1", Modified: noon, ETag: `"a-1"`, Size: 0}},
				Prefixes: []string{"k/"}, More: true, NextKey: "k", NextVersion: "1",
			})
		}, `<ListVersionsResult` + ns + `<Name>models</Name><Prefix>a</Prefix><KeyMarker>b</KeyMarker><VersionIdMarker>c</VersionIdMarker><NextKeyMarker>k</NextKeyMarker><NextVersionIdMarker>1</NextVersionIdMarker>` +
			`<MaxKeys>2</MaxKeys><IsTruncated>true</IsTruncated><DeleteMarker><Key>k</Key><VersionId>2</VersionId><IsLatest>true</IsLatest><LastModified>` + isoAt + `</LastModified><Owner>` + own + `</Owner></DeleteMarker>` +
			`<Version><Key>k</Key><VersionId>1</VersionId><IsLatest>false</IsLatest><LastModified>` + isoAt + `</LastModified><ETag>&#34;a-1&#34;</ETag><Size>0</Size><StorageClass>STANDARD</StorageClass><Owner>` + own + `</Owner></Version>` +
			`<CommonPrefixes><Prefix>k/</Prefix></CommonPrefixes></ListVersionsResult>`},
		{"versioning", func(w http.ResponseWriter) { WriteVersioning(w, "Enabled") }, `<VersioningConfiguration` + ns + `<Status>Enabled</Status></VersioningConfiguration>`},
		{"no versioning", func(w http.ResponseWriter) { WriteVersioning(w, "") }, `<VersioningConfiguration` + ns + `</VersioningConfiguration>`},
		{
			"tags", func(w http.ResponseWriter) { WriteTags(w, "", []Tag{{"a", "1"}, {"b", ""}}) },
			`<Tagging` + ns + `<TagSet><Tag><Key>a</Key><Value>1</Value></Tag><Tag><Key>b</Key><Value></Value></Tag></TagSet></Tagging>`,
		},
		{"no tags", func(w http.ResponseWriter) { WriteTags(w, "", nil) }, `<Tagging` + ns + `<TagSet></TagSet></Tagging>`},
		{"attributes", func(w http.ResponseWriter) {
			WriteAttributes(w, &GetObjectAttributes{ETag: true, Checksum: true, Parts: true, Size: true, StorageClass: true, MaxParts: 1}, Attributes{
				ETag: `"a-2"`, Modified: noon, Size: 9, Checksum: composite, Parts: []AttributePart{{1, 5, crc}}, Total: 2, More: true,
			})
		}, `<GetObjectAttributesResponse` + ns + `<ETag>a-2</ETag><Checksum><ChecksumSHA256>` + sha + `</ChecksumSHA256><ChecksumType>COMPOSITE</ChecksumType></Checksum><ObjectParts><IsTruncated>true</IsTruncated>` +
			`<MaxParts>1</MaxParts><NextPartNumberMarker>1</NextPartNumberMarker><PartNumberMarker>0</PartNumberMarker><Part><ChecksumCRC32>AAAAAQ==</ChecksumCRC32><PartNumber>1</PartNumber><Size>5</Size></Part>` +
			`<PartsCount>2</PartsCount></ObjectParts><StorageClass>STANDARD</StorageClass><ObjectSize>9</ObjectSize></GetObjectAttributesResponse>`},
		{"one attribute of an empty object", func(w http.ResponseWriter) {
			WriteAttributes(w, &GetObjectAttributes{Size: true, Parts: true, Checksum: true}, Attributes{ETag: `"a-1"`, Modified: noon})
		}, `<GetObjectAttributesResponse` + ns + `<ObjectSize>0</ObjectSize></GetObjectAttributesResponse>`},
		{
			"no buckets", func(w http.ResponseWriter) { WriteBuckets(w, &ListBuckets{Max: 1}, nil) },
			`<ListAllMyBucketsResult` + ns + `<Owner>` + own + `</Owner><Buckets></Buckets></ListAllMyBucketsResult>`,
		},
	} {
		rec := httptest.NewRecorder()
		c.write(rec)
		if got := document(t, rec); got != c.want || rec.Code != http.StatusOK {
			t.Errorf("%s: %d\ngot  %s\nwant %s", c.name, rec.Code, got, c.want)
		}
	}
}

// What stands in headers beside the documents.
func TestResultHeaders(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		write func(w http.ResponseWriter)
		want  map[string]string
	}{
		{"created", func(w http.ResponseWriter) {
			WriteCreated(w, &CreateMultipartUpload{Algorithm: ChecksumCRC64NVME, ChecksumType: FullObject}, "u")
		}, map[string]string{"X-Amz-Checksum-Algorithm": "CRC64NVME", "X-Amz-Checksum-Type": "FULL_OBJECT", "X-Amz-Server-Side-Encryption": "aws:kms"}},
		{
			"created without checksums", func(w http.ResponseWriter) { WriteCreated(w, &CreateMultipartUpload{}, "u") },
			map[string]string{"X-Amz-Checksum-Algorithm": "", "X-Amz-Checksum-Type": ""},
		},
		{"completed", func(w http.ResponseWriter) {
			WriteCompleted(w, &CompleteMultipartUpload{}, Completed{VersionID: "v"})
		}, map[string]string{"X-Amz-Version-Id": "v", "X-Amz-Server-Side-Encryption": "aws:kms"}},
		{
			"copied", func(w http.ResponseWriter) { WriteCopied(w, Copied{VersionID: "v", SourceVersionID: "s"}) },
			map[string]string{"X-Amz-Version-Id": "v", "X-Amz-Copy-Source-Version-Id": "s"},
		},
		{
			"part", func(w http.ResponseWriter) { SetPartHeaders(w.Header(), `"a-1"`, crc) },
			map[string]string{"Etag": `"a-1"`, "X-Amz-Checksum-Crc32": "AAAAAQ==", "X-Amz-Checksum-Type": ""},
		},
		{
			"composite", func(w http.ResponseWriter) { SetPutHeaders(w.Header(), "", CompositeOf(ChecksumCRC32, [][]byte{{1}})) },
			map[string]string{"X-Amz-Checksum-Type": "COMPOSITE"},
		},
		{"deleted", func(w http.ResponseWriter) { SetDeleted(w.Header(), "m", true) }, map[string]string{"X-Amz-Version-Id": "m", "X-Amz-Delete-Marker": "true"}},
		{"deleted without versions", func(w http.ResponseWriter) { SetDeleted(w.Header(), "", false) }, map[string]string{"X-Amz-Version-Id": "", "X-Amz-Delete-Marker": ""}},
		{"tags", func(w http.ResponseWriter) { WriteTags(w, "v", nil) }, map[string]string{"X-Amz-Version-Id": "v"}},
		{"attributes", func(w http.ResponseWriter) {
			WriteAttributes(w, &GetObjectAttributes{}, Attributes{VersionID: "v", Modified: noon})
		}, map[string]string{"X-Amz-Version-Id": "v", "Last-Modified": "Sat, 21 Nov 2026 12:00:00 GMT"}},
		{"a part of an object", func(w http.ResponseWriter) {
			SetObjectHeaders(w.Header(), ObjectAnswer{Size: 9, Off: 5, Len: 4, Range: Range{kind: rangePart, first: 2}, PartsCount: 2, VersionID: "v", Checksum: crc})
		}, map[string]string{"X-Amz-Mp-Parts-Count": "2", "Content-Range": "bytes 5-8/9", "Content-Length": "4", "X-Amz-Version-Id": "v", "X-Amz-Checksum-Crc32": "AAAAAQ==", "X-Amz-Checksum-Type": ""}},
	} {
		rec := httptest.NewRecorder()
		c.write(rec)
		for name, want := range c.want {
			if got := rec.Header().Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", c.name, name, got, want)
			}
		}
	}
}

func TestLocation(t *testing.T) {
	t.Parallel()
	r := ask(t, "POST /models/a%20b?uploadId=secret")
	if got := Location(r); got != "https://localhost/models/a%20b" {
		t.Errorf("Location = %s", got)
	}
}
