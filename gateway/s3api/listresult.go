// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"encoding/xml"
	"net/http"
	"strings"
	"time"
)

// Listed is one object of a listing.
type Listed struct {
	Key      string
	Size     int64  // plaintext bytes
	ETag     string // as ETag gave it: the same as HEAD answers
	Modified time.Time
}

// Listing is one page of a listing. Objects and Prefixes are each in byte
// order.
type Listing struct {
	Objects  []Listed
	Prefixes []string
	More     bool
	// Next is what the next page goes on after: for V2 the sealed token, for
	// V1 the last name of this page, key or prefix. Only read when More.
	Next string
}

type listV1XML struct {
	XMLName        xml.Name `xml:"ListBucketResult"`
	Xmlns          string   `xml:"xmlns,attr"`
	Name           string
	Prefix         string
	Marker         string
	NextMarker     string `xml:",omitempty"`
	MaxKeys        int
	Delimiter      string `xml:",omitempty"`
	EncodingType   string `xml:",omitempty"`
	IsTruncated    bool
	Contents       []byte `xml:",innerxml"`
	CommonPrefixes []prefixXML
}

type listV2XML struct {
	XMLName               xml.Name `xml:"ListBucketResult"`
	Xmlns                 string   `xml:"xmlns,attr"`
	Name                  string
	Prefix                string
	StartAfter            string  `xml:",omitempty"`
	ContinuationToken     *string // echoed when sent, empty or not
	NextContinuationToken string  `xml:",omitempty"`
	KeyCount              int
	MaxKeys               int
	Delimiter             string `xml:",omitempty"`
	EncodingType          string `xml:",omitempty"`
	IsTruncated           bool
	Contents              []byte `xml:",innerxml"`
	CommonPrefixes        []prefixXML
}

type prefixXML struct{ Prefix string }

// WriteList answers ListObjects in either version, in AWS order of elements.
func WriteList(w http.ResponseWriter, op *ListObjects, l Listing) {
	name, encoding := encoder(op.EncodingURL)
	objects, prefixes := objectLines(op, l.Objects, name), prefixesXML(l.Prefixes, name)
	if op.Version == 2 {
		doc := listV2XML{
			Xmlns: xmlns, Name: op.Bucket, Prefix: name(op.Prefix), StartAfter: name(op.StartAfter),
			KeyCount: len(l.Objects) + len(prefixes), MaxKeys: op.Max, Delimiter: name(op.Delimiter),
			EncodingType: encoding, IsTruncated: l.More, Contents: objects, CommonPrefixes: prefixes,
		}
		if op.tokenSent {
			doc.ContinuationToken = &op.Token
		}
		if l.More {
			doc.NextContinuationToken = l.Next
		}
		writeXML(w, http.StatusOK, doc)
		return
	}
	doc := listV1XML{
		Xmlns: xmlns, Name: op.Bucket, Prefix: name(op.Prefix), Marker: name(op.Marker), MaxKeys: op.Max,
		Delimiter: name(op.Delimiter), EncodingType: encoding, IsTruncated: l.More, Contents: objects, CommonPrefixes: prefixes,
	}
	if l.More {
		doc.NextMarker = name(l.Next)
	}
	writeXML(w, http.StatusOK, doc)
}

func objectLines(op *ListObjects, objects []Listed, name func(string) string) []byte {
	lines := newLines(len(objects))
	for _, o := range objects {
		lines.object(o, name(o.Key), op.Version == 1 || op.FetchOwner)
	}
	return lines.Bytes()
}

func prefixesXML(prefixes []string, name func(string) string) []prefixXML {
	out := make([]prefixXML, 0, len(prefixes))
	for _, p := range prefixes {
		out = append(out, prefixXML{name(p)})
	}
	return out
}

// encoder gives how names are written in an answer, and the answer's
// EncodingType.
func encoder(url bool) (name func(string) string, encoding string) { //nolint:revive // it is what the client asked for
	if url {
		return encodeName, "url"
	}
	return func(s string) string { return s }, ""
}

// encodeName is encoding-type=url: every byte but letters, digits and -_./*
// as %XX. A space is %20, which clients that decode "+" read as well as those
// that do not.
func encodeName(s string) string {
	const hexdigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-_./*", c) >= 0:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hexdigits[c>>4])
			b.WriteByte(hexdigits[c&15])
		}
	}
	return b.String()
}
