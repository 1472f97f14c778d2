// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"encoding/xml"
	"net/http"
	"time"
)

// VersionListed is one version of an object, or a delete marker.
type VersionListed struct {
	Key       string
	VersionID string
	Latest    bool
	Marker    bool // a delete marker: ETag and Size are not read
	Modified  time.Time
	ETag      string // as ETag gave it
	Size      int64  // plaintext bytes
}

// VersionList is one page of a bucket's versions, in order of key, newest
// first, and the common prefixes, in byte order.
type VersionList struct {
	Versions []VersionListed
	Prefixes []string
	More     bool
	// NextKey and NextVersion are what the next page goes on after; only read
	// when More.
	NextKey, NextVersion string
}

type versionsXML struct {
	XMLName             xml.Name `xml:"ListVersionsResult"`
	Xmlns               string   `xml:"xmlns,attr"`
	Name                string
	Prefix              string
	KeyMarker           string
	VersionIDMarker     string `xml:"VersionIdMarker"`
	NextKeyMarker       string `xml:",omitempty"`
	NextVersionIDMarker string `xml:"NextVersionIdMarker,omitempty"`
	MaxKeys             int
	Delimiter           string `xml:",omitempty"`
	EncodingType        string `xml:",omitempty"`
	IsTruncated         bool
	Versions            []byte `xml:",innerxml"`
	CommonPrefixes      []prefixXML
}

// WriteVersions answers ListObjectVersions.
func WriteVersions(w http.ResponseWriter, op *ListObjectVersions, l VersionList) {
	name, encoding := encoder(op.EncodingURL)
	doc := versionsXML{
		Xmlns: xmlns, Name: op.Bucket, Prefix: name(op.Prefix), KeyMarker: name(op.KeyMarker), VersionIDMarker: op.VersionMarker,
		MaxKeys: op.Max, Delimiter: name(op.Delimiter), EncodingType: encoding, IsTruncated: l.More,
		CommonPrefixes: prefixesXML(l.Prefixes, name),
	}
	if l.More {
		doc.NextKeyMarker, doc.NextVersionIDMarker = name(l.NextKey), l.NextVersion
	}
	lines := newLines(len(l.Versions))
	for _, v := range l.Versions {
		lines.version(v, name(v.Key))
	}
	doc.Versions = lines.Bytes()
	writeXML(w, http.StatusOK, doc)
}

type versioningXML struct {
	XMLName xml.Name `xml:"VersioningConfiguration"`
	Xmlns   string   `xml:"xmlns,attr"`
	Status  string   `xml:",omitempty"`
}

// WriteVersioning answers GetBucketVersioning; status is "Enabled",
// "Suspended", or "" where versions were never kept.
func WriteVersioning(w http.ResponseWriter, status string) {
	writeXML(w, http.StatusOK, versioningXML{Xmlns: xmlns, Status: status})
}

// SetVersion names the version that an answer is about; "" sets nothing.
func SetVersion(h http.Header, versionID string) {
	if versionID != "" {
		h.Set("X-Amz-Version-Id", versionID)
	}
}

// SetDeleted sets the headers of the answer to a delete, and to a read that
// met a delete marker: versionID is that of the marker, or of the version that
// is gone for good.
func SetDeleted(h http.Header, versionID string, marker bool) { //nolint:revive // it is a fact about what is gone
	SetVersion(h, versionID)
	if marker {
		h.Set("X-Amz-Delete-Marker", "true")
	}
}
