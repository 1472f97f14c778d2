// SPDX-License-Identifier: Apache-2.0

package stories

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"

	"github.com/sealgate/sealgate/certs/certstest"
	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/s3api"
	"github.com/sealgate/sealgate/testenv/gate"
	"github.com/sealgate/sealgate/testenv/servers"
)

const withSessions = `{s3_mtls: {address: "127.0.0.1:0"}, s3_session_keys: {enabled: true, address: "127.0.0.1:0"}, metrics: {address: "127.0.0.1:0"}}`

// A session of a certificate ends with it. What runs then may go on for
// max_overrun, and is cut after that, with its record.
func TestSessionEndsMidTransfer(t *testing.T) {
	t.Parallel()
	g := gate.Start(t, gate.Options{Overrun: "1s", Config: map[string]string{"listeners": withSessions}})
	big := randomBytes(48 << 20)
	a := g.Do(t, g.Client(t, "/writer"), http.MethodPut, "/models/big", strings.NewReader(string(big)), int64(len(big)), nil)
	if a.Status != http.StatusOK {
		t.Fatalf("putting: %d %s", a.Status, a.Body)
	}
	ends := time.Now().Add(10 * time.Second).Truncate(time.Second)
	c := sessionOf(t, g, g.ClientWith(t, g.CA.SVID(t, "/writer", certstest.Options{NotAfter: ends})))
	tr := &http.Transport{TLSClientConfig: g.TLS(t, nil), DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.Sessions+"/models/big", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if err := s3api.SignHeader(r, c, "us-east-1", "UNSIGNED-PAYLOAD", time.Now()); err != nil {
		t.Fatal(err)
	}
	resp, err := tr.RoundTrip(r)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("beginning: %v, %+v", err, resp)
	}
	defer resp.Body.Close()
	// The client reads nothing more, so the transfer cannot end before.
	var cut audit.Record
	eventually(t, "the transfer is cut", func() error {
		for _, rec := range g.Records(t, audit.SearchQuery{}) {
			if rec.Phase == audit.PhaseOutcome && rec.Abort != "" {
				cut = rec
				return nil
			}
		}
		return fmt.Errorf("no outcome yet; the session ends at %s", ends)
	})
	if cut.Abort != audit.AbortSession || time.Now().Before(ends.Add(time.Second)) {
		t.Errorf("cut as %q at %s, want %q after %s and a second", cut.Abort, time.Now(), audit.AbortSession, ends)
	}
	if n, err := io.Copy(io.Discard, resp.Body); err == nil || n >= int64(len(big)) {
		t.Errorf("read %d bytes and %v, want a broken answer", n, err)
	}
	intents := g.Records(t, audit.SearchQuery{Event: "artifact.read"})
	if len(intents) == 0 || intents[0].Session != c.AccessKey {
		t.Errorf("the intent: %+v", intents)
	}
}

// sessionOf has keys in the name of a certificate.
func sessionOf(t *testing.T, g *gate.Gate, client *http.Client) s3api.Credentials {
	t.Helper()
	form := url.Values{"Action": {"AssumeRoleWithCertificate"}, "Version": {"2011-06-15"}}.Encode()
	a := g.Do(t, client, http.MethodPost, "/", strings.NewReader(form), int64(len(form)), http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
	var got struct {
		AccessKeyID     string `xml:"AssumeRoleWithCertificateResult>Credentials>AccessKeyId"`
		SecretAccessKey string `xml:"AssumeRoleWithCertificateResult>Credentials>SecretAccessKey"`
		SessionToken    string `xml:"AssumeRoleWithCertificateResult>Credentials>SessionToken"`
	}
	if err := xml.Unmarshal(a.Body, &got); err != nil || a.Status != http.StatusOK {
		t.Fatalf("a session: %d %s", a.Status, a.Body)
	}
	return s3api.Credentials{AccessKey: got.AccessKeyID, Secret: s3api.Secret(got.SecretAccessKey), Token: s3api.Secret(got.SessionToken)}
}

// An unmodified boto3 job with a JWT-SVID of the built-in authority: session
// keys by web identity, for everything and for one prefix.
func TestAuthorityTokenBoto3(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "sgt-") // has room for a socket's name
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // temporary in any case
	g := gate.Start(t, gate.Options{Dir: dir, Config: map[string]string{"listeners": withSessions, "identity": "{source: authority}"}})
	if r := g.CLI(t, "certs", "entries", "add", "spiffe://test.sealgate/writer", "--uid", fmt.Sprint(os.Getuid())); r.Code != 0 {
		t.Fatalf("registering: %s", r.Stderr)
	}
	m := regexp.MustCompile(`audience (sealgate:[0-9a-f]{32})`).FindStringSubmatch(g.Banner)
	if m == nil {
		t.Fatalf("the first lines name no audience: %s", g.Banner)
	}
	socket := workloadapi.WithAddr("unix://" + filepath.Join(dir, "run", "workload.sock"))
	token, err := workloadapi.FetchJWTSVID(t.Context(), jwtsvid.Params{Audience: m[1]}, socket)
	if err != nil {
		t.Fatal(err)
	}
	bundles, err := workloadapi.FetchX509Bundles(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := bundles.GetX509BundleForTrustDomain(token.ID.TrustDomain())
	if err != nil {
		t.Fatal(err)
	}
	roots, err := bundle.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	w := &agentWorld{gate: g, dir: t.TempDir()}
	save(t, filepath.Join(w.dir, "roots.pem"), roots)
	save(t, filepath.Join(w.dir, "token"), []byte(token.Marshal()))
	script, err := filepath.Abs("session_story.py")
	if err != nil {
		t.Fatal(err)
	}
	w.env = append(servers.Env(t), "AWS_ENDPOINT_URL_STS="+g.Sessions, "AWS_ENDPOINT_URL_S3="+g.Sessions, "AWS_CA_BUNDLE="+filepath.Join(w.dir, "roots.pem"),
		"AWS_WEB_IDENTITY_TOKEN_FILE="+filepath.Join(w.dir, "token"), "AWS_ROLE_ARN=arn:sealgate:iam:::role/*", "AWS_DEFAULT_REGION=us-east-1", "AWS_EC2_METADATA_DISABLED=true")
	if out, code := w.try(t, servers.Python(t), script, "spiffe://test.sealgate/writer"); code != 0 || out != "all as expected\n" {
		t.Errorf("%d %s", code, out)
	}
	mints := g.Records(t, audit.SearchQuery{Event: "session.mint"})
	if len(mints) < 2 || mints[0].Actor != "spiffe://test.sealgate/writer" || mints[0].Session == "" {
		t.Errorf("sessions on the record: %+v", mints)
	}
	if strings.Contains(g.Log(), token.Marshal()) {
		t.Error("the log holds the token")
	}
	// The token of one deployment is none of another's.
	save(t, filepath.Join(w.dir, "token"), []byte(tokenFor(t, socket, "sealgate:"+strings.Repeat("0", 32))))
	if out, code := w.try(t, servers.Python(t), script, "spiffe://test.sealgate/writer"); code == 0 || !strings.Contains(out, "IDPRejectedClaim") {
		t.Errorf("a token for somebody else: %d %s", code, out)
	}
}

func tokenFor(t *testing.T, socket workloadapi.ClientOption, audience string) string {
	t.Helper()
	token, err := workloadapi.FetchJWTSVID(t.Context(), jwtsvid.Params{Audience: audience}, socket)
	if err != nil {
		t.Fatal(err)
	}
	return token.Marshal()
}
