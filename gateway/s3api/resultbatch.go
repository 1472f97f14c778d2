// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"encoding/xml"
	"net/http"
)

// Deletion is what came of one object of DeleteObjects.
type Deletion struct {
	Key       string // as the client sent it
	VersionID string // likewise
	// Marker tells that a delete marker was made or removed; MarkerVersion is
	// its version.
	Marker        bool
	MarkerVersion string
	Err           *Error // nil when it is gone
}

type deletedXML struct {
	XMLName xml.Name `xml:"DeleteResult"`
	Xmlns   string   `xml:"xmlns,attr"`
	Deleted []deletionXML
	Errors  []deletionErrorXML `xml:"Error"`
}

type deletionXML struct {
	DeleteMarker          bool   `xml:",omitempty"`
	DeleteMarkerVersionID string `xml:"DeleteMarkerVersionId,omitempty"`
	Key                   string
	VersionID             string `xml:"VersionId,omitempty"`
}

type deletionErrorXML struct {
	Code      string
	Key       string
	Message   string
	VersionID string `xml:"VersionId,omitempty"`
}

// WriteDeleted answers DeleteObjects; quiet leaves out what went well.
func WriteDeleted(w http.ResponseWriter, quiet bool, deletions []Deletion) {
	doc := deletedXML{Xmlns: xmlns}
	for _, d := range deletions {
		switch {
		case d.Err != nil:
			doc.Errors = append(doc.Errors, deletionErrorXML{d.Err.Code, d.Key, d.Err.Message, d.VersionID})
		case !quiet:
			doc.Deleted = append(doc.Deleted, deletionXML{d.Marker, d.MarkerVersion, d.Key, d.VersionID})
		}
	}
	writeXML(w, http.StatusOK, doc)
}
