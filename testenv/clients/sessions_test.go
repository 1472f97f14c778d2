// SPDX-License-Identifier: Apache-2.0

package clients

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/sealgate/sealgate/certs/certstest"
	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/testenv/gate"
	"github.com/sealgate/sealgate/testenv/servers"
)

const ciPolicy = `version: 1
trust_domain: test.sealgate
trust_domains: [ci.test]
identities:
  ci: spiffe://ci.test/ns/{ns}/sa/*
  writer: spiffe://test.sealgate/writer
roles:
  ci:
    who: [ci]
    can:
      - {do: [read, list, write, delete], paths: ["models/{ns}/**"]}
  writer:
    who: [writer]
    can:
      - {do: [read, list, write, delete], paths: ["models/**"]}
`

// sessionGate is a gateway with the listener for session keys, and the file of
// a token of an issuer that it knows.
func sessionGate(t *testing.T) (g *gate.Gate, endpoint, tokenFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "ci"}}})
	if err != nil {
		t.Fatal(err)
	}
	keys, tokenFile := filepath.Join(dir, "jwks.json"), filepath.Join(dir, "token")
	if err := os.WriteFile(keys, set, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(tokenFile, []byte(ciToken(t, key)), 0o600); err != nil {
		t.Fatal(err)
	}
	g = gate.Start(t, gate.Options{Policy: ciPolicy, Config: map[string]string{
		"listeners": `{s3_mtls: {address: "127.0.0.1:0"}, s3_session_keys: {enabled: true, address: "127.0.0.1:0"}, metrics: {address: "127.0.0.1:0"}}`,
		"sts":       `{issuers: [{url: "https://ci.test", audience: sealgate, id: "spiffe://ci.test/ns/{claim.ns}/sa/{claim.sa}", keys_file: ` + keys + `}]}`,
	}})
	m := regexp.MustCompile(`sessions (https://localhost:\d+)`).FindStringSubmatch(g.Banner)
	if m == nil {
		t.Fatalf("no listener for session keys: %s", g.Banner)
	}
	return g, m[1], tokenFile
}

func ciToken(t *testing.T, key *ecdsa.PrivateKey) string {
	t.Helper()
	now := time.Now()
	payload, err := json.Marshal(map[string]any{
		"iss": "https://ci.test", "sub": "job-7", "aud": "sealgate", "ns": "ci", "sa": "train", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	})
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "ci"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	object, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := object.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// TestBoto3WithoutCertificate: an unmodified job, its keys from web identity.
func TestBoto3WithoutCertificate(t *testing.T) {
	t.Parallel()
	g, endpoint, token := sessionGate(t)
	script, err := filepath.Abs("boto3_sessions.py")
	if err != nil {
		t.Fatal(err)
	}
	out := run(t, []string{
		"AWS_ENDPOINT_URL_STS=" + endpoint, "AWS_ENDPOINT_URL_S3=" + endpoint, "AWS_CA_BUNDLE=" + g.PEM(t, "/writer") + "/bundle.pem",
		"AWS_WEB_IDENTITY_TOKEN_FILE=" + token, "AWS_ROLE_ARN=arn:sealgate:iam:::role/ci", "AWS_ROLE_SESSION_NAME=train", "AWS_DEFAULT_REGION=us-east-1",
	}, servers.Python(t), script, "spiffe://ci.test/ns/ci/sa/train")
	if !strings.HasSuffix(strings.TrimSpace(string(out)), "story told") {
		t.Errorf("the script did not come to its end: %s", out)
	}
	sealed(t, g)
	secrets := regexp.MustCompile(`X-Amz-Signature=[0-9a-f]|X-Amz-Security-Token=[A-Za-z0-9]`)
	if found := secrets.FindString(g.Log()); found != "" {
		t.Errorf("the log holds %s...", found)
	}
}

// TestMinioGoWithSessionKeys signs what it streams, chunk by chunk.
func TestMinioGoWithSessionKeys(t *testing.T) {
	t.Parallel()
	g, endpoint, token := sessionGate(t)
	roots := g.TLS(t, g.CA.SVID(t, "/writer", certstest.Options{})).RootCAs
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}, DisableCompression: true}
	defer tr.CloseIdleConnections()
	creds := credentials.New(&credentials.STSWebIdentity{
		Client: &http.Client{Transport: tr}, STSEndpoint: endpoint, RoleARN: "arn:sealgate:iam:::role/ci",
		GetWebIDTokenExpiry: func() (*credentials.WebIdentityToken, error) {
			raw, err := os.ReadFile(token)
			return &credentials.WebIdentityToken{Token: string(raw), Expiry: 3600}, err
		},
	})
	c, err := minio.New(strings.TrimPrefix(endpoint, "https://"), &minio.Options{Creds: creds, Secure: true, Transport: tr, Region: "us-east-1", TrailingHeaders: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	for _, size := range []int{0, 1, 65537, 1<<20 + 3, 17 << 20} {
		data := make([]byte, size)
		_, _ = rand.Read(data) // never fails
		key := "ci/minio/" + strings.Repeat("ä+", 3) + ".bin"
		if _, err := c.PutObject(ctx, "models", key, bytes.NewReader(data), int64(size), minio.PutObjectOptions{PartSize: 5 << 20, Checksum: minio.ChecksumCRC32C}); err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		o, err := c.GetObject(ctx, "models", key, minio.GetObjectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		back, err := io.ReadAll(o)
		if err != nil || !bytes.Equal(back, data) {
			t.Fatalf("%d bytes came back as %d: %v", size, len(back), err)
		}
	}
	if _, err := c.StatObject(ctx, "models", "other/x", minio.StatObjectOptions{}); minio.ToErrorResponse(err).StatusCode != http.StatusForbidden {
		t.Errorf("outside of what it may: %v", err)
	}
	u, err := c.PresignedGetObject(ctx, "models", "ci/minio/"+strings.Repeat("ä+", 3)+".bin", time.Minute, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := (&http.Client{Transport: tr}).Get(u.String())
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if n, err := io.Copy(io.Discard, res.Body); err != nil || n != 17<<20 || res.StatusCode != http.StatusOK {
		t.Errorf("presigned: %s, %d bytes, %v", res.Status, n, err)
	}
	if mints := g.Records(t, audit.SearchQuery{Event: "session.mint"}); len(mints) == 0 || mints[0].Session == "" || mints[0].Actor != "spiffe://ci.test/ns/ci/sa/train" {
		t.Errorf("sessions on the record: %+v", mints)
	}
	sealed(t, g)
}
