// SPDX-License-Identifier: Apache-2.0

package attack

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/s3api"
)

// operations says how operations of S3 that may not be served are asked for.
// B is a bucket, K a key in it.
const operations = `
ListDirectoryBuckets GET /?x-id=ListDirectoryBuckets
WriteGetObjectResponse POST /WriteGetObjectResponse
CreateBucket PUT /B
DeleteBucket DELETE /B
CreateSession GET /B?session
DeleteObjects POST /B?delete
PostObject POST /B
ListMultipartUploads GET /B?uploads
ListObjectVersions GET /B?versions
GetBucketPolicyStatus GET /B?policyStatus
GetObjectLockConfiguration GET /B?object-lock
PutObjectLockConfiguration PUT /B?object-lock
CreateBucketMetadataConfiguration POST /B?metadataConfiguration
GetBucketMetadataConfiguration GET /B?metadataConfiguration
DeleteBucketMetadataConfiguration DELETE /B?metadataConfiguration
CreateBucketMetadataTableConfiguration POST /B?metadataTable
GetBucketMetadataTableConfiguration GET /B?metadataTable
DeleteBucketMetadataTableConfiguration DELETE /B?metadataTable
UpdateBucketMetadataInventoryTableConfiguration PUT /B?metadataInventoryTable
UpdateBucketMetadataJournalTableConfiguration PUT /B?metadataJournalTable
GetBucketLifecycleConfiguration GET /B?lifecycle
PutBucketLifecycleConfiguration PUT /B?lifecycle
DeleteBucketLifecycle DELETE /B?lifecycle
GetPublicAccessBlock GET /B?publicAccessBlock
PutPublicAccessBlock PUT /B?publicAccessBlock
DeletePublicAccessBlock DELETE /B?publicAccessBlock
CopyObject PUT /B/K x-amz-copy-source:/B/K2
CreateMultipartUpload POST /B/K?uploads
UploadPart PUT /B/K?partNumber=1&uploadId=x
UploadPartCopy PUT /B/K?partNumber=1&uploadId=x x-amz-copy-source:/B/K2
CompleteMultipartUpload POST /B/K?uploadId=x
AbortMultipartUpload DELETE /B/K?uploadId=x
ListParts GET /B/K?uploadId=x
GetObjectAttributes GET /B/K?attributes
GetObjectTorrent GET /B/K?torrent
RenameObject PUT /B/K?renameObject
RestoreObject POST /B/K?restore
SelectObjectContent POST /B/K?select&select-type=2
UpdateObjectEncryption PUT /B/K?encryption
`

// documents are the configuration documents of buckets and objects with the
// verbs that each has.
const documents = `
Object Acl K?acl GP
Object LegalHold K?legal-hold GP
Object Retention K?retention GP
Object Tagging K?tagging GPD
Bucket Acl ?acl GP
Bucket Abac ?abac GP
Bucket AccelerateConfiguration ?accelerate GP
Bucket Cors ?cors GPD
Bucket Encryption ?encryption GPD
Bucket Logging ?logging GP
Bucket NotificationConfiguration ?notification GP
Bucket OwnershipControls ?ownershipControls GPD
Bucket Policy ?policy GPD
Bucket Replication ?replication GPD
Bucket RequestPayment ?requestPayment GP
Bucket Tagging ?tagging GPD
Bucket Versioning ?versioning GP
Bucket Website ?website GPD
Bucket AnalyticsConfiguration ?analytics GPDL
Bucket IntelligentTieringConfiguration ?intelligent-tiering GPDL
Bucket InventoryConfiguration ?inventory GPDL
Bucket MetricsConfiguration ?metrics GPDL
`

type operation struct{ name, method, target, header string }

func unserved() []operation {
	var out []operation
	for line := range strings.Lines(strings.TrimSpace(operations)) {
		f := append(strings.Fields(line), "")
		out = append(out, operation{f[0], f[1], f[2], f[3]})
	}
	for line := range strings.Lines(strings.TrimSpace(documents)) {
		f := strings.Fields(line)
		target := "/B" + f[2]
		if f[0] == "Object" {
			target = "/B/" + f[2]
		}
		for _, v := range f[3] {
			verb := map[rune][2]string{'G': {"Get", "GET"}, 'P': {"Put", "PUT"}, 'D': {"Delete", "DELETE"}, 'L': {"List", "GET"}}[v]
			op := operation{verb[0] + f[0] + f[1], verb[1], target, ""}
			if strings.HasSuffix(f[3], "L") {
				if op.target += "&id=x"; v == 'L' {
					op.name, op.target = op.name+"s", target
				}
			}
			out = append(out, op)
		}
	}
	return out
}

// Every operation of S3 that is not served is answered 501, to whoever asks,
// and recorded under its own name; none reaches the store.
func TestUnservedOperations(t *testing.T) {
	t.Parallel()
	writer := "/writer/operations"
	put(t, shared, writer, "/models/ops/K", []byte(text))
	put(t, shared, writer, "/models/ops/K2", []byte("another"))
	before := storedKeys(t, shared, "models", "ops/")
	l := newLedger(t, shared)
	tried, served := map[string]bool{}, map[string]bool{}
	for _, op := range s3api.Operations() {
		_, not := op.Op.(*s3api.Unsupported)
		served[op.Name] = !not
	}
	for i, op := range unserved() {
		if served[op.name] {
			continue
		}
		tried[op.name] = true
		target := strings.NewReplacer("/B", "/models", "/K", "/ops/K").Replace(op.target)
		request := op.method + " " + target + " HTTP/1.1\r\nHost: x\r\n"
		if op.header != "" {
			request += strings.NewReplacer("/B", "/models", "/K2", "/ops/K2").Replace(op.header) + "\r\n"
		}
		if op.method != http.MethodGet && op.method != http.MethodDelete {
			request += "Content-Length: 4\r\n"
		}
		request += "\r\n"
		if op.method != http.MethodGet && op.method != http.MethodDelete {
			request += "evil"
		}
		w := refused(http.StatusNotImplemented, "NotImplemented")
		if op.name == "PutBucketAcl" { // S3 has a word for buckets without access lists
			w = refused(http.StatusBadRequest, "AccessControlListNotSupported")
		}
		w.action = op.name
		for _, who := range []string{writer + itoa(i/40), "/nobody/operations" + itoa(i/40)} {
			l.add(op.name, who, raw(t, shared, who, request), w)
		}
	}
	l.check()
	for _, op := range s3api.Operations() {
		if _, ok := op.Op.(*s3api.Unsupported); ok && !tried[op.Name] {
			t.Errorf("%s was not tried", op.Name)
		}
	}
	if after := storedKeys(t, shared, "models", "ops/"); !slices.Equal(before, after) {
		t.Errorf("stored afterwards: %q, want %q", after, before)
	}
	for key, want := range map[string]string{"K": text, "K2": "another"} {
		if a := raw(t, shared, writer, get("/models/ops/"+key)); string(a.Body) != want {
			t.Errorf("%s holds %q afterwards", key, a.Body)
		}
	}
}
