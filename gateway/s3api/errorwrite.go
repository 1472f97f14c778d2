// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"encoding/xml"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// errorXML is the body of an error answer, in AWS order.
type errorXML struct {
	XMLName   xml.Name `xml:"Error"`
	Code      string
	Message   string
	Extra     []elementXML
	Resource  string `xml:",omitempty"`
	RequestID string `xml:"RequestId"`
	HostID    string `xml:"HostId"`
}

type elementXML struct {
	XMLName xml.Name
	Value   string `xml:",chardata"`
}

// hostID stands where AWS names the serving host. Ours are not told apart.
const hostID = "sealgate"

// WriteError renders e as the answer to r: the only renderer of errors. An
// answer to HEAD, and 304, has no body. Headers that describe an object are
// taken back, or a client would read the error as the object.
func WriteError(w http.ResponseWriter, r *http.Request, e *Error, requestID string) {
	h := w.Header()
	for name := range describesObject {
		if !keeps(e.Status, name) {
			h.Del(name)
		}
	}
	if requestID != "" {
		h.Set("X-Amz-Request-Id", requestID)
	}
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((e.RetryAfter+time.Second-1)/time.Second), 10))
	}
	if r.Method == http.MethodHead || e.Status == http.StatusNotModified {
		w.WriteHeader(e.Status)
		return
	}
	writeXML(w, e.Status, newErrorXML(r, e, requestID))
}

func newErrorXML(r *http.Request, e *Error, requestID string) errorXML {
	doc := errorXML{Code: e.Code, Message: e.Message, Resource: ownPath(r), RequestID: requestID, HostID: hostID}
	for _, x := range e.Extra {
		doc.Extra = append(doc.Extra, elementXML{XMLName: xml.Name{Local: x.Name}, Value: x.Value})
	}
	return doc
}

// keeps tells which headers of an object an error of that status still
// carries: 304 its validators, 416 the size that no range met.
func keeps(status int, name string) bool {
	switch status {
	case http.StatusNotModified:
		return name == "Etag" || name == "Last-Modified"
	case http.StatusRequestedRangeNotSatisfiable:
		return name == "Content-Range"
	}
	return false
}

// ownPath is the path of the request as it was sent: the one name that an
// error may hold. A query may carry a signature and is left out.
func ownPath(r *http.Request) string {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	if !strings.HasPrefix(path, "/") {
		return ""
	}
	return path
}

// describesObject names the headers of an object answer.
var describesObject = map[string]bool{
	"Etag": true, "Last-Modified": true, "Accept-Ranges": true, "Content-Length": true, "Content-Range": true,
	"Content-Type": true, "Content-Encoding": true, "Content-Disposition": true, "Content-Language": true,
	"Cache-Control": true, "Expires": true,
}

// marshal writes down a document of ours, which always can be.
func marshal(doc any) []byte {
	body, err := xml.Marshal(doc)
	if err != nil {
		panic("s3api: internal error: " + err.Error())
	}
	return body
}

// writeXML sends one XML document. An error of Write is the connection's and
// is seen by whoever owns that.
func writeXML(w http.ResponseWriter, status int, doc any) {
	body := append([]byte(xml.Header), marshal(doc)...)
	h := w.Header()
	h.Set("Content-Type", "application/xml")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) //nolint:gosec // it is XML, marshalled, and said to be
}
