// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/certs/certstest"
	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/s3api"
	"github.com/sealgate/sealgate/gateway/session"
	"github.com/sealgate/sealgate/gateway/store/storetest"
)

// ending has a session of /writer that ends soon.
func (w *sessionWorld) ending(in time.Duration) (s3api.Credentials, *session.Session) {
	w.t.Helper()
	s, err := session.New(session.FromPeer(w.peerOf("/writer")), narrowNothing, 0, session.Terms{Max: in}, time.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	sealed, err := session.Seal(sessionKeys{w.keys}, w.g.config.Deployment, s)
	if err != nil {
		w.t.Fatal(err)
	}
	return s3api.Credentials{AccessKey: sealed.AccessKey, Secret: s3api.Secret(sealed.Secret), Token: s3api.Secret(sealed.Token)}, s
}

// A transfer that runs when its session ends may go on for as long as
// MaxOverrun says, and no longer; what is cut is on the record as that.
func TestTransferOutlivesItsSession(t *testing.T) {
	t.Parallel()
	body := noise(7, 4<<20)
	run := func(t *testing.T, overrun time.Duration, piece time.Duration) (w *sessionWorld, key string, got []byte, late time.Duration, err error) {
		t.Helper()
		w = newSessionWorld(t, worldOptions{limits: Limits{MaxOverrun: overrun}})
		w.put(w.world.client("/writer"), "/data/k", body)
		w.store.Add(storetest.Rule{Op: storetest.Get, Body: storetest.Drip(65568, piece)})
		c, s := w.ending(3 * time.Second)
		res, err := w.client.Do(w.request(c, http.MethodGet, "/data/k", nil))
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("beginning: %v, %+v", err, res)
		}
		defer res.Body.Close()
		got, err = io.ReadAll(res.Body)
		return w, c.AccessKey, got, time.Since(s.Expires), err
	}
	t.Run("within", func(t *testing.T) {
		t.Parallel()
		_, _, got, late, err := run(t, time.Hour, 80*time.Millisecond) // five seconds in all
		if err != nil || !bytes.Equal(got, body) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		if late < 0 {
			t.Errorf("it was over %v before the session: nothing was looked at", -late)
		}
	})
	t.Run("beyond", func(t *testing.T) {
		t.Parallel()
		const overrun = 2 * time.Second
		w, key, got, late, err := run(t, overrun, time.Second) // a minute in all
		if err == nil || len(got) >= len(body) || !bytes.HasPrefix(body, got) {
			t.Errorf("%d bytes, %v: want a cut", len(got), err)
		}
		if late < overrun {
			t.Errorf("it was cut %v after the session, want at least %v", late, overrun)
		}
		w.eventually("the outcome", func() bool { return w.last().outcome.Abort != "" })
		if rec := w.last(); rec.outcome.Abort != audit.AbortSession || rec.event.Session != key || rec.outcome.BytesSent >= int64(len(body)) {
			t.Errorf("recorded %+v %+v", rec.event, rec.outcome)
		}
	})
}

// A client that many have, in the middle of a download, when its identity is
// denied: it gets an error and never a part for the whole, and nothing more.
func TestDenialEndsARealClient(t *testing.T) {
	t.Parallel()
	w := newSessionWorld(t, worldOptions{})
	body := noise(8, 8<<20)
	w.put(w.world.client("/writer"), "/data/k", body)
	keys := w.byToken("/writer")
	c, err := minio.New("gateway", &minio.Options{
		Creds: credentials.NewStaticV4(keys.AccessKey, string(keys.Secret), string(keys.Token)), Secure: true, Region: "us-east-1",
		Transport: w.client.Transport, MaxRetries: 1, BucketLookup: minio.BucketLookupPath,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.StatObject(t.Context(), "data", "k", minio.StatObjectOptions{}); err != nil {
		t.Fatalf("before: %v", err)
	}
	w.store.Add(storetest.Rule{Op: storetest.Get, Body: storetest.Drip(65568, 100*time.Millisecond)})
	o, err := c.GetObject(t.Context(), "data", "k", minio.GetObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if _, err := io.ReadFull(o, make([]byte, 100_000)); err != nil {
		t.Fatalf("the first bytes: %v", err)
	}
	w.deny(certs.Rule{Kind: certs.DenyID, ID: w.ca.ID(t, "/writer")})
	if n, err := io.Copy(io.Discard, o); err == nil || n+100_000 >= int64(len(body)) {
		t.Errorf("it went on to its end: %d bytes, %v", n, err)
	}
	_, err = c.StatObject(t.Context(), "data", "k", minio.StatObjectOptions{})
	if minio.ToErrorResponse(err).StatusCode != http.StatusForbidden {
		t.Errorf("after: %v", err)
	}
	w.eventually("the outcome", func() bool {
		w.rec.mu.Lock()
		defer w.rec.mu.Unlock()
		for _, r := range w.rec.intents {
			if r.outcome.Abort == audit.AbortRevoked && r.event.Session == keys.AccessKey {
				return true
			}
		}
		return false
	})
}

// A session is of the whole SPIFFE ID of the certificate: not of its path alone,
// nor of a beginning of it, nor of what the caller says beside it.
func TestSessionIsOfTheWholeID(t *testing.T) {
	t.Parallel()
	w := newSessionWorld(t, worldOptions{})
	w.put(w.world.client("/writer"), "/data/k", []byte("x"))
	for path, status := range map[string]int{"/writer": http.StatusOK, "/writer/x": http.StatusForbidden, "/Writer": http.StatusForbidden, "/write": http.StatusForbidden, "/a/writer": http.StatusForbidden} {
		form := url.Values{"Action": {"AssumeRoleWithCertificate"}, "RoleSessionName": {"writer"}, "RoleArn": {"arn:sealgate:iam:::role/*"}}
		r := w.call(w.world.client(path), form)
		if status != http.StatusOK {
			// Nobody of that name has a role: there is no session to misuse.
			if r.stsCode() != "AccessDenied" || w.lastDenial().Actor != "spiffe://acme.ai"+path {
				t.Errorf("%s: got %d %s, recorded %+v", path, r.status, r.body, w.lastDenial())
			}
			continue
		}
		c := w.credentials(r)
		w.signed(c, http.MethodGet, "/data/k", nil).want(t, status, "")
		if e := w.last().event; e.Actor != "spiffe://acme.ai"+path {
			t.Errorf("%s: recorded %+v", path, e)
		}
	}
	// The same path in another trust domain, which the gateway knows, is somebody
	// else.
	other := certstest.NewCA(t, "ci.acme.ai")
	if err := w.own.Publish(certstest.WithBundles(w.ca.SVID(t, "/gateway", certstest.Options{}), w.ca.Bundle(), other.Bundle())); err != nil {
		t.Fatal(err)
	}
	conf := certs.ClientTLS(other.Source(t, "/writer", certstest.Options{Federated: []*certs.Bundle{w.ca.Bundle()}}), w.ca.ID(t, "/gateway"))
	tr := &http.Transport{DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return w.dial(ctx, conf) }}
	t.Cleanup(tr.CloseIdleConnections)
	r := w.call(&http.Client{Transport: tr}, url.Values{"Action": {"AssumeRoleWithCertificate"}})
	if r.stsCode() != "AccessDenied" || w.lastDenial().Actor != "spiffe://ci.acme.ai/writer" {
		t.Errorf("the same path in another trust domain: %d %s %v, recorded %+v", r.status, r.body, r.err, w.lastDenial())
	}
}
