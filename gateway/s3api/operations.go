// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"net/http"
	"slices"
)

// level is what the path of a request names.
type level uint8

const (
	service level = iota
	bucket
	object
)

// route is one row of the closed table of S3's operations.
type route struct {
	name   string // AWS name
	method string
	level  level
	sub    string // the query key that names the sub-resource; "" for none
	// when tells apart operations that share the columns before; nil is
	// always. The first row that holds is taken.
	when  func(*request) bool
	serve func(*request) (Op, *Error) // nil: not served, 501
	op    Op                          // zero value of what serve gives
	// refused is the code for an operation that is not served and that S3 would
	// refuse as well; "" is 501.
	refused string
	// What serve reads beside what every operation does.
	params  []string // query keys
	headers []string // of If-* and x-amz-*, on an operation that changes something
	body    bool     // else a body is refused
	// redirects tells that serve reads x-amz-website-redirect-location.
	redirects bool
}

func (rt route) knows(param string) bool { return slices.Contains(rt.params, param) }

func (rt route) reads(header string) bool {
	return slices.Contains(rt.headers, header) || rt.redirects && header == redirectHeader
}

// changes reports whether carrying the operation out may change something.
func (rt route) changes() bool { return rt.method != get && rt.method != head }

func hasParam(key string) func(*request) bool {
	return func(r *request) bool { return r.query.has(key) }
}

const (
	get  = http.MethodGet
	head = http.MethodHead
	put  = http.MethodPut
	post = http.MethodPost
	del  = http.MethodDelete
)

var overrideParams = []string{
	"response-content-type", "response-content-encoding", "response-content-disposition",
	"response-content-language", "response-cache-control", "response-expires",
}

// served are the operations that have an action row (S3.md, "Operations").
var served = slices.Concat(servedBuckets, servedObjects, servedUploads, stubs)

var servedBuckets = []route{
	{name: "ListBuckets", method: get, level: service, when: notDirectoryBuckets, serve: parseListBuckets, op: &ListBuckets{}, params: []string{"prefix", "max-buckets", "continuation-token"}},
	{name: "CreateBucket", method: put, level: bucket, serve: parseCreateBucket, op: &CreateBucket{}, body: true, headers: []string{"x-amz-object-ownership", "x-amz-bucket-object-lock-enabled"}},
	{name: "DeleteBucket", method: del, level: bucket, serve: parseDeleteBucket, op: &DeleteBucket{}},
	{name: "HeadBucket", method: head, level: bucket, serve: parseHeadBucket, op: &HeadBucket{}},
	{name: "GetBucketLocation", method: get, level: bucket, sub: "location", serve: parseGetBucketLocation, op: &GetBucketLocation{}},
	{name: "GetBucketVersioning", method: get, level: bucket, sub: "versioning", serve: parseGetBucketVersioning, op: &GetBucketVersioning{}},
	{name: "PutBucketVersioning", method: put, level: bucket, sub: "versioning", serve: parsePutBucketVersioning, op: &PutBucketVersioning{}, body: true},
	{name: "GetObjectLockConfiguration", method: get, level: bucket, sub: "object-lock", serve: parseGetObjectLockConfiguration, op: &GetObjectLockConfiguration{}},
	{name: "ListObjectsV2", method: get, level: bucket, when: hasParam("list-type"), serve: parseListV2, op: &ListObjects{Version: 2}, params: []string{"list-type", "prefix", "delimiter", "max-keys", "encoding-type", "continuation-token", "start-after", "fetch-owner"}},
	{name: "ListObjects", method: get, level: bucket, serve: parseListV1, op: &ListObjects{Version: 1}, params: []string{"prefix", "delimiter", "max-keys", "encoding-type", "marker"}},
	{name: "ListObjectVersions", method: get, level: bucket, sub: "versions", serve: parseListObjectVersions, op: &ListObjectVersions{}, params: []string{"prefix", "delimiter", "key-marker", "version-id-marker", "max-keys", "encoding-type"}},
}

