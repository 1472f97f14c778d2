// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"encoding/xml"
	"net/http"
	"time"
)

// checksumXML is a checksum in an answer, each algorithm in an element of its
// own.
type checksumXML struct {
	ChecksumCRC32     string `xml:",omitempty"`
	ChecksumCRC32C    string `xml:",omitempty"`
	ChecksumCRC64NVME string `xml:",omitempty"`
	ChecksumSHA1      string `xml:",omitempty"`
	ChecksumSHA256    string `xml:",omitempty"`
}

func newChecksumXML(c Checksum) checksumXML {
	var x checksumXML
	switch c.Algorithm {
	case ChecksumCRC32:
		x.ChecksumCRC32 = c.Base64()
	case ChecksumCRC32C:
		x.ChecksumCRC32C = c.Base64()
	case ChecksumCRC64NVME:
		x.ChecksumCRC64NVME = c.Base64()
	case ChecksumSHA1:
		x.ChecksumSHA1 = c.Base64()
	case ChecksumSHA256:
		x.ChecksumSHA256 = c.Base64()
	case ChecksumNone:
	}
	return x
}

type createdXML struct {
	XMLName  xml.Name `xml:"InitiateMultipartUploadResult"`
	Xmlns    string   `xml:"xmlns,attr"`
	Bucket   string
	Key      string
	UploadID string `xml:"UploadId"`
}

// WriteCreated answers CreateMultipartUpload.
func WriteCreated(w http.ResponseWriter, op *CreateMultipartUpload, uploadID string) {
	h := w.Header()
	h.Set("X-Amz-Server-Side-Encryption", "aws:kms")
	if op.Algorithm != ChecksumNone {
		h.Set("X-Amz-Checksum-Algorithm", op.Algorithm.String())
		h.Set("X-Amz-Checksum-Type", op.ChecksumType.String())
	}
	writeXML(w, http.StatusOK, createdXML{Xmlns: xmlns, Bucket: op.Bucket, Key: op.Key, UploadID: uploadID})
}

// Completed is what is told of a multipart object.
type Completed struct {
	Location  string // URL of the object, from Location
	ETag      string // as ETag gave it
	Checksum  Checksum
	VersionID string // "" where the store keeps no versions
}

type completedXML struct {
	XMLName  xml.Name `xml:"CompleteMultipartUploadResult"`
	Xmlns    string   `xml:"xmlns,attr"`
	Location string
	Bucket   string
	Key      string
	ETag     string
	checksumXML
	ChecksumType string `xml:",omitempty"`
}

func newCompletedXML(op *CompleteMultipartUpload, c Completed) completedXML {
	return completedXML{
		Xmlns: xmlns, Location: c.Location, Bucket: op.Bucket, Key: op.Key, ETag: c.ETag,
		checksumXML: newChecksumXML(c.Checksum), ChecksumType: c.Checksum.Type().String(),
	}
}

// WriteCompleted answers CompleteMultipartUpload.
func WriteCompleted(w http.ResponseWriter, op *CompleteMultipartUpload, c Completed) {
	SetVersion(w.Header(), c.VersionID)
	w.Header().Set("X-Amz-Server-Side-Encryption", "aws:kms")
	writeXML(w, http.StatusOK, newCompletedXML(op, c))
}

// WriteCompletedLate ends an answer that StartLate began.
func WriteCompletedLate(w http.ResponseWriter, op *CompleteMultipartUpload, c Completed) {
	writeLate(w, newCompletedXML(op, c))
}

// Location gives the URL of the object that r names, as the client knows it. No
// listener speaks anything but TLS.
func Location(r *http.Request) string { return "https://" + r.Host + ownPath(r) }

// PartListed is one part of ListParts.
type PartListed struct {
	Number   int
	Size     int64 // plaintext bytes
	ETag     string
	Modified time.Time
	Checksum Checksum
}

// PartList is one page of an upload's parts, in order of number.
type PartList struct {
	Parts        []PartListed
	More         bool
	Next         int // the last number of this page; only read when More
	Algorithm    Algorithm
	ChecksumType ChecksumType
}

