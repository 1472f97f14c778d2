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
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write testdata/requests/want.txt")

// TestCapturedRequests reads what real clients sent, byte for byte, and holds
// every field of the operation and of the payload against want.txt. The files
// are named CLIENT_WHAT: boto3 1.43.11, aws-cli 1.45.11, rclone 1.60.1,
// minio-go 7.4.1, aws-sdk-go-v2 1.45.1, curl 7.88.1; those of s5cmd follow
// what its SDK sends.
func TestCapturedRequests(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/requests/*.http")
	if err != nil || len(files) < 60 {
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
	put, ok := op.(*PutObject)
	if !ok {
		none := fmt.Sprintf("%+v", Conditions{})
		return strings.ReplaceAll(fmt.Sprintf("%s %+v", op.Action(), op), none, "none")
	}
	body := put.Body(r.Body)
	data, err := io.ReadAll(body)
	if err != nil {
		t.Fatalf("reading the payload of %s: %v", r.RequestURI, err)
	}
	if left, _ := io.ReadAll(src); len(left) != 0 {
		t.Errorf("%s leaves %q on the connection", r.RequestURI, left)
	}
	s := body.Sums()
	return fmt.Sprintf("PutObject %s %d bytes, sha256 %x; headers %+v meta %+v none %v match %q; client %s %s trailer %v, sha256 known %v, crc64 %x",
		put.Resource(), s.Size, sha256.Sum256(data), put.Headers, put.Meta, put.IfNoneMatch, put.IfMatch,
		s.Client.Algorithm, s.Client.Base64(), s.Trailer, s.SHA256 != nil, s.CRC64NVME)
}
