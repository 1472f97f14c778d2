// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"encoding/xml"
	"math"
	"testing"
	"time"
)

// plainObject and plainVersion are lines as encoding/xml writes them.
type plainObject struct {
	XMLName      xml.Name `xml:"Contents"`
	Key          string
	LastModified string
	ETag         string
	Size         int64
	Owner        *ownerXML
	StorageClass string
}

type plainVersion struct {
	XMLName      xml.Name
	Key          string
	VersionID    string `xml:"VersionId"`
	IsLatest     bool
	LastModified string
	ETag         string `xml:",omitempty"`
	Size         *int64 `xml:",omitempty"`
	StorageClass string `xml:",omitempty"`
	Owner        ownerXML
}

// FuzzLines: each line is as encoding/xml writes it, whatever a name holds.
func FuzzLines(f *testing.F) {
	f.Add("a b", `"abc-1"`, "null", int64(5), int64(1767323045123456789), true)
	f.Add("</Key><Key>'\"&\r\n\t\x00\x1f\x7f", "\xff\xfe", "]]>\uFFFE\U0010FFFF", int64(math.MinInt64), int64(-1), false)
	f.Fuzz(func(t *testing.T, key, etag, version string, size, at int64, flag bool) {
		modified := time.Unix(0, at)
		text := modified.UTC().Format(timeFormat)
		object := plainObject{Key: key, LastModified: text, ETag: etag, Size: size, StorageClass: "STANDARD"}
		if flag {
			object.Owner = &owner
		}
		l := newLines(1)
		l.object(Listed{Key: "not this", Size: size, ETag: etag, Modified: modified}, key, flag)
		if want := string(marshal(object)); l.String() != want {
			t.Errorf("object\ngot  %q\nwant %q", l.String(), want)
		}

		plain := plainVersion{XMLName: xml.Name{Local: "Version"}, Key: key, VersionID: version, IsLatest: flag, LastModified: text, Owner: owner}
		for _, marker := range []bool{true, false} {
			if plain.XMLName.Local = "DeleteMarker"; !marker {
				etag = "-" + etag // never empty
				plain.XMLName.Local, plain.ETag, plain.Size, plain.StorageClass = "Version", etag, &size, "STANDARD"
			}
			l.Reset()
			l.version(VersionListed{Key: "not this", VersionID: version, Latest: flag, Marker: marker, Modified: modified, ETag: etag, Size: size}, key)
			if want := string(marshal(plain)); l.String() != want {
				t.Errorf("version\ngot  %q\nwant %q", l.String(), want)
			}
		}
	})
}
