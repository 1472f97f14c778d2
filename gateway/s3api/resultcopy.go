// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"encoding/xml"
	"net/http"
	"time"
)

// Copied is what is told of a copy: an object, or a part of an upload.
type Copied struct {
	ETag            string // as ETag gave it
	Modified        time.Time
	Checksum        Checksum
	VersionID       string // of the copy; "" where the store keeps no versions
	SourceVersionID string // of what was copied; likewise
}

// copiedXML is both results; its name comes with it.
type copiedXML struct {
	XMLName      xml.Name
	Xmlns        string `xml:"xmlns,attr"`
	ETag         string
	LastModified string
	ChecksumType string `xml:",omitempty"`
	checksumXML
}

func newCopiedXML(name string, c Copied) copiedXML {
	return copiedXML{
		XMLName: xml.Name{Local: name}, Xmlns: xmlns, ETag: c.ETag, LastModified: c.Modified.UTC().Format(timeFormat),
		checksumXML: newChecksumXML(c.Checksum),
	}
}

func newCopiedObjectXML(c Copied) copiedXML {
	doc := newCopiedXML("CopyObjectResult", c)
	doc.ChecksumType = c.Checksum.Type().String()
	return doc
}

func setCopied(h http.Header, c Copied) {
	SetVersion(h, c.VersionID)
	if c.SourceVersionID != "" {
		h.Set("X-Amz-Copy-Source-Version-Id", c.SourceVersionID)
	}
	h.Set("X-Amz-Server-Side-Encryption", "aws:kms")
}

// WriteCopied answers CopyObject.
func WriteCopied(w http.ResponseWriter, c Copied) {
	setCopied(w.Header(), c)
	writeXML(w, http.StatusOK, newCopiedObjectXML(c))
}

// WriteCopiedLate ends an answer to CopyObject that StartLate began.
func WriteCopiedLate(w http.ResponseWriter, c Copied) { writeLate(w, newCopiedObjectXML(c)) }

// WriteCopiedPart answers UploadPartCopy.
func WriteCopiedPart(w http.ResponseWriter, c Copied) {
	setCopied(w.Header(), c)
	writeXML(w, http.StatusOK, newCopiedXML("CopyPartResult", c))
}

// WriteCopiedPartLate ends an answer to UploadPartCopy that StartLate began.
func WriteCopiedPartLate(w http.ResponseWriter, c Copied) {
	writeLate(w, newCopiedXML("CopyPartResult", c))
}
