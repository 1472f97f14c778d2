// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write testdata/requests/want.txt")

// TestCapturedRequests reads what real clients sent, byte for byte, and holds
// every field of the operation and of its body against want.txt. The files
// are named CLIENT_WHAT: boto3 1.43.11 and 1.44.5, aws-cli 1.45.11, rclone
// 1.60.1, s3fs 2026.9.0, pyarrow 26.0.1 (arrow), s5cmd 2.3.0, minio-go 7.4.1,
// aws-sdk-go-v2/service/s3 1.109.1, curl 7.88.1. s5cmd_put and s5cmd_get_range
// follow what its SDK sends.
func TestCapturedRequests(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/requests/*.http")
	if err != nil || len(files) < 160 {
		t.Fatalf("%d captured requests, %v", len(files), err)
	}
	var got strings.Builder
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&got, "%s: %s\n", strings.TrimSuffix(filepath.Base(f), ".http"), describe(t, raw))
	}
	const want = "testdata/requests/want.txt"
	if *update {
		if err := os.WriteFile(want, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(want)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(text), got.String()); d != "" {
		t.Errorf("captured requests are read otherwise (-want +got):\n%s", d)
	}
}

// describe writes down all that was understood of a raw request.
func describe(t *testing.T, raw []byte) string {
	t.Helper()
	src := bufio.NewReader(bytes.NewReader(raw))
	r, err := http.ReadRequest(src)
	if err != nil {
		t.Fatal(err)
	}
	op, err := Parse(r, Options{})
	if err != nil {
		return err.Error()
	}
	d := describeOp(t, op, r.Body)
	if left, _ := io.ReadAll(src); len(left) != 0 {
		t.Errorf("%s leaves %q on the connection", r.RequestURI, left)
	}
	return op.Action() + " " + d
}

// describeOp writes down an operation, and what its own reader makes of the
// body.
func describeOp(t *testing.T, op Op, src io.Reader) string {
	t.Helper()
	fields := func(op any) string {
		none := fmt.Sprintf("%+v", Conditions{})
		text := strings.ReplaceAll(fmt.Sprintf("%+v", op), none, "none")
		text = strings.ReplaceAll(text, fmt.Sprintf("%+v", Headers{}), "none")
		text = strings.ReplaceAll(text, fmt.Sprintf("%+v", Lock{}), "none")
		return regexp.MustCompile(` ?(body|payload):.*$`).ReplaceAllString(text, "")
	}
	with := func(v any, err error) string {
		if err != nil {
			return fields(op) + " body: " + err.Error()
		}
		return fmt.Sprintf("%s body: %+v", fields(op), v)
	}
	switch op := op.(type) {
	case *PutObject:
		return describePayload(t, op.Body(src), fmt.Sprintf("%s headers %+v meta %+v tags %+v none %v match %q", op.Resource(), op.Headers, op.Meta, op.Tags, op.IfNoneMatch, op.IfMatch))
	case *UploadPart:
		return describePayload(t, op.Body(src), fmt.Sprintf("%s part %d of %s", op.Resource(), op.Number, op.UploadID))
	case *CompleteMultipartUpload:
		return with(op.Parts(src))
	case *PutObjectTagging:
		return with(op.Tags(src))
	case *CreateBucket:
		return with("fits", op.Check(src, "us-east-1"))
	case *DeleteObjects:
		keys, quiet, err := op.Keys(src)
		return with(fmt.Sprintf("%+v quiet %v", keys, quiet), err)
	}
	return fields(op)
}

func describePayload(t *testing.T, body *Body, what string) string {
	t.Helper()
	data, err := io.ReadAll(body)
	if err != nil {
		t.Fatalf("reading the payload of %s: %v", what, err)
	}
	s := body.Sums()
	return fmt.Sprintf("%s; %d bytes, sha256 %x; client %s %s trailer %v, sha256 known %v, crc64 %x",
		what, s.Size, sha256.Sum256(data), s.Client.Algorithm, s.Client.Base64(), s.Trailer, s.SHA256 != nil, s.CRC64NVME)
}
