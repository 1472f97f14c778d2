// SPDX-License-Identifier: Apache-2.0

package s3api

import "io"

// MaxDelete is how many keys one DeleteObjects holds.
const MaxDelete = 1000

func parseDeleteObjects(r *request) (Op, *Error) {
	op := &DeleteObjects{Bucket: r.target.Bucket}
	var err *Error
	if op.body, err = r.readXMLBody(maxList, r.payloadChecksum); err != nil {
		return nil, err
	}
	return op, nil
}

// KeyVersion is one object that DeleteObjects names.
type KeyVersion struct {
	Key       string
	VersionID string // "" for the object itself
	// Err is nil, or an *Error: this object must not be touched, and the error
	// is the answer for it. Key is then what the client sent.
	Err error
}

// Resource is what deleting it needs a right on, in that bucket.
func (k KeyVersion) Resource(bucket string) Resource { return Resource{Bucket: bucket, Key: k.Key} }

// Keys reads the list, in the order in which it stands; quiet asks to be told
// of errors only. The error is an *Error, and is about the whole request.
func (o *DeleteObjects) Keys(body io.Reader) (keys []KeyVersion, quiet bool, err error) {
	var said *string
	err = o.body.decode(body, "Delete", func(x *xmlReader, name string) error {
		switch {
		case name == "Quiet":
			return x.once(&said)
		case name == "Object" && len(keys) < MaxDelete:
			k, err := readKeyVersion(x)
			keys = append(keys, k)
			return err
		}
		return malformedXML()
	})
	if err != nil {
		return nil, false, err
	}
	if said != nil {
		if quiet = *said == "true"; !quiet && *said != "false" {
			return nil, false, malformedXML()
		}
	}
	if len(keys) == 0 {
		return nil, false, malformedXML()
	}
	return keys, quiet, nil
}

// readKeyVersion reads one Object. What its key or version cannot be, and a
// condition that would not be kept, is an error of this object alone.
func readKeyVersion(x *xmlReader) (KeyVersion, error) {
	var key, version *string
	condition := ""
	err := x.children(func(x *xmlReader, name string) error {
		switch name {
		case "Key":
			return x.once(&key)
		case "VersionId":
			return x.once(&version)
		case "ETag", "LastModifiedTime", "Size":
			condition = name
			_, err := x.text()
			return err
		}
		return malformedXML()
	})
	switch {
	case err != nil:
		return KeyVersion{}, err
	case key == nil || *key == "":
		return KeyVersion{}, malformedXML()
	}
	k := KeyVersion{Key: *key}
	if bad := checkKey(k.Key); bad != nil {
		k.Err = bad
	}
	if version != nil && *version != "" {
		k.VersionID = *version
		if bad := checkVersion("VersionId", k.VersionID); bad != nil {
			k.Err = bad
		}
	}
	if condition != "" {
		k.Err = notUnderstood("the element " + condition + " of DeleteObjects")
	}
	return k, nil
}
