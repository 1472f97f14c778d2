// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/certs/certstest"
	"github.com/sealgate/sealgate/testenv/gate"
)

const bucketPolicy = `version: 1
trust_domain: ` + gate.TrustDomain + `
identities: {writer: spiffe://` + gate.TrustDomain + `/writer}
roles:
  writer:
    who: [writer]
    can:
      - {do: [read, list, write, delete], paths: ["*/**"]}
      - {do: [bucket-create, bucket-delete], paths: ["gateway/buckets/*"]}
`

// bucketLife makes a bucket, uses it and removes it again. What was done
// before a kill may be done already.
func bucketLife(g *gate.Gate, c *http.Client) error {
	for _, step := range []struct {
		method, target string
		body           []byte
		statuses       []int
	}{
		{http.MethodPut, "/fresh", nil, []int{200, 409}},
		{http.MethodPut, "/fresh/k", []byte("something"), []int{200}},
		{http.MethodDelete, "/fresh", nil, []int{409}},
		{http.MethodGet, "/fresh/k", nil, []int{200}},
		{http.MethodDelete, "/fresh/k", nil, []int{204}},
		{http.MethodDelete, "/fresh", nil, []int{204}},
	} {
		a, err := g.Try(c, step.method, step.target, bytes.NewReader(step.body), int64(len(step.body)), nil)
		if err != nil || !slices.Contains(step.statuses, a.Status) {
			return fmt.Errorf("%s %s: %d %s, %w", step.method, step.target, a.Status, a.Body, err)
		}
	}
	return nil
}

// A gateway killed while it makes or removes a bucket starts again, and the
// bucket is in use, or gone, or can be made.
func TestKillWhileChangingBuckets(t *testing.T) {
	t.Parallel()
	ca := certstest.NewCA(t, gate.TrustDomain)
	for _, point := range []string{
		"", "state.bucket.make.commit:1", "state.bucket.state.commit:1", "state.bucket.state.commit:2", "state.bucket.state.commit:3", "state.keyring.insert.commit:9",
	} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			g, err := gate.New(t, gate.Options{
				Dir: shortDir(t), CA: ca, Tags: []string{"killpoints"}, Env: []string{"SEALGATE_KILLPOINT=" + point}, Policy: bucketPolicy,
				Config: map[string]string{"identity": "{source: authority}", "buckets_on_demand": "{enabled: true}"},
			})
			if err != nil {
				t.Fatal(err)
			}
			if r := g.CLI(t, "certs", "entries", "add", "spiffe://"+gate.TrustDomain+"/writer", "--uid", fmt.Sprint(os.Getuid())); r.Code != 0 {
				t.Fatal(r.Stderr)
			}
			c, err := issued(t, g)
			if err != nil {
				t.Fatal(err)
			}
			err = bucketLife(g, c)
			if (err == nil) != (point == "") {
				t.Fatalf("killed at %q: %v", point, err)
			}
			g.Kill()
			if err := g.Restart(t, func(o *gate.Options) { o.Env = nil }); err != nil {
				t.Fatalf("starting again: %v", err)
			}
			if c, err = issued(t, g); err != nil {
				t.Fatal(err)
			}
			verify(t, g)
			if err := bucketLife(g, c); err != nil {
				t.Fatalf("going on: %v", err)
			}
			if _, err := os.Stat(filepath.Join(g.Dir, "objects", "fresh")); !os.IsNotExist(err) {
				t.Errorf("the bucket's directory: %v, want it gone", err)
			}
			verify(t, g)
		})
	}
}

// A configuration takes the name of a bucket that was removed, and the gateway is
// killed as it notes that. From then on it is a bucket of the configuration: one
// that is left out later holds up a rotation, and is not taken for removed.
func TestKillWhileTakingABucketsName(t *testing.T) {
	t.Parallel()
	const others = "datasets: {backend: disk}, features: {backend: disk}, models: {backend: disk}, raw: {backend: disk}"
	g, err := gate.New(t, gate.Options{
		Dir: shortDir(t), CA: certstest.NewCA(t, gate.TrustDomain), Tags: []string{"killpoints"}, Policy: bucketPolicy,
		Config: map[string]string{"identity": "{source: authority}", "buckets_on_demand": "{enabled: true}", "buckets": "{" + others + "}"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if r := g.CLI(t, "certs", "entries", "add", "spiffe://"+gate.TrustDomain+"/writer", "--uid", fmt.Sprint(os.Getuid())); r.Code != 0 {
		t.Fatal(r.Stderr)
	}
	again := func(buckets string, env ...string) (*http.Client, error) {
		g.Kill()
		if err := g.Restart(t, func(o *gate.Options) { o.Env, o.Config["buckets"] = env, "{"+buckets+"}" }); err != nil {
			return nil, err
		}
		return issued(t, g)
	}
	do := func(c *http.Client, method string, body []byte, status int) {
		t.Helper()
		if a, err := g.Try(c, method, "/fresh/k", bytes.NewReader(body), int64(len(body)), nil); err != nil || a.Status != status {
			t.Fatalf("%s: %d %s, %v", method, a.Status, a.Body, err)
		}
	}
	rotates := func(code int, parts ...string) {
		t.Helper()
		r := g.CLI(t, "keys", "rotate-kek")
		for _, p := range parts {
			if r.Code != code || !strings.Contains(r.Stdout+r.Stderr, p) {
				t.Fatalf("rotate-kek: exit code %d: %s%s, want %d and %q", r.Code, r.Stdout, r.Stderr, code, p)
			}
		}
	}
	c, err := issued(t, g)
	if err != nil {
		t.Fatal(err)
	}
	if err := bucketLife(g, c); err != nil {
		t.Fatal(err)
	}
	rotates(0, "version 1 -> 2, 9 keyring records rewrapped")
	if _, err := again(others+", fresh: {backend: disk}", "SEALGATE_KILLPOINT=state.bucket.forget.commit:1"); err == nil {
		t.Fatal("the gateway was not killed")
	}
	if c, err = again(others + ", fresh: {backend: disk}"); err != nil {
		t.Fatal(err)
	}
	do(c, http.MethodPut, []byte("something"), http.StatusOK)
	if _, err = again(others); err != nil {
		t.Fatal(err)
	}
	rotates(1, "keyring fresh/: ", `bucket "fresh" holds keyring records and is not in the configuration; put it back there, then repeat`)
	if c, err = again(others + ", fresh: {backend: disk}"); err != nil {
		t.Fatal(err)
	}
	do(c, http.MethodGet, nil, http.StatusOK)
	rotates(0, "version 2 -> 3, 9 keyring records rewrapped")
	verify(t, g)
}
