// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
)

// Bounds of XML bodies, in bytes (S3.md, "XML bodies").
const (
	// maxList bounds a list of parts or keys: 10,000 parts with a checksum
	// each, or 1,000 keys of full length, fit in.
	maxList = 2 << 20
	// maxConfig bounds tags and the configuration of a bucket.
	maxConfig = 64 << 10
)

// xmlBody is an XML body that was declared and not yet read. It is small: it
// is read whole, and only what passed every checksum is looked at.
type xmlBody struct {
	payload payload
}

// readXMLBody reads the headers that describe an XML body. Its checksum
// headers are about the body, unless the operation reads them as the
// object's.
func (r *request) readXMLBody(limit int64, steps ...func(*payload) *Error) (xmlBody, *Error) {
	var b xmlBody
	steps = append([]func(*payload) *Error{r.payloadMode, notStreaming, r.payloadSize, r.payloadMD5}, steps...)
	for _, step := range steps {
		if err := step(&b.payload); err != nil {
			return xmlBody{}, err
		}
	}
	if b.payload.size > limit {
		e := NewError("MaxMessageLengthExceeded", "")
		e.Extra = []Element{{"MaxMessageLengthBytes", itoa(int(limit))}}
		return xmlBody{}, e
	}
	return b, nil
}

// notStreaming refuses the framing of uploads: it is for uploads alone.
func notStreaming(p *payload) *Error {
	if p.mode.chunked {
		return InvalidRequest(noStreamingHere)
	}
	return nil
}

const noStreamingHere = "The value of x-amz-content-sha256 header is invalid."

// read gives the whole body once its length and checksums were verified.
func (b xmlBody) read(src io.Reader) ([]byte, error) {
	data, err := io.ReadAll(newBody(src, b.payload))
	if err != nil {
		return nil, err
	}
	return data, nil
}

// decode reads the body and hands its root element's children to each. The
// root must have that name; an empty body is MissingRequestBodyError.
func (b xmlBody) decode(src io.Reader, root string, each func(*xmlReader, string) error) error {
	data, err := b.read(src)
	if err != nil {
		return err
	}
	if len(data) == 0 {
		return NewError("MissingRequestBodyError", "")
	}
	return decodeXML(data, root, each)
}

// decodeXML reads one document (S3.md, "XML bodies"). Every fault of it is
// MalformedXML, but for the errors that each gives.
func decodeXML(data []byte, root string, each func(*xmlReader, string) error) error {
	x := &xmlReader{dec: xml.NewDecoder(bytes.NewReader(data))}
	name, err := x.open()
	switch {
	case err != nil:
		return err
	case name != root:
		return malformedXML()
	}
	if err := x.children(each); err != nil {
		return err
	}
	return x.end()
}

func malformedXML() *Error { return NewError("MalformedXML", "") }

// xmlReader reads elements in the order in which they stand. It keeps nothing
// of what it has read, and goes into no element that it does not know, so that
// no document makes it grow.
type xmlReader struct {
	dec   *xml.Decoder
	begun bool // something came before: no XML declaration may follow
}

// token gives the next token that means something: an element's begin or end,
// or text. A document type, a comment or an instruction has no place in a
// request: one reader would skip it, and another would not.
func (x *xmlReader) token() (xml.Token, error) {
	for {
		t, err := x.dec.Token()
		if errors.Is(err, io.EOF) {
			return nil, io.EOF
		}
		if err != nil {
			return nil, malformedXML().Cause(err)
		}
		first := !x.begun
		x.begun = true
		switch t := t.(type) {
		case xml.ProcInst:
			if !first || t.Target != "xml" {
				return nil, malformedXML()
			}
		case xml.StartElement, xml.EndElement, xml.CharData:
			return t, nil
		default:
			return nil, malformedXML()
		}
	}
}

// open goes into the next element, past white space.
func (x *xmlReader) open() (string, error) {
	for {
		t, err := x.token()
		switch t := t.(type) {
		case xml.StartElement:
			return t.Name.Local, nil
		case xml.CharData:
			if !blank(t) {
				return "", malformedXML()
			}
		default:
			if err == nil || errors.Is(err, io.EOF) {
				return "", malformedXML()
			}
			return "", err
		}
	}
}

// end goes past white space to the end of the document.
func (x *xmlReader) end() error {
	for {
		t, err := x.token()
		if text, ok := t.(xml.CharData); ok && blank(text) {
			continue
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		return malformedXML()
	}
}

// children hands each child element of the current one to each, which reads it
// to its end, and leaves the current one. Text between them is white space.
func (x *xmlReader) children(each func(*xmlReader, string) error) error {
	for {
		t, err := x.token()
		switch t := t.(type) {
		case xml.StartElement:
			if err := each(x, t.Name.Local); err != nil {
				return err
			}
		case xml.EndElement:
			return nil
		case xml.CharData:
			if !blank(t) {
				return malformedXML()
			}
		default:
			if errors.Is(err, io.EOF) {
				return malformedXML()
			}
			return err
		}
	}
}

// text gives the current element's text, exactly as it stands, and leaves the
// element. It has no child.
func (x *xmlReader) text() (string, error) {
	var b strings.Builder
	for {
		t, err := x.token()
		switch t := t.(type) {
		case xml.CharData:
			b.Write(t)
		case xml.EndElement:
			return b.String(), nil
		default:
			if err == nil || errors.Is(err, io.EOF) {
				return "", malformedXML()
			}
			return "", err
		}
	}
}

// once reads the text of an element into its place; what comes twice would be
// read as the first by one reader and as the last by another.
func (x *xmlReader) once(into **string) error {
	if *into != nil {
		return malformedXML()
	}
	s, err := x.text()
	if err != nil {
		return err
	}
	*into = &s
	return nil
}

func blank(text []byte) bool { return len(bytes.Trim(text, " \t\r\n")) == 0 }
