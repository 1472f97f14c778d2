// SPDX-License-Identifier: Apache-2.0

package judges

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/sealgate/sealgate/gateway/s3api"
)

// A request that was right stays right, now with the token; one that was wrong in any
// part stays wrong.
func TestShim(t *testing.T) {
	t.Parallel()
	keys := aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret", SessionToken: "token"}
	var seen error
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, err := s3api.ReadSignature(r)
		if err == nil && string(s.Token) != keys.SessionToken {
			t.Errorf("%s: token %q", r.URL.Path, string(s.Token))
		}
		if err == nil {
			_, err = s.Verify(r, []byte(keys.SecretAccessKey), time.Now())
		}
		seen = err
	}))
	defer server.Close()
	to, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	shim := httptest.NewServer((&Shim{To: to, Via: http.DefaultTransport, Creds: keys}).Handler())
	defer shim.Close()

	ask := func(secret string, presigned bool, spoil func(*http.Request)) error {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, shim.URL+"/b/k%20x?x-id=PutObject", strings.NewReader("data"))
		if err != nil {
			t.Fatal(err)
		}
		creds := aws.Credentials{AccessKeyID: keys.AccessKeyID, SecretAccessKey: secret}
		if presigned {
			r.URL.RawQuery += "&X-Amz-Expires=60"
			uri, _, perr := v4.NewSigner(raw).PresignHTTP(t.Context(), creds, r, "UNSIGNED-PAYLOAD", "s3", "us-east-1", time.Now())
			if perr == nil {
				r.URL, perr = url.Parse(uri)
			}
			err = perr
		} else {
			r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
			err = v4.NewSigner(raw).SignHTTP(t.Context(), creds, r, "UNSIGNED-PAYLOAD", "s3", "us-east-1", time.Now())
		}
		if err != nil {
			t.Fatal(err)
		}
		if spoil != nil {
			spoil(r)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		return seen
	}
	for _, presigned := range []bool{false, true} {
		if err := ask(keys.SecretAccessKey, presigned, nil); err != nil {
			t.Errorf("presigned %v, right: %v", presigned, err)
		}
		if err := ask("another", presigned, nil); err == nil {
			t.Errorf("presigned %v: a wrong secret became right", presigned)
		}
		if err := ask(keys.SecretAccessKey, presigned, func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/b/other", "" }); err == nil {
			t.Errorf("presigned %v: another path became right", presigned)
		}
	}
	if err := ask(keys.SecretAccessKey, false, func(r *http.Request) { r.Header.Set("Authorization", "AWS4-HMAC-SHA256 x") }); err == nil {
		t.Error("a malformed header became right")
	}
	if err := ask(keys.SecretAccessKey, true, func(r *http.Request) { r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "HMAC-SHA256", "SHA256", 1) }); err == nil {
		t.Error("another algorithm became right")
	}
}

func TestShimChunks(t *testing.T) {
	t.Parallel()
	body := func(seed string, wrong bool) []byte {
		c := chain{key: []byte("k"), at: "now", scope: "scope", was: seed, is: seed}
		zero := strings.Repeat("0", 64)
		// What stands for a wrong signature is wrong; the chain tells the right one.
		var out bytes.Buffer
		for _, data := range []string{"hello", ""} {
			c.next("AWS4-HMAC-SHA256-PAYLOAD", "", emptySum+"\n", []byte(data))
			sig := c.is
			if wrong {
				sig = zero
			}
			out.WriteString(map[string]string{"hello": "5", "": "0"}[data] + ";chunk-signature=" + sig + "\r\n" + data)
			if data != "" {
				out.WriteString("\r\n")
			}
		}
		c.next("AWS4-HMAC-SHA256-TRAILER", "", "", []byte("x-amz-checksum-crc32:AA==\n"))
		out.WriteString("x-amz-checksum-crc32:AA==\r\nx-amz-trailer-signature:" + c.is + "\r\n\r\n")
		return out.Bytes()
	}
	fresh := func() *chain { return &chain{key: []byte("k"), at: "now", scope: "scope", was: "old", is: "new"} }
	if got, want := fresh().resign(body("old", false)), body("new", false); !bytes.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := fresh().resign(body("old", true)); !bytes.Contains(got, []byte(strings.Repeat("0", 64))) || bytes.Count(got, []byte("0;chunk")) != 1 {
		t.Errorf("a wrong signature was replaced: %q", got)
	}
	if torn := []byte("5;chunk-signature=zz\r\nhello"); !bytes.Equal(fresh().resign(torn), torn) {
		t.Error("a body that cannot be read was changed")
	}
}
