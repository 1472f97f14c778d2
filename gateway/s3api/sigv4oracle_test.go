// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/minio/minio-go/v7/pkg/s3utils"
	"github.com/minio/minio-go/v7/pkg/signer"
)

// received sends a request through net/http's own writer and reader, as a
// server gets it.
func received(tb testing.TB, r *http.Request) *http.Request {
	tb.Helper()
	var raw bytes.Buffer
	if err := r.Write(&raw); err != nil {
		tb.Fatal(err)
	}
	in, err := http.ReadRequest(bufio.NewReader(&raw))
	if err != nil {
		tb.Fatal(err)
	}
	return in
}

// randomRequest is a request that some client could send: any key, any query,
// any metadata.
func randomRequest(tb testing.TB, rnd *rand.Rand, names string) *http.Request {
	tb.Helper()
	method := []string{"GET", "HEAD", "PUT", "DELETE", "POST"}[rnd.IntN(5)]
	const base = "https://localhost:9444/models/"
	target := base + s3utils.EncodePath(randomText(rnd, "abcZ09-._~/ +%&=?#!*'();:@$,[]äß漢😀", 1+rnd.IntN(30)))
	var params []string
	for i := range rnd.IntN(5) {
		params = append(params, url.QueryEscape(fmt.Sprint(randomText(rnd, names, rnd.IntN(6)), i))+"="+url.QueryEscape(randomText(rnd, "ab~ +%&=é/*'", rnd.IntN(8))))
	}
	if rnd.IntN(3) == 0 {
		params = append(params, []string{"uploads", "acl", "versioning="}[rnd.IntN(3)])
	}
	if len(params) > 0 {
		target += "?" + strings.Join(params, "&")
	}
	var body io.Reader
	if method == "PUT" || method == "POST" {
		body = strings.NewReader(randomText(rnd, "abc", rnd.IntN(50)))
	}
	r, err := http.NewRequestWithContext(context.Background(), method, target, body)
	if err != nil {
		tb.Fatal(err)
	}
	for i := range rnd.IntN(4) {
		r.Header.Set(fmt.Sprintf("X-Amz-Meta-K%d", i), strings.Trim(randomText(rnd, "ab  -,;:=\"é", rnd.IntN(20)), " "))
	}
	for _, name := range []string{"Content-Type", "Range", "If-Match", "Accept-Encoding", "X-Custom"} {
		if rnd.IntN(3) == 0 {
			r.Header.Set(name, "text/plain; a=b")
		}
	}
	return r
}

func randomText(rnd *rand.Rand, letters string, n int) string {
	from := []rune(letters)
	out := make([]rune, n)
	for i := range out {
		out[i] = from[rnd.IntN(len(from))]
	}
	return string(out)
}

const anyNames = "abZ-. +%&=é/"

// payloads are what clients say of a body's digest.
var payloads = []string{"UNSIGNED-PAYLOAD", emptySHA256, "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"}

const oracleRounds = 400

// What the AWS SDK signs is verified, and under another secret it is not.
func TestSignedByTheSDK(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	sdk := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	for i := range oracleRounds {
		r := randomRequest(t, rnd, anyNames)
		payload := payloads[rnd.IntN(len(payloads))]
		r.Header.Set("X-Amz-Content-Sha256", payload)
		now := time.Unix(1_700_000_000+rnd.Int64N(1e9), 0).UTC()
		creds := aws.Credentials{AccessKeyID: "SGSA" + randomText(rnd, "ABC234", 16), SecretAccessKey: randomText(rnd, "abcDEF+/=", 40)}
		if rnd.IntN(2) == 0 {
			creds.SessionToken = randomText(rnd, "abcDEF+/=", 600)
		}
		if err := sdk.SignHTTP(context.Background(), creds, r, payload, "s3", "eu-central-1", now); err != nil {
			t.Fatal(err)
		}
		checkOracle(t, i, r, creds, now)
	}
}

