// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"encoding/base64"
	"encoding/xml"
	"net/http"
	"slices"
	"strings"
	"time"
)

const xmlns = "http://s3.amazonaws.com/doc/2006-03-01/"

// timeFormat is ISO 8601 with milliseconds, as S3 writes times in XML.
const timeFormat = "2006-01-02T15:04:05.000Z"

// Bucket is one line of ListBuckets.
type Bucket struct {
	Name    string
	Created time.Time
}

type ownerXML struct{ ID, DisplayName string }

// owner is the one owner of all buckets and objects: Sealgate has no accounts.
var owner = ownerXML{ID: "sealgate", DisplayName: "sealgate"}

type bucketsXML struct {
	XMLName           xml.Name `xml:"ListAllMyBucketsResult"`
	Xmlns             string   `xml:"xmlns,attr"`
	Owner             ownerXML
	Buckets           bucketListXML // there, also when it is empty: clients read it unasked
	ContinuationToken string        `xml:",omitempty"`
	Prefix            string        `xml:",omitempty"`
}

type bucketListXML struct {
	Buckets []bucketXML `xml:"Bucket"`
}

type bucketXML struct{ Name, CreationDate string }

// WriteBuckets answers ListBuckets with those of the buckets that op asks
// for. The caller passes only buckets that the client may know of.
func WriteBuckets(w http.ResponseWriter, op *ListBuckets, buckets []Bucket) {
	doc := bucketsXML{Xmlns: xmlns, Owner: owner, Prefix: op.Prefix}
	buckets = slices.Clone(buckets)
	slices.SortFunc(buckets, func(a, b Bucket) int { return strings.Compare(a.Name, b.Name) })
	for _, b := range buckets {
		if !strings.HasPrefix(b.Name, op.Prefix) || b.Name <= op.After && op.After != "" {
			continue
		}
		if shown := doc.Buckets.Buckets; len(shown) == op.Max {
			doc.ContinuationToken = bucketToken(shown[op.Max-1].Name)
			break
		}
		doc.Buckets.Buckets = append(doc.Buckets.Buckets, bucketXML{b.Name, b.Created.UTC().Format(timeFormat)})
	}
	writeXML(w, http.StatusOK, doc)
}

// bucketToken needs no seal: it holds the name of a bucket that was shown,
// and what follows it is filtered to the caller again.
func bucketToken(name string) string { return base64.RawURLEncoding.EncodeToString([]byte(name)) }

type locationXML struct {
	XMLName xml.Name `xml:"LocationConstraint"`
	Xmlns   string   `xml:"xmlns,attr"`
	Region  string   `xml:",chardata"`
}

// WriteLocation answers GetBucketLocation. S3 spells us-east-1 as nothing.
func WriteLocation(w http.ResponseWriter, region string) {
	if region == "us-east-1" {
		region = ""
	}
	writeXML(w, http.StatusOK, locationXML{Xmlns: xmlns, Region: region})
}
