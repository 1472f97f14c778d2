// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
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