// checkOracle verifies a request that another signer signed, and that one
// more letter in the secret is noticed.
func checkOracle(t *testing.T, round int, r *http.Request, creds aws.Credentials, now time.Time) {
	t.Helper()
	in := received(t, r)
	s, err := ReadSignature(in)
	if err != nil || s == nil {
		t.Fatalf("round %d: reading %s %s %v: %v", round, in.Method, in.RequestURI, in.Header, err)
	}
	if s.AccessKey != creds.AccessKeyID || string(s.Token) != creds.SessionToken {
		t.Fatalf("round %d: read %q and a token of %d bytes", round, s.AccessKey, len(s.Token))
	}
	if _, err := s.Verify(in, []byte(creds.SecretAccessKey), now.Add(3*time.Second)); err != nil {
		t.Fatalf("round %d: %s %s %v: %v", round, in.Method, in.RequestURI, in.Header, err)
	}
	_, err = s.Verify(in, []byte(creds.SecretAccessKey+"x"), now)
	wantError(t, err, "SignatureDoesNotMatch", 403)
}

func TestPresignedByTheSDK(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(3, 4))
	sdk := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	for i := range oracleRounds {
		r := randomRequest(t, rnd, anyNames)
		q := r.URL.Query()
		q.Set("X-Amz-Expires", fmt.Sprint(1+rnd.IntN(604800)))
		r.URL.RawQuery = q.Encode()
		now := time.Unix(1_700_000_000+rnd.Int64N(1e9), 0).UTC()
		creds := aws.Credentials{AccessKeyID: "SGSAKEY", SecretAccessKey: randomText(rnd, "abcDEF+/=", 40)}
		if rnd.IntN(2) == 0 {
			creds.SessionToken = randomText(rnd, "abcDEF+/=", 600)
		}
		signed, headers, err := sdk.PresignHTTP(context.Background(), creds, r, "UNSIGNED-PAYLOAD", "s3", "us-east-1", now)
		if err != nil {
			t.Fatal(err)
		}
		out, err := http.NewRequestWithContext(context.Background(), r.Method, signed, r.Body)
		if err != nil {
			t.Fatal(err)
		}
		out.ContentLength = r.ContentLength
		for name, values := range headers {
			if name != "Host" && name != "Content-Length" {
				out.Header[http.CanonicalHeaderKey(name)] = values
			}
		}
		checkOracle(t, i, out, creds, now)
	}
}

// minio-go signs with the time of the machine.
func TestSignedByMinio(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(5, 6))
	for i := range oracleRounds {
		r := randomRequest(t, rnd, "abZ-.") // minio-go sorts names before it encodes them
		creds := aws.Credentials{AccessKeyID: "SGSAKEY", SecretAccessKey: randomText(rnd, "abcDEF+/=", 40), SessionToken: randomText(rnd, "abc/+=", 1+rnd.IntN(300))}
		if i%2 == 0 {
			r.Header.Set("X-Amz-Content-Sha256", payloads[rnd.IntN(len(payloads))])
			r = signer.SignV4(*r, creds.AccessKeyID, creds.SecretAccessKey, creds.SessionToken, "us-east-1")
		} else {
			r = signer.PreSignV4(*r, creds.AccessKeyID, creds.SecretAccessKey, creds.SessionToken, "us-east-1", 600)
		}
		checkOracle(t, i, r, creds, time.Now())
	}
}

