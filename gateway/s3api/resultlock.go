// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"encoding/xml"
	"net/http"
)

// LockRule is what a bucket keeps of its own accord.
type LockRule struct {
	Mode        string // "" for nothing
	Days, Years int    // one of them, with Mode
}

type lockConfigXML struct {
	XMLName xml.Name `xml:"ObjectLockConfiguration"`
	Xmlns   string   `xml:"xmlns,attr"`
	Enabled string   `xml:"ObjectLockEnabled"`
	Rule    *ruleXML
}

type ruleXML struct {
	Mode  string `xml:"DefaultRetention>Mode"`
	Days  int    `xml:"DefaultRetention>Days,omitempty"`
	Years int    `xml:"DefaultRetention>Years,omitempty"`
}

// WriteLockConfiguration answers GetObjectLockConfiguration of a bucket that
// locks.
func WriteLockConfiguration(w http.ResponseWriter, rule LockRule) {
	doc := lockConfigXML{Xmlns: xmlns, Enabled: "Enabled"}
	if rule.Mode != "" {
		doc.Rule = &ruleXML{rule.Mode, rule.Days, rule.Years}
	}
	writeXML(w, http.StatusOK, doc)
}

type retentionXML struct {
	XMLName xml.Name `xml:"Retention"`
	Xmlns   string   `xml:"xmlns,attr"`
	Mode    string
	Until   string `xml:"RetainUntilDate"`
}

type holdXML struct {
	XMLName xml.Name `xml:"LegalHold"`
	Xmlns   string   `xml:"xmlns,attr"`
	Status  string
}

// WriteRetention answers GetObjectRetention; the error is that there is none.
func WriteRetention(w http.ResponseWriter, l Lock) error {
	if l.Mode == "" {
		return NewError("NoSuchObjectLockConfiguration", "")
	}
	writeXML(w, http.StatusOK, retentionXML{Xmlns: xmlns, Mode: l.Mode, Until: formatUntil(l.Until)})
	return nil
}

// WriteLegalHold answers GetObjectLegalHold; the error is that nothing was
// ever said of it.
func WriteLegalHold(w http.ResponseWriter, l Lock) error {
	if l.Hold == "" {
		return NewError("NoSuchObjectLockConfiguration", "")
	}
	writeXML(w, http.StatusOK, holdXML{Xmlns: xmlns, Status: l.Hold})
	return nil
}

// BucketLocksNothing is 400: objects cannot be locked in this bucket. S3 has one
// sentence for what would write a locked object, and one for the others.
func BucketLocksNothing(op Op) *Error {
	switch op.(type) {
	case *PutObject, *CopyObject, *CreateMultipartUpload:
		return InvalidRequest("Bucket is missing ObjectLockConfiguration")
	}
	return InvalidRequest("Bucket is missing Object Lock Configuration")
}

// ObjectLocked is 403: the object is locked against what was asked.
func ObjectLocked() *Error {
	return NewError("AccessDenied", "Access Denied because object protected by object lock.")
}
