// SPDX-License-Identifier: Apache-2.0

package s3api_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/sealgate/sealgate/gateway/s3api"
	"github.com/sealgate/sealgate/testenv/servers"
)

const (
	clientSecret = "c2VjcmV0IG9mIHRoZSBzZXNzaW9u"
	clientToken  = "dG9rZW4gb2YgdGhlIHNlc3Npb24="
	clientKey    = "SGSAABCDEFGHIJKLMNOP"
)

// tokenService answers as the gateway does, without one: it checks what it is
// asked, verifies signed calls, and hands out the same session each time.
func tokenService(w http.ResponseWriter, r *http.Request) {
	err := answerCall(w, r)
	var e *s3api.Error
	if errors.As(err, &e) {
		s3api.WriteSTSError(w, e, "01JDREQUEST")
	}
}

func answerCall(w http.ResponseWriter, r *http.Request) error {
	if !s3api.IsSTS(r, s3api.Options{}) {
		return s3api.AccessDenied("no call of the token service")
	}
	op, err := s3api.Parse(r, s3api.Options{Listener: s3api.SessionKeys})
	if err != nil {
		return err
	}
	q, err := op.(*s3api.STSCall).Read(r.Body) //nolint:forcetypeassert // IsSTS said so
	if err != nil {
		return err
	}
	switch {
	case q.Action == s3api.GetCallerIdentity:
		s, err := s3api.ReadSignature(r)
		if err != nil {
			return err
		}
		if s == nil {
			return s3api.NewSTSError("MissingAuthenticationToken", "")
		}
		if s.AccessKey != clientKey || string(s.Token) != clientToken {
			return s3api.NewSTSError("InvalidClientTokenId", "")
		}
		if _, err := s.VerifyForm(r, q, []byte(clientSecret), time.Now()); err != nil {
			return err
		}
		s3api.WriteCallerIdentity(w, s3api.CallerIdentity{ARN: "arn:sealgate:sts:::assumed-role/trainer/job", UserID: "spiffe://acme.ai/job", Account: "acme.ai"}, "01JDREQUEST")
		return nil
	case q.Action == s3api.AssumeRoleWithWebIdentity && string(q.WebIdentityToken) != "aaaa.bbbb.cccc":
		return s3api.NewSTSError("InvalidIdentityToken", "the token is signed by nobody we know")
	}
	s3api.WriteSession(w, q.Action, s3api.Session{
		Credentials: s3api.Credentials{AccessKey: clientKey, Secret: clientSecret, Token: clientToken},
		Expires:     time.Now().Add(time.Hour), ARN: "arn:sealgate:sts:::assumed-role/trainer/job", ID: "spiffe://acme.ai/job:job",
		Subject: "spiffe://acme.ai/job", Audience: "sealgate:1", Provider: "acme.ai",
	}, "01JDREQUEST")
	return nil
}

// The AWS SDK for Go gets a session for a token, signs with it, and reads the
// codes of errors.
func TestTokenServiceWithTheGoSDK(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(tokenService))
	t.Cleanup(srv.Close)
	client := sts.New(sts.Options{Region: "us-east-1", BaseEndpoint: aws.String(srv.URL), RetryMaxAttempts: 1})
	ask := &sts.AssumeRoleWithWebIdentityInput{
		RoleArn: aws.String("arn:sealgate:iam:::role/trainer"), RoleSessionName: aws.String("job"),
		WebIdentityToken: aws.String("aaaa.bbbb.cccc"), DurationSeconds: aws.Int32(900),
	}
	out, err := client.AssumeRoleWithWebIdentity(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	c := out.Credentials
	if aws.ToString(c.AccessKeyId) != clientKey || aws.ToString(c.SecretAccessKey) != clientSecret || aws.ToString(c.SessionToken) != clientToken || time.Until(aws.ToTime(c.Expiration)) < 50*time.Minute {
		t.Errorf("credentials of %s until %s", aws.ToString(c.AccessKeyId), aws.ToTime(c.Expiration))
	}
	if aws.ToString(out.SubjectFromWebIdentityToken) != "spiffe://acme.ai/job" || aws.ToString(out.AssumedRoleUser.Arn) != "arn:sealgate:sts:::assumed-role/trainer/job" || aws.ToString(out.Provider) != "acme.ai" || aws.ToString(out.Audience) != "sealgate:1" {
		t.Errorf("got %+v", out)
	}
	ask.WebIdentityToken = aws.String("xxxx.yyyy.zzzz")
	_, err = client.AssumeRoleWithWebIdentity(t.Context(), ask)
	wantCode(t, err, "InvalidIdentityToken")
	if !strings.Contains(err.Error(), "01JDREQUEST") {
		t.Errorf("the error does not name the request: %v", err)
	}

	for secret, code := range map[string]string{clientSecret: "", "another secret": "SignatureDoesNotMatch"} {
		signing := sts.New(sts.Options{Region: "eu-west-1", BaseEndpoint: aws.String(srv.URL), RetryMaxAttempts: 1, Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: clientKey, SecretAccessKey: secret, SessionToken: clientToken}, nil
		})})
		who, err := signing.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
		if code != "" {
			wantCode(t, err, code)
			continue
		}
		if err != nil || aws.ToString(who.UserId) != "spiffe://acme.ai/job" || aws.ToString(who.Account) != "acme.ai" {
			t.Errorf("got %+v, %v", who, err)
		}
	}
}

func wantCode(tb testing.TB, err error, code string) {
	tb.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != code {
		tb.Fatalf("got %v, want %s", err, code)
	}
}

// minio-go gets a session for its certificate, in its own way of asking.
func TestTokenServiceWithMinioGo(t *testing.T) {
	t.Parallel()
	srv := httptest.NewTLSServer(http.HandlerFunc(tokenService))
	t.Cleanup(srv.Close)
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := credentials.NewSTSCertificateIdentity(srv.URL, srv.TLS.Certificates[0], func(i *credentials.STSCertificateIdentity) {
		i.Client = &http.Client{Transport: transport}
	})
	if err != nil {
		t.Fatal(err)
	}
	v, err := c.GetWithContext(nil)
	if err != nil || v.AccessKeyID != clientKey || v.SecretAccessKey != clientSecret || v.SessionToken != clientToken {
		t.Errorf("got %q, %v", v.AccessKeyID, err)
	}
	web, err := credentials.NewSTSWebIdentity(srv.URL, func() (*credentials.WebIdentityToken, error) {
		return &credentials.WebIdentityToken{Token: "aaaa.bbbb.cccc", Expiry: 3600}, nil
	}, func(i *credentials.STSWebIdentity) { i.Client = &http.Client{Transport: transport} })
	if err != nil {
		t.Fatal(err)
	}
	if v, err = web.GetWithContext(nil); err != nil || v.AccessKeyID != clientKey || v.SessionToken != clientToken {
		t.Errorf("got %q, %v", v.AccessKeyID, err)
	}
}

// boto3 gets a session for a token, signs with it, and reads the codes of
// errors.
func TestTokenServiceWithBoto3(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(tokenService))
	t.Cleanup(srv.Close)
	cmd := exec.CommandContext(t.Context(), servers.Python(t), filepath.Join("testdata", "sts.py"), srv.URL, clientKey, clientSecret, clientToken)
	cmd.Env = []string{"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true", "HOME=" + t.TempDir()}
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("boto3 is content")) {
		t.Errorf("%v\n%s", err, out)
	}
}