type partsXML struct {
	XMLName              xml.Name `xml:"ListPartsResult"`
	Xmlns                string   `xml:"xmlns,attr"`
	Bucket               string
	Key                  string
	UploadID             string `xml:"UploadId"`
	PartNumberMarker     int
	NextPartNumberMarker int
	MaxParts             int
	IsTruncated          bool
	EncodingType         string    `xml:",omitempty"`
	Parts                []partXML `xml:"Part"`
	Initiator            ownerXML
	Owner                ownerXML
	StorageClass         string
	ChecksumAlgorithm    string `xml:",omitempty"`
	ChecksumType         string `xml:",omitempty"`
}

type partXML struct {
	checksumXML
	ETag         string
	LastModified string
	PartNumber   int
	Size         int64
}

// WriteParts answers ListParts.
func WriteParts(w http.ResponseWriter, op *ListParts, l PartList) {
	name, encoding := encoder(op.EncodingURL)
	doc := partsXML{
		Xmlns: xmlns, Bucket: op.Bucket, Key: name(op.Key), UploadID: op.UploadID, PartNumberMarker: op.After,
		MaxParts: op.Max, IsTruncated: l.More, EncodingType: encoding, Initiator: owner, Owner: owner, StorageClass: "STANDARD",
		ChecksumAlgorithm: l.Algorithm.String(), ChecksumType: l.ChecksumType.String(),
	}
	if l.More {
		doc.NextPartNumberMarker = l.Next
	}
	for _, p := range l.Parts {
		doc.Parts = append(doc.Parts, partXML{
			checksumXML: newChecksumXML(p.Checksum), ETag: p.ETag, LastModified: p.Modified.UTC().Format(timeFormat),
			PartNumber: p.Number, Size: p.Size,
		})
	}
	writeXML(w, http.StatusOK, doc)
}

// UploadListed is one upload of ListMultipartUploads.
type UploadListed struct {
	Key          string
	UploadID     string
	Initiated    time.Time
	Algorithm    Algorithm
	ChecksumType ChecksumType
}

// UploadList is one page of a bucket's uploads, in order of key and time, and
// the common prefixes, in byte order.
type UploadList struct {
	Uploads  []UploadListed
	Prefixes []string
	More     bool
	// NextKey and NextUploadID are what the next page goes on after; only read
	// when More.
	NextKey, NextUploadID string
}

type uploadsXML struct {
	XMLName            xml.Name `xml:"ListMultipartUploadsResult"`
	Xmlns              string   `xml:"xmlns,attr"`
	Bucket             string
	KeyMarker          string
	UploadIDMarker     string `xml:"UploadIdMarker"`
	NextKeyMarker      string `xml:",omitempty"`
	NextUploadIDMarker string `xml:"NextUploadIdMarker,omitempty"`
	Prefix             string
	Delimiter          string `xml:",omitempty"`
	MaxUploads         int
	EncodingType       string `xml:",omitempty"`
	IsTruncated        bool
	Uploads            []uploadXML `xml:"Upload"`
	CommonPrefixes     []prefixXML
}

type uploadXML struct {
	Key               string
	UploadID          string `xml:"UploadId"`
	Initiator         ownerXML
	Owner             ownerXML
	StorageClass      string
	Initiated         string
	ChecksumAlgorithm string `xml:",omitempty"`
	ChecksumType      string `xml:",omitempty"`
}

// WriteUploads answers ListMultipartUploads.
func WriteUploads(w http.ResponseWriter, op *ListMultipartUploads, l UploadList) {
	name, encoding := encoder(op.EncodingURL)
	doc := uploadsXML{
		Xmlns: xmlns, Bucket: op.Bucket, KeyMarker: name(op.KeyMarker), UploadIDMarker: op.UploadIDMarker,
		Prefix: name(op.Prefix), Delimiter: name(op.Delimiter), MaxUploads: op.Max, EncodingType: encoding,
		IsTruncated: l.More, CommonPrefixes: prefixesXML(l.Prefixes, name),
	}
	if l.More {
		doc.NextKeyMarker, doc.NextUploadIDMarker = name(l.NextKey), l.NextUploadID
	}
	for _, u := range l.Uploads {
		doc.Uploads = append(doc.Uploads, uploadXML{
			Key: name(u.Key), UploadID: u.UploadID, Initiator: owner, Owner: owner, StorageClass: "STANDARD",
			Initiated: u.Initiated.UTC().Format(timeFormat), ChecksumAlgorithm: u.Algorithm.String(), ChecksumType: u.ChecksumType.String(),
		})
	}
	writeXML(w, http.StatusOK, doc)
}
