// SPDX-License-Identifier: Apache-2.0

package s3api_test

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/sealgate/sealgate/gateway/s3api"
)

// incoming reads a request from its bytes, as net/http's server does.
func incoming(raw string) *http.Request {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
	if err != nil {
		panic(err)
	}
	return r
}

func ExampleParse() {
	for _, raw := range []string{
		"GET /models/fraud%2Fv1?x-id=GetObject HTTP/1.1\r\nHost: s3\r\nRange: bytes=10-\r\n\r\n",
		"PUT /models?policy HTTP/1.1\r\nHost: s3\r\n\r\n",
		"GET /models/fraud/%2e%2e/raw/x HTTP/1.1\r\nHost: s3\r\n\r\n",
	} {
		op, err := s3api.Parse(incoming(raw), s3api.Options{})
		switch op := op.(type) {
		case *s3api.GetObject:
			fmt.Println(op.Action(), op.Resource(), op.Range)
		case *s3api.Unsupported:
			fmt.Println(s3api.NotImplemented(op.Action()))
		default:
			fmt.Println(err)
		}
	}
	// Output:
	// GetObject models/fraud/v1 bytes=10-
	// NotImplemented: A header you provided implies functionality that is not implemented.
	// InvalidURI: the key holds a segment "." or "..": keys are exact, nothing is resolved
}

func ExamplePutObject_Body() {
	r := incoming("PUT /models/a HTTP/1.1\r\nHost: s3\r\nTransfer-Encoding: chunked\r\nContent-Encoding: aws-chunked\r\n" +
		"X-Amz-Trailer: x-amz-checksum-crc32\r\nX-Amz-Decoded-Content-Length: 11\r\nX-Amz-Content-SHA256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\n\r\n" +
		"34\r\nb\r\nhello world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n\r\n0\r\n\r\n")
	op, err := s3api.Parse(r, s3api.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	body := op.(*s3api.PutObject).Body(r.Body)
	data, err := io.ReadAll(body)
	sums := body.Sums()
	fmt.Printf("%s %v\n", data, err)
	fmt.Println(sums.Size, sums.Client.Algorithm, base64.StdEncoding.EncodeToString(sums.CRC64NVME[:]))
	// Output:
	// hello world <nil>
	// 11 CRC32 jSnVw/bqjr4=
}

func ExampleRange_Resolve() {
	off, n, err := s3api.ParseRange("bytes=15728640-20971519").Resolve(20000000)
	fmt.Println(off, n, err)
	_, _, err = s3api.ParseRange("bytes=0-").Resolve(0)
	fmt.Println(err)
	// Output:
	// 15728640 4271360 <nil>
	// InvalidRange: The requested range is not satisfiable
}

func ExampleETag() {
	fmt.Println(s3api.ETag("9b2cf535f27731c974343645a3985328"))
	fmt.Println(s3api.ETag("9b2cf535f27731c974343645a3985328-3"))
	// Output:
	// "9b2cf535f27731c974343645a3985328-1"
	// "9b2cf535f27731c974343645a3985328-3"
}

func ExampleWriteError() {
	w := httptest.NewRecorder()
	s3api.WriteError(w, incoming("GET /models/a HTTP/1.1\r\nHost: s3\r\n\r\n"), s3api.NoSuchKey("a"), "01JD6QK3W8Z5V9T0N4X7B2M1RC")
	fmt.Println(w.Code)
	fmt.Println(w.Body)
	// Output:
	// 404
	// <?xml version="1.0" encoding="UTF-8"?>
	// <Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><Key>a</Key><Resource>/models/a</Resource><RequestId>01JD6QK3W8Z5V9T0N4X7B2M1RC</RequestId><HostId>sealgate</HostId></Error>
}

func ExampleWriteList() {
	op, _ := s3api.Parse(incoming("GET /models?list-type=2&prefix=a HTTP/1.1\r\nHost: s3\r\n\r\n"), s3api.Options{})
	w := httptest.NewRecorder()
	s3api.WriteList(w, op.(*s3api.ListObjects), s3api.Listing{})
	fmt.Println(strings.ReplaceAll(w.Body.String(), "><", ">\n<"))
	// Output:
	// <?xml version="1.0" encoding="UTF-8"?>
	// <ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
	// <Name>models</Name>
	// <Prefix>a</Prefix>
	// <KeyCount>0</KeyCount>
	// <MaxKeys>1000</MaxKeys>
	// <IsTruncated>false</IsTruncated>
	// </ListBucketResult>
}

func ExampleDeleteObjects_Keys() {
	const doc = "<Delete><Object><Key>a</Key></Object><Object><Key>b/../c</Key></Object></Delete>"
	r := incoming(fmt.Sprintf("POST /models?delete HTTP/1.1\r\nHost: s3\r\nContent-Length: %d\r\n\r\n%s", len(doc), doc))
	op, err := s3api.Parse(r, s3api.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	keys, quiet, err := op.(*s3api.DeleteObjects).Keys(r.Body)
	fmt.Println(keys[0].Key, keys[0].Err)
	fmt.Println(keys[1].Key, keys[1].Err)
	fmt.Println(quiet, err)
	// Output:
	// a <nil>
	// b/../c InvalidURI: the key holds a segment "." or "..": keys are exact, nothing is resolved
	// false <nil>
}

func ExampleCombineCRC() {
	sum := func(s string) []byte {
		h := crc32.NewIEEE()
		_, _ = io.WriteString(h, s)
		return h.Sum(nil)
	}
	fmt.Printf("%x\n", s3api.CombineCRC(s3api.ChecksumCRC32, sum("hello "), sum("world"), 5))
	fmt.Printf("%x\n", sum("hello world"))
	// Output:
	// 0d4a1185
	// 0d4a1185
}