// What we sign is what the AWS SDK signs, to the byte.
func TestWeSignAsTheSDKDoes(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(7, 8))
	sdk := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping, o.DisableHeaderHoisting = true, true })
	for i := range oracleRounds {
		r := randomRequest(t, rnd, anyNames)
		for _, name := range []string{"Accept-Encoding", "X-Custom", "Content-Type", "Range", "If-Match"} {
			r.Header.Del(name) // each signer has its own mind on what else to sign
		}
		r.Body, r.ContentLength = http.NoBody, 0
		now := time.Unix(1_700_000_000+rnd.Int64N(1e9), 0).UTC()
		c := Credentials{AccessKey: "SGSAKEY", Secret: Secret(randomText(rnd, "abcDEF+/=", 40)), Token: Secret(randomText(rnd, "abc/+=", rnd.IntN(2)*100))}
		creds := aws.Credentials{AccessKeyID: c.AccessKey, SecretAccessKey: string(c.Secret), SessionToken: string(c.Token)}
		if i%2 == 0 {
			theirs := r.Clone(context.Background())
			theirs.Header.Set("X-Amz-Content-Sha256", emptySHA256)
			if err := sdk.SignHTTP(context.Background(), creds, theirs, emptySHA256, "s3", "us-east-1", now); err != nil {
				t.Fatal(err)
			}
			if err := SignHeader(r, c, "us-east-1", emptySHA256, now); err != nil {
				t.Fatal(err)
			}
			if got, want := r.Header.Get("Authorization"), theirs.Header.Get("Authorization"); got != want {
				t.Fatalf("round %d: %s %s\n%s\n%s", i, r.Method, r.URL, got, want)
			}
			continue
		}
		got, err := Presign(r.Method, r.URL, r.Header, c, "us-east-1", now, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		q := r.URL.Query()
		q.Set("X-Amz-Expires", "60")
		r.URL.RawQuery = q.Encode()
		want, _, err := sdk.PresignHTTP(context.Background(), creds, r, "UNSIGNED-PAYLOAD", "s3", "us-east-1", now)
		if err != nil {
			t.Fatal(err)
		}
		if a, b := got.Query().Get("X-Amz-Signature"), mustQuery(t, want).Get("X-Amz-Signature"); a != b || a == "" {
			t.Fatalf("round %d: %s\n%s\n%s", i, r.Method, got, want)
		}
	}
}

func mustQuery(tb testing.TB, raw string) url.Values {
	tb.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		tb.Fatal(err)
	}
	return u.Query()
}

// minioHash is the hash that minio-go's streaming signer asks for.
type minioHash struct{ hash.Hash }

func (minioHash) Close() {}

// Chunked uploads that minio-go signs, with and without a trailer, are
// verified whatever their size.
func TestChunkedByMinio(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 65535, 65536, 65537, 200_000} {
		for _, trailing := range []bool{false, true} {
			if trailing && size == 0 {
				continue // minio-go sends no chunk then
			}
			t.Run(fmt.Sprintf("%d %t", size, trailing), func(t *testing.T) {
				t.Parallel()
				data := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
				r, err := http.NewRequestWithContext(context.Background(), http.MethodPut, "http://localhost:9444/models/k", bytes.NewReader(data))
				if err != nil {
					t.Fatal(err)
				}
				if trailing {
					r.Trailer = http.Header{"X-Amz-Checksum-Sha256": {sumsOf(string(data))["x-amz-checksum-sha256"]}}
				}
				now := time.Now().UTC()
				r = signer.StreamingSignV4(r, "SGSAKEY", exampleSecret, "", "us-east-1", int64(size), now, minioHash{sha256.New()})
				in := received(t, r)
				in.Trailer = nil
				v, err := verified(in, now)
				if err != nil {
					t.Fatal(err)
				}
				op, err := Parse(in, Options{Listener: SessionKeys})
				if err != nil {
					t.Fatal(err)
				}
				raw, err := io.ReadAll(in.Body)
				if err != nil {
					t.Fatal(err)
				}
				put, ok := op.(*PutObject)
				if !ok {
					t.Fatalf("the request is %T", op)
				}
				put.UseSignature(v)
				if got, _, err := readAll(t, put, string(raw)); err != nil || got != string(data) {
					t.Fatalf("read %d bytes, %v", len(got), err)
				}
			})
		}
	}
}
