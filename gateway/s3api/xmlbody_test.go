// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash/crc32"
	"strconv"
	"strings"
	"testing"
)

// bodyRequests are one request for each operation with an XML body, less its
// length.
var bodyRequests = map[string]string{
	"Delete": "POST /models?delete", "CompleteMultipartUpload": "POST /models/k?uploadId=1",
	"Tagging": "PUT /models/k?tagging", "CreateBucketConfiguration": "PUT /models",
}

// readBody sends an XML document to the operation that has such a root, and
// gives what its reader makes of it.
func readBody(tb testing.TB, root, doc string, headers ...string) (any, error) {
	tb.Helper()
	lines := with(bodyRequests[root], headers, "Content-Length: "+strconv.Itoa(len(doc)))
	op, err := Parse(ask(tb, lines...), Options{})
	if err != nil {
		return nil, err
	}
	src := strings.NewReader(doc)
	switch op := op.(type) {
	case *DeleteObjects:
		keys, quiet, err := op.Keys(src)
		if err == nil && quiet {
			return "quiet", nil
		}
		return keys, err
	case *CompleteMultipartUpload:
		return op.Parts(src)
	case *PutObjectTagging:
		return op.Tags(src)
	case *CreateBucket:
		return nil, op.Check(src, "eu-west-1")
	}
	tb.Fatalf("%v is %T", lines, op)
	return nil, nil
}

// valid is a document of each root that is accepted, inner its content.
var valid = map[string]string{
	"Delete":                    "<Object><Key>a</Key></Object>",
	"CompleteMultipartUpload":   "<Part><PartNumber>1</PartNumber><ETag>a</ETag></Part>",
	"Tagging":                   "<TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet>",
	"CreateBucketConfiguration": "<LocationConstraint>eu-west-1</LocationConstraint>",
}

// What one reader of XML would read otherwise than another is refused, for
// every root alike.
func TestXMLIsReadStrictly(t *testing.T) {
	t.Parallel()
	for root, inner := range valid {
		leaf := inner[strings.LastIndex(inner[:strings.Index(inner, "</")], "<"):] // <Key>a</Key>...
		name := leaf[1:strings.Index(leaf, ">")]
		for what, doc := range map[string]string{
			"":                      "<" + root + ">" + inner + "</" + root + ">",
			"declared":              "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<" + root + ">" + inner + "</" + root + ">\n",
			"namespace":             "<" + root + ` xmlns="http://s3.amazonaws.com/doc/2006-03-01/">` + inner + "</" + root + ">",
			"older namespace":       "<" + root + ` xmlns="http://doc.s3.amazonaws.com/2006-03-01">` + inner + "</" + root + ">",
			"prefix":                "<s:" + root + ` xmlns:s="http://s3.amazonaws.com/doc/2006-03-01/">` + inner + "</s:" + root + ">",
			"indented":              "<" + root + ">\r\n\t" + strings.ReplaceAll(inner, "><", ">\n  <") + "\n</" + root + ">",
			"! other root":          "<Other>" + inner + "</Other>",
			"! two roots":           "<" + root + ">" + inner + "</" + root + "><x/>",
			"! text behind":         "<" + root + ">" + inner + "</" + root + ">x",
			"! text before":         "x<" + root + ">" + inner + "</" + root + ">",
			"! text between":        "<" + root + ">x" + inner + "</" + root + ">",
			"! unknown element":     "<" + root + ">" + inner + "<Of-tomorrow/></" + root + ">",
			"! wrong case":          "<" + root + ">" + strings.ToLower(inner) + "</" + root + ">",
			"! document type":       "<!DOCTYPE x [<!ENTITY e \"a\">]><" + root + ">" + inner + "</" + root + ">",
			"! entity":              "<" + root + ">" + strings.Replace(inner, ">a<", ">&e;<", 1) + "<" + name + ">&nbsp;</" + name + "></" + root + ">",
			"! comment":             "<" + root + "><!-- x -->" + inner + "</" + root + ">",
			"! comment in a leaf":   "<" + root + ">" + strings.Replace(inner, "<"+name+">", "<"+name+"><!-- x -->", 1) + "</" + root + ">",
			"! instruction":         "<" + root + "><?x y?>" + inner + "</" + root + ">",
			"! declared twice":      "<?xml version=\"1.0\"?><?xml version=\"1.0\"?><" + root + ">" + inner + "</" + root + ">",
			"! declared late":       " <?xml version=\"1.0\"?><" + root + ">" + inner + "</" + root + ">",
			"! other encoding":      "<?xml version=\"1.0\" encoding=\"UTF-16\"?><" + root + ">" + inner + "</" + root + ">",
			"! version of tomorrow": "<?xml version=\"2.0\"?><" + root + ">" + inner + "</" + root + ">",
			"! cut off":             "<" + root + ">" + inner,
			"! closed by another":   "<" + root + ">" + inner + "</Other>",
			"! leaf twice":          "<" + root + ">" + strings.Replace(inner, "<"+name+">", "<"+name+">x</"+name+"><"+name+">", 1) + "</" + root + ">",
			"! leaf with a child":   "<" + root + ">" + strings.Replace(inner, "<"+name+">", "<"+name+"><b/>", 1) + "</" + root + ">",
			"! deep":                "<" + root + ">" + strings.Repeat("<a>", 100000) + "</" + root + ">",
			"! not UTF-8":           "<" + root + ">" + strings.Replace(inner, "<"+name+">", "<"+name+">\xff", 1) + "</" + root + ">",
			"! NUL":                 "<" + root + ">" + strings.Replace(inner, "<"+name+">", "<"+name+">&#0;", 1) + "</" + root + ">",
			"! nothing":             " ",
			"! only declared":       "<?xml version=\"1.0\"?>",
		} {
			_, err := readBody(t, root, doc)
			if !strings.HasPrefix(what, "!") {
				if err != nil {
					t.Errorf("%s, %s: %v", root, what, err)
				}
				continue
			}
			if err == nil {
				t.Errorf("%s%s: accepted", root, what)
				continue
			}
			if root == "CreateBucketConfiguration" && strings.HasPrefix(err.Error(), "NotImplemented") {
				continue // there an unknown element is something to do
			}
			if what == "! deep" && len(doc) > maxConfig && strings.HasPrefix(err.Error(), "MaxMessageLength") {
				continue
			}
			if !strings.HasPrefix(err.Error(), "MalformedXML") {
				t.Errorf("%s%s: %v", root, what, err)
			}
		}
	}
}

