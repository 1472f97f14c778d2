// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/minio/minio-go/v7/pkg/signer"
)

const formType = "Content-Type: application/x-www-form-urlencoded"

// webForm is a whole call with a token.
var webForm = "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Asealgate%3Aiam%3A%3A%3Arole%2Ftrainer&RoleSessionName=job-1&WebIdentityToken=" + jwt + "&DurationSeconds=900"

const jwt = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2VjcmV0LXNpZ25hdHVyZQ"

// call reads a call: its query, and its body as a form.
func call(tb testing.TB, rawQuery, body string, headers ...string) (*STSRequest, error) {
	tb.Helper()
	target := "POST /"
	if rawQuery != "" {
		target += "?" + rawQuery
	}
	if body != "" && len(headers) == 0 {
		headers = []string{formType}
	}
	return parsed[*STSCall](tb, append([]string{target, fmt.Sprintf("Content-Length: %d", len(body))}, headers...)...).Read(strings.NewReader(body))
}

func TestCallsOfTheTokenService(t *testing.T) {
	t.Parallel()
	got, err := call(t, "", webForm)
	want := STSRequest{Action: AssumeRoleWithWebIdentity, RoleARN: "arn:sealgate:iam:::role/trainer", SessionName: "job-1", WebIdentityToken: jwt, Duration: 15 * time.Minute}
	if err != nil {
		t.Fatal(err)
	}
	if got.digest != hexSum(webForm) {
		t.Errorf("digest of the body %s", got.digest)
	}
	got.digest = ""
	if *got != want {
		t.Errorf("read %#v", *got)
	}
	// As minio-go asks for a certificate's session: in the query, without a body.
	got, err = call(t, "Action=AssumeRoleWithCertificate&DurationSeconds=3600&Version=2011-06-15", "")
	if err != nil || got.Action != AssumeRoleWithCertificate || got.Duration != time.Hour || got.RoleARN != "" || got.digest != emptySHA256 {
		t.Errorf("read %+v, %v", got, err)
	}
	got, err = call(t, "", "Action=GetCallerIdentity&Version=2011-06-15", "Content-Type: application/x-www-form-urlencoded; charset=utf-8")
	if err != nil || got.Action != GetCallerIdentity || got.Duration != 0 {
		t.Errorf("read %+v, %v", got, err)
	}
	got, err = call(t, "", "Action=AssumeRoleWithCertificate&Version=2011-06-15&Policy="+url.QueryEscape(strings.Repeat("ä", maxPolicy))+"&RoleArn=arn:sealgate:iam:::role/trainer")
	if err != nil || len(got.Policy) != 2*maxPolicy {
		t.Errorf("a policy of full length: %v", err)
	}
}