var servedObjects = []route{
	{name: "GetObject", method: get, level: object, serve: parseGetObject, op: &GetObject{}, params: append([]string{"partNumber", "versionId"}, overrideParams...)},
	{name: "HeadObject", method: head, level: object, serve: parseHeadObject, op: &HeadObject{}, params: append([]string{"partNumber", "versionId"}, overrideParams...)},
	{name: "PutObject", method: put, level: object, when: notCopy, serve: parsePutObject, op: &PutObject{}, redirects: true, body: true, params: []string{"partNumber"}, headers: append([]string{"if-match", "if-none-match", "x-amz-checksum-type", "x-amz-tagging"}, lockHeaders...)},
	{name: "CopyObject", method: put, level: object, serve: parseCopyObject, op: &CopyObject{}, redirects: true, headers: append([]string{"if-match", "if-none-match", "x-amz-metadata-directive", "x-amz-tagging-directive", "x-amz-tagging"}, slices.Concat(copyHeaders, lockHeaders)...)},
	{name: "DeleteObject", method: del, level: object, serve: parseDeleteObject, op: &DeleteObject{}, params: []string{"versionId"}, headers: []string{"x-amz-bypass-governance-retention"}},
	{name: "DeleteObjects", method: post, level: bucket, sub: "delete", serve: parseDeleteObjects, op: &DeleteObjects{}, body: true, headers: []string{"x-amz-bypass-governance-retention"}},
	{name: "GetObjectAttributes", method: get, level: object, sub: "attributes", serve: parseGetObjectAttributes, op: &GetObjectAttributes{}, params: []string{"versionId"}},
	{name: "GetObjectTagging", method: get, level: object, sub: "tagging", serve: parseGetObjectTagging, op: &GetObjectTagging{}, params: []string{"versionId"}},
	{name: "PutObjectTagging", method: put, level: object, sub: "tagging", serve: parsePutObjectTagging, op: &PutObjectTagging{}, body: true, params: []string{"versionId"}},
	{name: "GetObjectRetention", method: get, level: object, sub: "retention", serve: parseGetObjectRetention, op: &GetObjectRetention{}, params: []string{"versionId"}},
	{name: "PutObjectRetention", method: put, level: object, sub: "retention", serve: parsePutObjectRetention, op: &PutObjectRetention{}, body: true, params: []string{"versionId"}, headers: []string{"x-amz-bypass-governance-retention"}},
	{name: "GetObjectLegalHold", method: get, level: object, sub: "legal-hold", serve: parseGetObjectLegalHold, op: &GetObjectLegalHold{}, params: []string{"versionId"}},
	{name: "DeleteObjectTagging", method: del, level: object, sub: "tagging", serve: parseDeleteObjectTagging, op: &DeleteObjectTagging{}, params: []string{"versionId"}},
}

var servedUploads = []route{
	{name: "CreateMultipartUpload", method: post, level: object, sub: "uploads", serve: parseCreateMultipartUpload, op: &CreateMultipartUpload{}, redirects: true, headers: append([]string{"if-match", "if-none-match", "x-amz-checksum-type", "x-amz-tagging"}, lockHeaders...)},
	{name: "UploadPartCopy", method: put, level: object, sub: "uploadId", when: isPartCopy, serve: parseUploadPartCopy, op: &UploadPartCopy{}, params: []string{"partNumber"}, headers: append([]string{copySource + "-range"}, copyHeaders...)},
	{name: "UploadPart", method: put, level: object, sub: "uploadId", when: hasParam("partNumber"), serve: parseUploadPart, op: &UploadPart{}, body: true, params: []string{"partNumber"}},
	{name: "CompleteMultipartUpload", method: post, level: object, sub: "uploadId", serve: parseCompleteMultipartUpload, op: &CompleteMultipartUpload{}, body: true, headers: []string{"if-match", "if-none-match", "x-amz-checksum-type", mpObjectSize, "x-amz-tagging"}},
	{name: "AbortMultipartUpload", method: del, level: object, sub: "uploadId", serve: parseAbortMultipartUpload, op: &AbortMultipartUpload{}, headers: []string{ifInitiated}},
	{name: "ListParts", method: get, level: object, sub: "uploadId", serve: parseListParts, op: &ListParts{}, params: []string{"max-parts", "part-number-marker", "encoding-type"}},
	{name: "ListMultipartUploads", method: get, level: bucket, sub: "uploads", serve: parseListMultipartUploads, op: &ListMultipartUploads{}, params: []string{"prefix", "delimiter", "key-marker", "upload-id-marker", "max-uploads", "encoding-type"}},
}

// stubs are served with a fixed answer (S3.md, "Fixed answers").
var stubs = []route{
	stubRow("GetBucketAcl", bucket, "acl"),
	stubRow("GetBucketCors", bucket, "cors"),
	stubRow("GetBucketEncryption", bucket, "encryption"),
	stubRow("GetBucketLifecycleConfiguration", bucket, "lifecycle"),
	stubRow("GetBucketOwnershipControls", bucket, "ownershipControls"),
	stubRow("GetBucketPolicy", bucket, "policy"),
	stubRow("GetBucketPolicyStatus", bucket, "policyStatus"),
	stubRow("GetBucketTagging", bucket, "tagging"),
	stubRow("GetPublicAccessBlock", bucket, "publicAccessBlock"),
	{name: "GetObjectAcl", method: get, level: object, sub: "acl", serve: parseStub("GetObjectAcl"), op: &Stub{Name: "GetObjectAcl"}, params: []string{"versionId"}},
	{name: "PutObjectAcl", method: put, level: object, sub: "acl", serve: parsePutObjectACL, op: &Stub{Name: "PutObjectAcl"}, body: true, params: []string{"versionId"}},
}

func notDirectoryBuckets(r *request) bool { return r.query["x-id"] != "ListDirectoryBuckets" }

// A copy has its own row, and needs a right on its source.
func notCopy(r *request) bool { return !r.header.has("x-amz-copy-source") }