// A body is looked at when it is as long as it was said to be and every sum
// that was sent is right, never before.
func TestXMLBodyIsVerified(t *testing.T) {
	t.Parallel()
	for root, inner := range valid {
		doc := "<" + root + ">" + inner + "</" + root + ">"
		md, sha := md5.Sum([]byte(doc)), sha256.Sum256([]byte(doc))
		sum := crc32.ChecksumIEEE([]byte(doc))
		crc := base64.StdEncoding.EncodeToString([]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)})
		good := []string{
			"Content-MD5: " + base64.StdEncoding.EncodeToString(md[:]),
			"x-amz-content-sha256: " + hex.EncodeToString(sha[:]),
			"x-amz-checksum-crc32: " + crc,
		}
		bad := map[string]string{
			"Content-MD5: 1B2M2Y8AsgTpgAmY7PhCfg==":                    "BadDigest",
			"x-amz-content-sha256: " + strings.Repeat("0", 64):         "XAmzContentSHA256Mismatch",
			"x-amz-checksum-crc32: AAAAAA==":                           "BadDigest",
			"x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER": "InvalidRequest",
			"x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD": "InvalidRequest",
			"Content-MD5: x":               "InvalidDigest",
			"x-amz-checksum-crc32: x":      "InvalidRequest",
			"x-amz-checksum-md5: AAAAAA==": "InvalidRequest",
			"x-amz-content-sha256: STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD":       "NotImplemented",
			"Content-Encoding: aws-chunked\r\nx-amz-decoded-content-length: 10000": "InvalidRequest",
		}
		if root == "CompleteMultipartUpload" { // there it is the object's
			good = good[:2]
			delete(bad, "x-amz-checksum-crc32: AAAAAA==")
		}
		if _, err := readBody(t, root, doc, good...); err != nil {
			t.Errorf("%s with right sums: %v", root, err)
		}
		for header, code := range bad {
			if _, err := readBody(t, root, doc, header); err == nil || !strings.HasPrefix(err.Error(), code+":") {
				t.Errorf("%s with %q: %v, want %s", root, header, err, code)
			}
		}
	}
}

func TestXMLBodyLength(t *testing.T) {
	t.Parallel()
	for root, line := range bodyRequests {
		limit := maxList
		if root == "Tagging" || root == "CreateBucketConfiguration" {
			limit = maxConfig
		}
		parsed[Op](t, line, "Content-Length: "+strconv.Itoa(limit))
		e := refused(t, "MaxMessageLengthExceeded", line, "Content-Length: "+strconv.Itoa(limit+1))
		if e.Extra[0] != (Element{"MaxMessageLengthBytes", strconv.Itoa(limit)}) {
			t.Errorf("%s: %v", root, e.Extra)
		}
		refused(t, "MissingContentLength", line, "Transfer-Encoding: chunked")
		if root == "CreateBucketConfiguration" {
			continue // none is a fine configuration
		}
		if _, err := readBody(t, root, ""); err == nil || !strings.HasPrefix(err.Error(), "MissingRequestBodyError") {
			t.Errorf("%s without a body: %v", root, err)
		}
	}
	// A body that is shorter than it was said to be is not half a list.
	op := parsed[*DeleteObjects](t, "POST /models?delete", "Content-Length: 100")
	_, _, err := op.Keys(strings.NewReader("<Delete><Object><Key>a</Key></Object></Delete>"))
	wantError(t, err, "IncompleteBody", 400)
	_, _, err = op.Keys(strings.NewReader(strings.Repeat(" ", 101)))
	wantError(t, err, "InvalidRequest", 400)
}
