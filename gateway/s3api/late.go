// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
)

// StartLate begins the answer to an operation that is still at work (S3.md,
// "Multipart uploads", late answers): 200, and the beginning of a document
// whose end is the result, or an error. The caller sends KeepAlive from time
// to time, and then exactly one of the functions whose names end in Late.
// Whoever begins an answer late can no longer say in the status that the
// operation failed.
func StartLate(w http.ResponseWriter) error {
	h := w.Header()
	h.Set("Content-Type", "application/xml")
	h.Del("Content-Length")
	w.WriteHeader(http.StatusOK)
	return sendNow(w, xml.Header)
}

// KeepAlive sends a byte that means nothing. Its error says that nobody is
// there any more.
func KeepAlive(w http.ResponseWriter) error { return sendNow(w, " ") }

func sendNow(w http.ResponseWriter, s string) error {
	if _, err := io.WriteString(w, s); err != nil {
		return fmt.Errorf("sending a late answer: %w", err)
	}
	if err := http.NewResponseController(w).Flush(); err != nil {
		return fmt.Errorf("sending a late answer: %w", err)
	}
	return nil
}

// WriteErrorLate ends an answer that StartLate began: it is an error after
// all.
func WriteErrorLate(w http.ResponseWriter, r *http.Request, e *Error, requestID string) {
	writeLate(w, newErrorXML(r, e, requestID))
}

// writeLate sends the document itself. An error of Write is the connection's,
// and is seen by whoever owns that.
func writeLate(w http.ResponseWriter, doc any) {
	_, _ = w.Write(marshal(doc)) //nolint:gosec // it is XML, marshalled, and said to be
}
