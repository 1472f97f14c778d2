// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"crypto/fips140"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The digests that FIPS 140-3 has no place for, with known answers ("abc").
// The test runs a second time below, in a process that enforces FIPS.
func TestLegacyDigests(t *testing.T) {
	t.Parallel()
	if os.Getenv("S3API_TEST_FIPS") != "" && !fips140.Enforced() {
		t.Fatal("this process does not enforce FIPS 140-3")
	}
	op := parsed[*PutObject](t, "PUT /models/k", "Content-Length: 3",
		"Content-MD5: kAFQmDzST7DWlj99KOF/cg==", "x-amz-checksum-sha1: qZk+NkcGgWq6PiVxeFDCbJzQ2J0=")
	for raw, want := range map[string]string{"abc": "", "abd": "BadDigest"} {
		b := op.Body(strings.NewReader(raw))
		if _, err := io.ReadAll(b); want == "" && err != nil || want != "" && err == nil {
			t.Errorf("%q: %v, want %q", raw, err, want)
		}
	}
}

func TestLegacyDigestsUnderFIPS(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestLegacyDigests$", "-test.v")
	cmd.Env = append(os.Environ(), "GODEBUG=fips140=only", "S3API_TEST_FIPS=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestLegacyDigests ") {
		t.Errorf("under GODEBUG=fips140=only: %v\n%s", err, out)
	}
}

// No sum is computed that nobody asked for, and none twice.
func TestDigestsThatAreComputed(t *testing.T) {
	t.Parallel()
	right := sumsOf("")
	for want, names := range map[int][]string{
		1: {"x-amz-checksum-crc64nvme"},
		2: {"x-amz-checksum-sha256", "x-amz-content-sha256"},
		4: {"x-amz-checksum-crc32c", "x-amz-content-sha256", "content-md5"},
	} {
		lines := []string{"PUT /models/k", "Content-Length: 0"}
		for _, n := range names {
			lines = append(lines, n+": "+right[n])
		}
		if d := newDigests(parsed[*PutObject](t, lines...).payload); len(d.all) != want {
			t.Errorf("%v: %d sums are computed, want %d", names, len(d.all), want)
		}
	}
}

// zeros is an endless payload.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// benchmarkBody measures decoding alone, in reads of 64 KiB.
func benchmarkBody(b *testing.B, frame string, headers ...string) {
	b.Helper()
	const size = 64 << 20
	lines := append([]string{"PUT /models/k"}, headers...)
	buf := make([]byte, 64<<10)
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		op := parsed[*PutObject](b, lines...)
		src := io.LimitReader(zeros{}, size)
		if frame != "" {
			src = io.MultiReader(strings.NewReader(fmt.Sprintf("%x\r\n", size)), src, strings.NewReader(frame))
		}
		if n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{op.Body(src)}, buf); n != size || err != nil {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkPlainBody(b *testing.B) { benchmarkBody(b, "", "Content-Length: 67108864") }

func BenchmarkChunkedBodyCRC32(b *testing.B) {
	benchmarkBody(b, "\r\n0\r\nx-amz-checksum-crc32:susw7Q==\r\n\r\n", "Transfer-Encoding: chunked", "x-amz-decoded-content-length: 67108864",
		"x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x-amz-trailer: x-amz-checksum-crc32")
}

func BenchmarkParse(b *testing.B) {
	r := ask(b, "GET /models/fraud/prod/v7.safetensors", "Range: bytes=8388608-16777215", "If-Match: \"abc-1\"", "Authorization: "+sigV4,
		"x-amz-content-sha256: UNSIGNED-PAYLOAD", "x-amz-date: 20261121T095137Z", "User-Agent: x", "x-amz-checksum-mode: ENABLED")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(r, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