func TestRefusedCalls(t *testing.T) {
	t.Parallel()
	cert := "Action=AssumeRoleWithCertificate&Version=2011-06-15"
	for _, c := range []struct {
		name, code, query, body string
		headers                 []string
	}{
		{"nothing", "MissingAction", "", "", nil},
		{"no action", "MissingAction", "", "Version=2011-06-15", nil},
		{"another action", "InvalidAction", "", "Action=AssumeRole&Version=2011-06-15", nil},
		{"an action in another case", "InvalidAction", "", "Action=assumerolewithcertificate&Version=2011-06-15", nil},
		{"no version", "InvalidAction", "", "Action=GetCallerIdentity", nil},
		{"another version", "InvalidAction", "", "Action=GetCallerIdentity&Version=2011-06-16", nil},
		{"a parameter twice", "ValidationError", "", webForm + "&WebIdentityToken=other", nil},
		{"a role twice", "ValidationError", "", cert + "&RoleArn=a&RoleArn=b", nil},
		{"a broken escape", "ValidationError", "", cert + "&RoleArn=%zz", nil},
		{"no UTF-8", "ValidationError", "", cert + "&RoleArn=%ff", nil},
		{"query and body", "ValidationError", "Action=GetCallerIdentity", "Version=2011-06-15", nil},
		{"a token in the query", "ValidationError", webForm, "", nil},
		{"a policy in the query", "ValidationError", cert + "&Policy=x", "", nil},
		{"JSON", "ValidationError", "", `{"Action":"GetCallerIdentity"}`, []string{"Content-Type: application/json"}},
		{"no type", "ValidationError", "", cert, []string{"x-amz-user-agent: x"}},
		{"a file upload", "ValidationError", "", cert, []string{"Content-Type: multipart/form-data; boundary=x"}},
		{"an empty token", "MissingParameter", "", strings.Replace(webForm, jwt, "", 1), nil},
		{"no token", "MissingParameter", "", strings.Replace(webForm, "&WebIdentityToken="+jwt, "", 1), nil},
		{"a token with a space", "InvalidIdentityToken", "", strings.Replace(webForm, jwt, "a+b.c.d", 1), nil},
		{"a token that is too long", "InvalidIdentityToken", "", strings.Replace(webForm, jwt, strings.Repeat("a", maxWebToken+1), 1), nil},
		{"a token for a certificate", "ValidationError", "", cert + "&WebIdentityToken=" + jwt, nil},
		{"managed policies", "ValidationError", "", cert + "&PolicyArns.member.1.arn=x", nil},
		{"session tags", "ValidationError", "", cert + "&Tags.member.1.Key=x", nil},
		{"a provider", "ValidationError", "", webForm + "&ProviderId=x", nil},
		{"a revocation type", "ValidationError", cert + "&TokenRevokeType=x", "", nil},
		{"parameters of GetCallerIdentity", "ValidationError", "", "Action=GetCallerIdentity&Version=2011-06-15&RoleArn=x", nil},
		{"too short", "ValidationError", "", cert + "&DurationSeconds=899", nil},
		{"too long", "ValidationError", "", cert + "&DurationSeconds=43201", nil},
		{"no number", "ValidationError", "", cert + "&DurationSeconds=1h", nil},
		{"a signed number", "ValidationError", "", cert + "&DurationSeconds=%2B900", nil},
		{"a name of one letter", "ValidationError", "", cert + "&RoleSessionName=a", nil},
		{"a name with a space", "ValidationError", "", cert + "&RoleSessionName=a+b", nil},
		{"a role with a line feed", "ValidationError", "", cert + "&RoleArn=a%0Ab", nil},
		{"a policy that is too long", "PackedPolicyTooLarge", "", cert + "&Policy=" + strings.Repeat("a", maxPolicy+1), nil},
		{"a body that is too long", "ValidationError", "", cert + "&RoleArn=" + strings.Repeat("a", MaxSTSBody), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := call(t, c.query, c.body, c.headers...)
			e := wantError(t, err, c.code, STSCodes[c.code].Status)
			for _, secret := range []string{jwt, "other", strings.Repeat("a", 100)} {
				if text := fmt.Sprint(e.Message, e.Extra, e.Err); strings.Contains(text, secret) {
					t.Errorf("the error shows what was sent: %.200s", text)
				}
			}
		})
	}
	_, err := parsed[*STSCall](t, "POST /", "Content-Length: 9", formType).Read(iotest.ErrReader(errors.New("reset")))
	wantError(t, err, "ValidationError", 400)
}

// A call is never read further than its bound.
func TestCallIsBounded(t *testing.T) {
	t.Parallel()
	src := &counter{}
	_, err := parsed[*STSCall](t, "POST /", "Transfer-Encoding: chunked", formType).Read(src)
	wantError(t, err, "ValidationError", 400)
	if src.n > 2*MaxSTSBody {
		t.Errorf("%d bytes were read", src.n)
	}
}

// counter yields the letter a without end.
type counter struct{ n int }

func (c *counter) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	c.n += len(p)
	return len(p), nil
}

// A signed call is verified over its body: one that says something else, or
// another digest, is refused.
func TestSignedCalls(t *testing.T) {
	t.Parallel()
	const body = "Action=GetCallerIdentity&Version=2011-06-15"
	sum := sha256.Sum256([]byte(body))
	send := func(digest string) (*http.Request, *Signed) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://localhost:9444/", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("X-Amz-Security-Token", "token")
		r.Header.Set("X-Amz-Content-Sha256", digest) // which minio-go signs, and takes out again
		r = received(t, signer.SignV4STS(*r, "SGSAKEY", exampleSecret, "us-east-1"))
		s, err := ReadSignature(r)
		if err != nil || s.Service != "sts" {
			t.Fatal(s, err)
		}
		return r, s
	}
	read := func(form string) *STSRequest {
		q, err := call(t, "", form)
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	r, s := send(hex.EncodeToString(sum[:]))
	if _, err := s.VerifyForm(r, read(body), []byte(exampleSecret), time.Now()); err != nil {
		t.Fatal(err)
	}
	_, err := s.VerifyForm(r, read("Version=2011-06-15&Action=GetCallerIdentity"), []byte(exampleSecret), time.Now())
	wantError(t, err, "SignatureDoesNotMatch", 403)
	_, err = s.VerifyForm(r, read(body), []byte(exampleSecret), time.Now().Add(time.Hour))
	wantError(t, err, "RequestTimeTooSkewed", 403)
	// It is no signature of an S3 request: nothing says which body was signed.
	_, err = s.Verify(r, []byte(exampleSecret), time.Now())
	wantError(t, err, "InvalidRequest", 400)
	r, s = send(emptySHA256)
	_, err = s.VerifyForm(r, read(body), []byte(exampleSecret), time.Now())
	wantError(t, err, "SignatureDoesNotMatch", 403)
	s.payload = emptySHA256
	_, err = s.VerifyForm(r, read(body), []byte(exampleSecret), time.Now())
	wantError(t, err, "XAmzContentSHA256Mismatch", 400)
}

