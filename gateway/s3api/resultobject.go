// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"encoding/xml"
	"net/http"
	"strings"
	"time"
)

type taggingXML struct {
	XMLName xml.Name  `xml:"Tagging"`
	Xmlns   string    `xml:"xmlns,attr"`
	TagSet  tagSetXML // there, also when it is empty
}

type tagSetXML struct {
	Tags []tagXML `xml:"Tag"`
}

type tagXML struct{ Key, Value string }

// WriteTags answers GetObjectTagging, in the order of tags; versionID is the
// object's, "" where the store keeps no versions.
func WriteTags(w http.ResponseWriter, versionID string, tags []Tag) {
	doc := taggingXML{Xmlns: xmlns}
	for _, t := range tags {
		doc.TagSet.Tags = append(doc.TagSet.Tags, tagXML(t))
	}
	SetVersion(w.Header(), versionID)
	writeXML(w, http.StatusOK, doc)
}

// Attributes is what GetObjectAttributes may tell of an object.
type Attributes struct {
	ETag      string // as ETag gave it
	Modified  time.Time
	VersionID string // "" where the store keeps no versions
	Size      int64  // plaintext bytes
	Checksum  Checksum
	// Parts are those of a multipart object after GetObjectAttributes.After, at
	// most MaxParts; Total is how many it has in all, 0 for an object that was
	// put in one piece.
	Parts []AttributePart
	Total int
	More  bool
}

// AttributePart is one part of a multipart object.
type AttributePart struct {
	Number   int
	Size     int64 // plaintext bytes
	Checksum Checksum
}

type attributesXML struct {
	XMLName      xml.Name              `xml:"GetObjectAttributesResponse"`
	Xmlns        string                `xml:"xmlns,attr"`
	ETag         string                `xml:",omitempty"`
	Checksum     *attributeChecksumXML `xml:",omitempty"`
	ObjectParts  *attributePartsXML    `xml:",omitempty"`
	StorageClass string                `xml:",omitempty"`
	ObjectSize   *int64                `xml:",omitempty"`
}

type attributeChecksumXML struct {
	checksumXML
	ChecksumType string `xml:",omitempty"`
}

type attributePartsXML struct {
	IsTruncated          bool
	MaxParts             int
	NextPartNumberMarker int
	PartNumberMarker     int
	Parts                []attributePartXML `xml:"Part"`
	PartsCount           int
}

type attributePartXML struct {
	checksumXML
	PartNumber int
	Size       int64
}

// WriteAttributes answers GetObjectAttributes with what op asks for.
func WriteAttributes(w http.ResponseWriter, op *GetObjectAttributes, a Attributes) {
	doc := attributesXML{Xmlns: xmlns}
	if op.ETag {
		doc.ETag = strings.Trim(a.ETag, `"`)
	}
	if op.Checksum && a.Checksum.Algorithm != ChecksumNone {
		doc.Checksum = &attributeChecksumXML{newChecksumXML(a.Checksum), a.Checksum.Type().String()}
	}
	if op.Parts && a.Total > 0 {
		doc.ObjectParts = newAttributePartsXML(op, a)
	}
	if op.StorageClass {
		doc.StorageClass = "STANDARD"
	}
	if op.Size {
		doc.ObjectSize = &a.Size
	}
	h := w.Header()
	h.Set("Last-Modified", a.Modified.UTC().Format(http.TimeFormat))
	SetVersion(h, a.VersionID)
	writeXML(w, http.StatusOK, doc)
}

func newAttributePartsXML(op *GetObjectAttributes, a Attributes) *attributePartsXML {
	doc := &attributePartsXML{IsTruncated: a.More, MaxParts: op.MaxParts, PartNumberMarker: op.After, PartsCount: a.Total}
	for _, p := range a.Parts {
		doc.Parts = append(doc.Parts, attributePartXML{newChecksumXML(p.Checksum), p.Number, p.Size})
		doc.NextPartNumberMarker = p.Number
	}
	return doc
}