func isPartCopy(r *request) bool { return r.header.has(copySource) && r.query.has("partNumber") }

// unserved are all other operations of S3.
var unserved = slices.Concat(
	[]route{
		{name: "ListDirectoryBuckets", method: get, level: service},
		{name: "CreateSession", method: get, level: bucket, sub: "session"},
		{name: "PostObject", method: post, level: bucket},
		{name: "PutBucketAcl", method: put, level: bucket, sub: "acl", refused: "AccessControlListNotSupported"},
		{name: "PutObjectLockConfiguration", method: put, level: bucket, sub: "object-lock"},
		{name: "CreateBucketMetadataConfiguration", method: post, level: bucket, sub: "metadataConfiguration"},
		{name: "CreateBucketMetadataTableConfiguration", method: post, level: bucket, sub: "metadataTable"},
		{name: "UpdateBucketMetadataInventoryTableConfiguration", method: put, level: bucket, sub: "metadataInventoryTable"},
		{name: "UpdateBucketMetadataJournalTableConfiguration", method: put, level: bucket, sub: "metadataJournalTable"},

		{name: "GetObjectTorrent", method: get, level: object, sub: "torrent"},
		{name: "RenameObject", method: put, level: object, sub: "renameObject"},
		{name: "RestoreObject", method: post, level: object, sub: "restore"},
		{name: "SelectObjectContent", method: post, level: object, sub: "select"},
		{name: "UpdateObjectEncryption", method: put, level: object, sub: "encryption"},
	},
	config("Object", "", object, "legal-hold", "LegalHold", put),
	config("Bucket", "", bucket, "abac", "Abac", get, put),
	config("Bucket", "Configuration", bucket, "accelerate", "Accelerate", get, put),
	config("Bucket", "", bucket, "cors", "Cors", put, del),
	config("Bucket", "", bucket, "encryption", "Encryption", put, del),
	config("Bucket", "Configuration", bucket, "lifecycle", "Lifecycle", put),
	config("Bucket", "", bucket, "lifecycle", "Lifecycle", del),
	config("Bucket", "", bucket, "logging", "Logging", get, put),
	config("Bucket", "Configuration", bucket, "metadataConfiguration", "Metadata", get, del),
	config("Bucket", "Configuration", bucket, "metadataTable", "MetadataTable", get, del),
	config("Bucket", "Configuration", bucket, "notification", "Notification", get, put),
	config("Bucket", "", bucket, "ownershipControls", "OwnershipControls", put, del),
	config("Bucket", "", bucket, "policy", "Policy", put, del),
	config("", "", bucket, "publicAccessBlock", "PublicAccessBlock", put, del),
	config("Bucket", "", bucket, "replication", "Replication", get, put, del),
	config("Bucket", "", bucket, "requestPayment", "RequestPayment", get, put),
	config("Bucket", "", bucket, "tagging", "Tagging", put, del),
	config("Bucket", "", bucket, "website", "Website", get, put, del),
	configSet("analytics", "Analytics"),
	configSet("intelligent-tiering", "IntelligentTiering"),
	configSet("inventory", "Inventory"),
	configSet("metrics", "Metrics"),
)

// config gives the rows of one configuration document: GetBucketCors and so on.
func config(of, suffix string, lv level, sub, noun string, methods ...string) []route {
	verbs := map[string]string{get: "Get", put: "Put", del: "Delete"}
	rows := make([]route, 0, len(methods))
	for _, m := range methods {
		rows = append(rows, route{name: verbs[m] + of + noun + suffix, method: m, level: lv, sub: sub})
	}
	return rows
}

// configSet gives the rows of a set of documents with ids: without an id, GET
// lists them.
func configSet(sub, noun string) []route {
	rows := config("Bucket", "Configuration", bucket, sub, noun, get, put, del)
	rows[0].when = hasParam("id")
	return append(rows, route{name: "ListBucket" + noun + "Configurations", method: get, level: bucket, sub: sub})
}

// routes is the whole table, in order of precedence.
var routes = slices.Concat(served, unserved)

// writeGetObjectResponse is the one operation whose path is no bucket.
const writeGetObjectResponse = "WriteGetObjectResponse"

// subResources are all query keys that name a sub-resource.
var subResources = func() map[string]bool {
	m := map[string]bool{}
	for _, rt := range routes {
		if rt.sub != "" {
			m[rt.sub] = true
		}
	}
	return m
}()

// Operation describes one row of the table, for tests that hold it against
// the action table and the documentation.
type Operation struct {
	Name string
	Op   Op // zero value of the operation's type; *Unsupported when not served
}

// Operations lists the whole table: every operation of S3 by its AWS name.
func Operations() []Operation {
	ops := make([]Operation, 0, len(routes)+1)
	for _, rt := range routes {
		op := rt.op
		if op == nil {
			op = &Unsupported{Name: rt.name}
		}
		ops = append(ops, Operation{Name: rt.name, Op: op})
	}
	return append(ops, Operation{writeGetObjectResponse, &Unsupported{Name: writeGetObjectResponse}})
}