func TestIsSTS(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		line string
		want bool
	}{
		{"POST /", true},
		{"POST /?Action=GetCallerIdentity", true},
		{"POST /?Action=a&Action=b", true},
		{"GET /", false},
		{"POST /models", false},
		{"POST /models/k?uploads", false},
	} {
		if got := IsSTS(ask(t, c.line, "Content-Length: 0"), Options{}); got != c.want {
			t.Errorf("%s: %t", c.line, got)
		}
	}
	r := ask(t, "POST /", "Content-Length: 0")
	for _, bad := range []string{"models.s3.acme.ai:x", "A_B.s3.acme.ai", ".s3.acme.ai"} {
		if r.Host = bad; IsSTS(r, Options{Domain: "s3.acme.ai"}) {
			t.Errorf("%s: a Host that is refused is taken for the token service", bad)
		}
	}
	if r.Host = "s3.acme.ai"; !IsSTS(r, Options{Domain: "s3.acme.ai"}) {
		t.Error("the domain itself is not taken for the token service")
	}
	r.Host = "models.s3.acme.ai"
	if IsSTS(r, Options{Domain: "s3.acme.ai"}) {
		t.Error("a bucket of the domain is taken for the token service")
	}
	if op, err := Parse(r, Options{Domain: "s3.acme.ai"}); err != nil || op.Action() != "PostObject" {
		t.Errorf("a form on a bucket of the domain: %v, %v", op, err)
	}
}

func TestSTSAnswers(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	WriteSession(w, AssumeRoleWithWebIdentity, Session{
		Credentials: Credentials{"SGSAKEY", exampleSecret, "token"}, Expires: exampleTime, ARN: "arn:x", ID: "id:job-1",
		Subject: "spiffe://acme.ai/a", Audience: "sealgate:1", Provider: "acme.ai",
	}, "01JD")
	want := xml.Header + `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>` +
		`<SubjectFromWebIdentityToken>spiffe://acme.ai/a</SubjectFromWebIdentityToken><Audience>sealgate:1</Audience>` +
		`<AssumedRoleUser><Arn>arn:x</Arn><AssumedRoleId>id:job-1</AssumedRoleId></AssumedRoleUser>` +
		`<Credentials><AccessKeyId>SGSAKEY</AccessKeyId><SecretAccessKey>` + exampleSecret + `</SecretAccessKey><SessionToken>token</SessionToken><Expiration>2013-05-24T00:00:00Z</Expiration></Credentials>` +
		`<Provider>acme.ai</Provider></AssumeRoleWithWebIdentityResult><ResponseMetadata><RequestId>01JD</RequestId></ResponseMetadata></AssumeRoleWithWebIdentityResponse>`
	if got := w.Body.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Content-Type") != "application/xml" || w.Header().Get("X-Amzn-Requestid") != "01JD" {
		t.Errorf("headers %v", w.Header())
	}
	w = httptest.NewRecorder()
	WriteCallerIdentity(w, CallerIdentity{"arn:a", "id", "acme"}, "01JD")
	want = xml.Header + `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Arn>arn:a</Arn><UserId>id</UserId><Account>acme</Account></GetCallerIdentityResult>` +
		`<ResponseMetadata><RequestId>01JD</RequestId></ResponseMetadata></GetCallerIdentityResponse>`
	if got := w.Body.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// An error of whatever part is one that the token service has.
func TestSTSErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err    *Error
		code   string
		status int
		kind   string
	}{
		{NewSTSError("InvalidIdentityToken", ""), "InvalidIdentityToken", 400, "Sender"},
		{NewSTSError("InternalFailure", ""), "InternalFailure", 500, "Receiver"},
		{AccessDenied("no"), "AccessDenied", 403, "Sender"},
		{NewError("RequestTimeTooSkewed", ""), "SignatureDoesNotMatch", 403, "Sender"},
		{NewError("SignatureDoesNotMatch", ""), "SignatureDoesNotMatch", 403, "Sender"},
		{NewError("AuthorizationHeaderMalformed", ""), "IncompleteSignature", 400, "Sender"},
		{NewError("InvalidAccessKeyId", ""), "InvalidClientTokenId", 403, "Sender"},
		{NewError("ExpiredToken", ""), "ExpiredToken", 403, "Sender"},
		{NewError("InvalidToken", ""), "InvalidClientTokenId", 403, "Sender"},
		{SlowDown("slow"), "Throttling", 400, "Sender"},
		{ServiceUnavailable("later"), "ServiceUnavailable", 503, "Receiver"},
		{InternalError(""), "InternalFailure", 500, "Receiver"},
		{NotImplemented("it"), "InternalFailure", 500, "Receiver"},
		{InvalidArgument("a", "b", "c"), "ValidationError", 400, "Sender"},
		{NoSuchBucket("b"), "ValidationError", 400, "Sender"},
	} {
		w := httptest.NewRecorder()
		WriteSTSError(w, c.err, "01JD")
		want := xml.Header + `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>` + c.kind + `</Type><Code>` + c.code + `</Code><Message>`
		if got := w.Body.String(); w.Code != c.status || !strings.HasPrefix(got, want) || !strings.HasSuffix(got, `</Message></Error><RequestId>01JD</RequestId></ErrorResponse>`) {
			t.Errorf("%s: %d %s", c.err.Code, w.Code, got)
		}
		if again := c.err.RetryAfter > 0; again != (w.Header().Get("Retry-After") != "") {
			t.Errorf("%s: Retry-After %q", c.err.Code, w.Header().Get("Retry-After"))
		}
	}
}

// S3.md, "STS", has the codes of the table and no others.
func TestSTSCodesAreDocumented(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("S3.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(doc), "## STS\n")
	section, _, _ = strings.Cut(section, "\n## ")
	seen := 0
	for _, row := range regexp.MustCompile(`(?m)^\| (\d{3}) \| (.*) \|$`).FindAllStringSubmatch(section, -1) {
		for _, code := range regexp.MustCompile("`([A-Za-z]+)`").FindAllStringSubmatch(row[2], -1) {
			seen++
			if fmt.Sprint(STSCodes[code[1]].Status) != row[1] {
				t.Errorf("S3.md says %s of %s, the table %d", row[1], code[1], STSCodes[code[1]].Status)
			}
		}
	}
	if !found || seen != len(STSCodes) {
		t.Errorf("S3.md has %d codes, the table %d", seen, len(STSCodes))
	}
	for _, code := range stsCodeOf {
		if _, ok := STSCodes[code]; !ok {
			t.Errorf("%s is no code of the token service", code)
		}
	}
}

// FuzzSTSForm: what is read holds only what was sent, once, and within its
// bounds; no error shows a value.
func FuzzSTSForm(f *testing.F) {
	f.Add(webForm)
	f.Add("Action=GetCallerIdentity&Version=2011-06-15")
	f.Add("Action=AssumeRoleWithCertificate&Version=2011-06-15&DurationSeconds=3600&RoleArn=%41&Policy=%7B%7D")
	f.Fuzz(func(t *testing.T, body string) {
		q, err := (&STSCall{typed: true}).Read(strings.NewReader(body))
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || STSCodes[e.Code].Status != e.Status {
				t.Fatalf("%v is no error of the token service", err)
			}
			return
		}
		form, err := url.ParseQuery(strings.ReplaceAll(body, ";", "%3B"))
		if err != nil {
			t.Fatalf("%q was read: %v", body, err)
		}
		for name, got := range map[string]string{"Action": q.Action, "RoleArn": q.RoleARN, "RoleSessionName": q.SessionName, "WebIdentityToken": string(q.WebIdentityToken), "Policy": q.Policy} {
			if values := form[name]; len(values) > 1 || form.Get(name) != got {
				t.Fatalf("%q: %s is read as %q", body, name, got)
			}
		}
		if q.Duration != 0 && (q.Duration < 15*time.Minute || q.Duration > 12*time.Hour) || len(body) > MaxSTSBody {
			t.Fatalf("%q is out of bounds", body)
		}
	})
}

var _ io.Reader = (*counter)(nil)
