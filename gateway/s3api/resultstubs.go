// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"encoding/xml"
	"net/http"
)

type aclXML struct {
	XMLName xml.Name `xml:"AccessControlPolicy"`
	Xmlns   string   `xml:"xmlns,attr"`
	Owner   ownerXML
	Grants  []grantXML `xml:"AccessControlList>Grant"`
}

type grantXML struct {
	Grantee    granteeXML
	Permission string
}

type granteeXML struct {
	XSI  string `xml:"xmlns:xsi,attr"`
	Type string `xml:"xsi:type,attr"`
	ownerXML
}

type encryptionXML struct {
	XMLName   xml.Name `xml:"ServerSideEncryptionConfiguration"`
	Xmlns     string   `xml:"xmlns,attr"`
	Algorithm string   `xml:"Rule>ApplyServerSideEncryptionByDefault>SSEAlgorithm"`
	BucketKey bool     `xml:"Rule>BucketKeyEnabled"`
}

type policyStatusXML struct {
	XMLName  xml.Name `xml:"PolicyStatus"`
	Xmlns    string   `xml:"xmlns,attr"`
	IsPublic bool
}

type ownershipXML struct {
	XMLName   xml.Name `xml:"OwnershipControls"`
	Xmlns     string   `xml:"xmlns,attr"`
	Ownership string   `xml:"Rule>ObjectOwnership"`
}

type accessBlockXML struct {
	XMLName               xml.Name `xml:"PublicAccessBlockConfiguration"`
	Xmlns                 string   `xml:"xmlns,attr"`
	BlockPublicAcls       bool
	IgnorePublicAcls      bool
	BlockPublicPolicy     bool
	RestrictPublicBuckets bool
}

// ownACL is the one access list there is: the owner may do everything, and who
// else may do what says the policy.
var ownACL = aclXML{
	Xmlns: xmlns, Owner: owner,
	Grants: []grantXML{{granteeXML{"http://www.w3.org/2001/XMLSchema-instance", "CanonicalUser", owner}, "FULL_CONTROL"}},
}

// stubAnswers are the documents and the error codes of S3.md, "Fixed answers".
var stubAnswers = map[string]any{
	"GetBucketAcl":                    ownACL,
	"GetObjectAcl":                    ownACL,
	"PutObjectAcl":                    nil,
	"GetBucketCors":                   "NoSuchCORSConfiguration",
	"GetBucketEncryption":             encryptionXML{Xmlns: xmlns, Algorithm: "aws:kms"},
	"GetBucketLifecycleConfiguration": "NoSuchLifecycleConfiguration",
	"GetBucketOwnershipControls":      ownershipXML{Xmlns: xmlns, Ownership: "BucketOwnerEnforced"},
	"GetBucketPolicy":                 "NoSuchBucketPolicy",
	"GetBucketPolicyStatus":           policyStatusXML{Xmlns: xmlns},
	"GetBucketTagging":                "NoSuchTagSet",
	"GetPublicAccessBlock":            accessBlockXML{xml.Name{}, xmlns, true, true, true, true},
}

// WriteStub gives the fixed answer of op: it is written, or it is the error.
func WriteStub(w http.ResponseWriter, op *Stub) error {
	doc, ok := stubAnswers[op.Name]
	if !ok {
		return NotImplemented(op.Name)
	}
	if code, missing := doc.(string); missing {
		return NewError(code, "")
	}
	if doc == nil {
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(http.StatusOK)
		return nil
	}
	writeXML(w, http.StatusOK, doc)
	return nil
}
