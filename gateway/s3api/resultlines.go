// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"bytes"
	"encoding/xml"
	"strconv"
	"time"
)

// lines are what a listing has a thousand of, as they stand in its document:
// encoding/xml finds its way through a type for each of them, which costs more
// than the rest of a listing. It still escapes all text that is not ours.
type lines struct{ bytes.Buffer }

// newLines returns lines with room for n of them.
func newLines(n int) *lines {
	const usual = 384 // bytes
	var l lines
	l.Grow(n * usual)
	return &l
}

func (l *lines) open(name string) {
	l.WriteByte('<')
	l.WriteString(name)
	l.WriteByte('>')
}

func (l *lines) end(name string) {
	l.WriteString("</")
	l.WriteString(name)
	l.WriteByte('>')
}

func (l *lines) text(name, text string) {
	l.open(name)
	_ = xml.EscapeText(l, []byte(text)) // a buffer takes all
	l.end(name)
}

func (l *lines) number(name string, n int64) {
	l.open(name)
	l.Write(strconv.AppendInt(l.AvailableBuffer(), n, 10))
	l.end(name)
}

func (l *lines) time(name string, t time.Time) {
	l.open(name)
	l.Write(t.UTC().AppendFormat(l.AvailableBuffer(), timeFormat))
	l.end(name)
}

// object is one line of ListObjects, with its key as the client wants it.
func (l *lines) object(o Listed, key string, owned bool) { //nolint:revive // it is what the client asked for
	l.open("Contents")
	l.text("Key", key)
	l.time("LastModified", o.Modified)
	l.text("ETag", o.ETag)
	l.number("Size", o.Size)
	if owned {
		l.owned()
	}
	l.text("StorageClass", "STANDARD")
	l.end("Contents")
}

// owned says whose a line is: of them all the one owner's.
func (l *lines) owned() {
	l.open("Owner")
	l.text("ID", owner.ID)
	l.text("DisplayName", owner.DisplayName)
	l.end("Owner")
}

// version is one line of ListObjectVersions.
func (l *lines) version(v VersionListed, key string) {
	element := "Version"
	if v.Marker {
		element = "DeleteMarker"
	}
	l.open(element)
	l.text("Key", key)
	l.text("VersionId", v.VersionID)
	l.text("IsLatest", strconv.FormatBool(v.Latest))
	l.time("LastModified", v.Modified)
	if !v.Marker {
		l.text("ETag", v.ETag)
		l.number("Size", v.Size)
		l.text("StorageClass", "STANDARD")
	}
	l.owned()
	l.end(element)
}
