// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"fmt"
	"strings"
	"testing"
)

const (
	sig        = "abababababababababababababababababababababababababababababababab"
	credential = "Credential=AKID/20261121/us-east-1/s3/aws4_request"
	sigV4      = "AWS4-HMAC-SHA256 " + credential + ", SignedHeaders=host;x-amz-date, Signature=" + sig
)

func TestAuthorization(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, value, code string }{
		{"as all SDKs send it", sigV4, ""},
		{"without spaces", strings.ReplaceAll(sigV4, ", ", ","), ""},
		{"another order", "AWS4-HMAC-SHA256 Signature=" + sig + ", " + credential + ", SignedHeaders=host", ""},
		{"access key with slashes", strings.Replace(sigV4, "AKID", "role/trainer", 1), ""},
		{"malformed: no signature", "AWS4-HMAC-SHA256 " + credential + ", SignedHeaders=host", "AuthorizationHeaderMalformed"},
		{"malformed: signature twice", sigV4 + ", Signature=" + sig, "AuthorizationHeaderMalformed"},
		{"malformed: credential twice", sigV4 + ", " + credential, "AuthorizationHeaderMalformed"},
		{"malformed: something else", sigV4 + ", Identity=admin", "AuthorizationHeaderMalformed"},
		{"malformed: trailing comma", sigV4 + ",", "AuthorizationHeaderMalformed"},
		{"malformed: short signature", sigV4[:len(sigV4)-1], "AuthorizationHeaderMalformed"},
		{"malformed: upper-case signature", strings.ToUpper(sigV4[:0]) + strings.Replace(sigV4, sig, strings.ToUpper(sig), 1), "AuthorizationHeaderMalformed"},
		{"malformed: no host", strings.Replace(sigV4, "host;", "", 1), "AuthorizationHeaderMalformed"},
		{"malformed: empty name", strings.Replace(sigV4, "host;", "host;;", 1), "AuthorizationHeaderMalformed"},
		{"malformed: upper-case name", strings.Replace(sigV4, "host;", "Host;host;", 1), "AuthorizationHeaderMalformed"},
		{"malformed: no access key", strings.Replace(sigV4, "AKID", "", 1), "AuthorizationHeaderMalformed"},
		{"malformed: bad date", strings.Replace(sigV4, "20261121", "2026-1-1", 1), "AuthorizationHeaderMalformed"},
		{"malformed: another service", strings.Replace(sigV4, "/s3/", "/iam/", 1), "AuthorizationHeaderMalformed"},
		{"malformed: no region", strings.Replace(sigV4, "us-east-1", "", 1), "AuthorizationHeaderMalformed"},
		{"malformed: a region of other letters", strings.Replace(sigV4, "us-east-1", "us!east", 1), "AuthorizationHeaderMalformed"},
		{"malformed: a long region", strings.Replace(sigV4, "us-east-1", strings.Repeat("r", maxRegion+1), 1), "AuthorizationHeaderMalformed"},
		{"malformed: a long credential", strings.Replace(sigV4, "AKID", strings.Repeat("A", maxCredential), 1), "AuthorizationHeaderMalformed"},
		{"malformed: names out of order", strings.Replace(sigV4, "host;x-amz-date", "x-amz-date;host", 1), "AuthorizationHeaderMalformed"},
		{"malformed: a name twice", strings.Replace(sigV4, "host;", "host;host;", 1), "AuthorizationHeaderMalformed"},
		{"malformed: scope cut off", strings.Replace(sigV4, "/aws4_request", "", 1), "AuthorizationHeaderMalformed"},
		{"nothing", "AWS4-HMAC-SHA256", "InvalidArgument"},
		{"malformed: too long", strings.Replace(sigV4, "AKID", strings.Repeat("A", maxAuthorization), 1), "AuthorizationHeaderMalformed"},
		{"version 2", "AWS AKID:c2lnbmF0dXJl", "InvalidRequest"},
		{"version 4a", strings.Replace(sigV4, "HMAC", "ECDSA-P256", 1), "InvalidRequest"},
		{"bearer", "Bearer token", "InvalidArgument"},
		{"basic", "Basic dTpw", "InvalidArgument"},
		{"empty", "", "InvalidArgument"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			header := "Authorization: " + c.value
			if c.code == "" {
				parsed[*GetObject](t, "GET /models/k", header)
				return
			}
			e := refused(t, c.code, "GET /models/k", header)
			if text := fmt.Sprint(e.Message, e.Extra); strings.Contains(strings.ReplaceAll(text, "YOUR-AKID", ""), "AKID") || strings.Contains(text, sig[:8]) || strings.Contains(text, "dTpw") {
				t.Errorf("the error shows the credential: %s", text)
			}
			// A 400 on HEAD makes some clients call themselves without end.
			_, err := Parse(ask(t, "HEAD /models/k", header), Options{})
			wantError(t, err, c.code, 403)
		})
	}
}

func TestSignedQueries(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, query, hint string }{
		{"version 2", "AWSAccessKeyId=AKID&Signature=c2ln&Expires=1", "s3v4"},
		{"version 2, signature alone", "Signature=c2ln", "s3v4"},
		{"version 4", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=" + sig, "X-Amz-"},
		{"version 4, lower case", "x-amz-signature=" + sig, "X-Amz-"},
		{"a token alone", "X-Amz-Security-Token=x", "X-Amz-"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, method := range []string{"GET", "PUT", "DELETE"} {
				e := refused(t, "InvalidRequest", method+" /models/k?"+c.query, "Content-Length: 0")
				if !strings.Contains(e.Message, c.hint) || strings.Contains(e.Message, sig) {
					t.Errorf("message %q, want the hint %q and no signature", e.Message, c.hint)
				}
			}
			_, err := Parse(ask(t, "HEAD /models/k?"+c.query), Options{})
			wantError(t, err, "InvalidRequest", 403)
		})
	}
}

// FuzzReadSignature: what is accepted holds each part once and nothing else.
func FuzzReadSignature(f *testing.F) {
	f.Add(strings.TrimPrefix(sigV4, "AWS4-HMAC-SHA256 "))
	f.Add("Signature=" + sig + "," + credential + ",SignedHeaders=host")
	f.Add(credential + ", SignedHeaders=host;host, Signature=" + sig + ", Signature=" + sig)
	f.Fuzz(func(t *testing.T, s string) {
		if new(Signed).readParts(s) != "" {
			return
		}
		parts := strings.Split(s, ",")
		if len(parts) != 3 || len(s) > maxAuthorization {
			t.Fatalf("%q was accepted with %d parts", s, len(parts))
		}
		for _, name := range []string{"Credential=", "SignedHeaders=", "Signature="} {
			n := 0
			for _, p := range parts {
				if strings.HasPrefix(strings.Trim(p, " "), name) {
					n++
				}
			}
			if n != 1 {
				t.Fatalf("%q was accepted with %d times %s", s, n, name)
			}
		}
	})
}
