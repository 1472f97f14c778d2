// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/gateway/config"
)

var update = flag.Bool("update", false, "write what Load says into the golden files")

const rule = "----------\n"

// Each golden file is a configuration, a rule, and every fault in it. New ones are
// written with -update, and read by a person.
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, name := range golden(t, "testdata/faults/*.txt") {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			text := string(read(t, name))
			src, want, _ := strings.Cut(text, rule)
			c, faults := config.Load("/etc/sealgate/sealgate.yaml", []byte(src), "/var/lib/sealgate")
			if c != nil {
				t.Error("a configuration with faults was returned")
			}
			var got strings.Builder
			for _, f := range faults {
				fmt.Fprintln(&got, strings.TrimPrefix(f.String(), "/etc/sealgate/"))
			}
			if *update {
				if err := os.WriteFile(name, []byte(src+rule+got.String()), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, got.String()); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}

func golden(t *testing.T, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("no files match %s: %v", pattern, err)
	}
	return names
}

func read(tb testing.TB, name string) []byte {
	tb.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func load(tb testing.TB, name string) *config.Config {
	tb.Helper()
	c, faults := config.Load(filepath.Join("/etc/sealgate", filepath.Base(name)), read(tb, name), "/data")
	if faults.Errors() != 0 || c == nil {
		tb.Fatalf("%s: %v", name, faults)
	}
	return c
}

func TestLoadWhole(t *testing.T) {
	t.Parallel()
	c := load(t, "testdata/good/acme.yaml")
	want := &config.Config{
		Version: 1, Deployment: "acme-prod", DataDir: "/var/lib/sealgate", TrustDomain: certs.MustParseTrustDomain("acme.ai"),
		Listeners: config.Listeners{
			S3:      config.S3Listener{Address: "0.0.0.0:9443"},
			Session: config.SessionListener{Address: "127.0.0.1:9444"},
			Control: config.ControlListener{Address: "0.0.0.0:9446"},
			Metrics: config.Listener{Address: "0.0.0.0:9447"},
		},
		STS: config.STS{Session: time.Hour, MaxPresign: time.Hour},
		Identity: config.Identity{
			Source:                "workload",
			Workload:              config.Workload{Socket: "unix:///run/spire/agent.sock", ID: certs.MustParseID("spiffe://acme.ai/gateway")},
			MaxClientSVIDLifetime: 25 * time.Hour,
		},
		Policy: config.Policy{Source: "file", File: "/etc/sealgate/policy.yaml"},
		State: config.State{Postgres: config.Postgres{
			URL:      "postgres://sealgate@pg.acme.ai/sealgate?sslmode=verify-full&sslrootcert=/etc/sealgate/pg-ca.pem",
			Password: config.Secret{File: "/etc/sealgate/pg-password"},
		}},
		System: config.System{Bucket: "models"},
		Backends: []config.Backend{
			{
				Name: "minio-a", Kind: "s3", Endpoint: "https://minio-a.acme.ai:9000", Region: "eu-1", CAFile: "/etc/sealgate/minio-ca.pem",
				Credential: config.Credential{File: "/run/credentials/minio-a"}, ConditionalWrites: true,
			},
			{
				Name: "aws", Kind: "s3", Endpoint: "https://s3.eu-west-3.amazonaws.com", Region: "eu-west-3",
				Credential: config.Credential{Instance: true},
			},
			{Name: "disk", Kind: "disk", Dir: "/srv/sealgate", ConditionalWrites: true},
		},
		Buckets: []config.Bucket{
			{Name: "datasets", Backend: "minio-a", Bucket: "acme-datasets-sealed"},
			{Name: "models", Backend: "minio-a", Bucket: "acme-models-sealed"},
			{Name: "raw.v2", Backend: "aws", Bucket: "acme-raw-sealed"},
			{Name: "scratch", Backend: "disk", Bucket: "scratch"},
		},
		KEKs: []config.KEK{
			{Name: "main", Kind: "local", Keystore: "/etc/sealgate/main.keystore", Passphrase: config.Secret{File: "/run/credentials/main"}},
			{Name: "pii", Kind: "local", Keystore: "/etc/sealgate/pii.keystore", KeyFile: "/etc/sealgate/pii.key"},
		},
		OnDemand: config.OnDemand{Enabled: true, Backend: "minio-a", KEK: "main"},
		Keyrings: []config.Keyring{
			{Scope: "datasets/", KEK: "main"},
			{Scope: "datasets/fraud/pii/", KEK: "pii"},
			{Scope: "models/", KEK: "main"},
			{Scope: "raw.v2/", KEK: "main"},
			{Scope: "scratch/", KEK: "main"},
		},
		Audit:   config.Audit{CommitDeadline: time.Second, SegmentSize: 128 << 20, SegmentAge: 90 * time.Minute},
		Uploads: config.Uploads{AbandonAfter: 48 * time.Hour},
		Limits:  config.Limits{Connections: 20_000, ConnectionsPerIdentity: 256, RequestsPerIdentity: 512, MinRate: 32 << 10, Drain: 90 * time.Second},
		Log:     config.Log{Level: "debug", Format: "text"},
	}
	if diff := cmp.Diff(want, c, cmp.Comparer(func(a, b certs.ID) bool { return a == b }), cmp.Comparer(func(a, b certs.TrustDomain) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if c.SystemKEK() != "main" || c.GatewayID() != want.Identity.Workload.ID || c.Bucket("raw.v2").Backend != "aws" {
		t.Errorf("system kek %q, gateway %s", c.SystemKEK(), c.GatewayID())
	}
	if c.Bucket("none") != nil || c.Backend("none") != nil || c.KEK("none") != nil || c.KEK("pii").Name != "pii" {
		t.Error("lookups by name")
	}
}

// The least file is the embedded configuration.
func TestLeastIsEmbedded(t *testing.T) {
	t.Parallel()
	if got, want := load(t, "testdata/good/least.yaml"), config.Embedded("/data"); string(config.Print(got, config.Plain)) != string(config.Print(want, config.Plain)) || got.Digest() != want.Digest() {
		t.Errorf("got:\n%s", config.Print(got, config.Plain))
	}
	c := config.Embedded("/data")
	if c.GatewayID().String() != "spiffe://sealgate.local/gateway" || c.SystemKEK() != "local" || !c.Policy.Seed || c.Policy.File != "/data/policy.yaml" {
		t.Errorf("gateway %s, system kek %s, policy %+v", c.GatewayID(), c.SystemKEK(), c.Policy)
	}
	for _, path := range []string{c.LockFile(), c.StateFile(), c.AuditDir(), c.AuthorityDir(), c.ControlSocket(), c.WorkloadSocket(), c.Backends[0].Dir, c.KEKs[0].Keystore} {
		if !strings.HasPrefix(path, "/data/") {
			t.Errorf("%s is outside of the data directory", path)
		}
	}
}

// What is absent follows what is given: paths the data directory, which follows
// the file.
func TestPartlyGiven(t *testing.T) {
	t.Parallel()
	c := load(t, "testdata/good/partly.yaml")
	if c.DataDir != "/etc/sealgate/data" || c.KEKs[0].Keystore != "/etc/sealgate/data/keys/keystore" || c.Policy.File != "/etc/sealgate/data/policy.yaml" {
		t.Errorf("data %s, keystore %s, policy %s", c.DataDir, c.KEKs[0].Keystore, c.Policy.File)
	}
	if c.Identity.Files.Key != "/etc/sealgate/key.pem" || c.Log.Level != "warn" || c.Log.Format != "json" || len(c.Buckets) != 4 {
		t.Errorf("got %+v", c)
	}
}

// A secret that was written in place is not repeated in the fault.
func TestFaultsKeepSecrets(t *testing.T) {
	t.Parallel()
	for _, src := range []string{
		"version: 1\nbackends: {a: {kind: s3, endpoint: 'https://m', credential: s3cr3tvalue}}\n",
		"version: 1\nkeks: {a: {kind: local, passphrase: s3cr3tvalue}}\n",
		"version: 1\nbackends: {a: {kind: s3, endpoint: 'https://m', credential: [s3cr3tvalue]}}\n",
	} {
		_, faults := config.Load("f.yaml", []byte(src), "/data")
		if faults.Errors() == 0 || strings.Contains(fmt.Sprint(faults), "s3cr3tvalue") {
			t.Errorf("faults of a secret in place: %v", faults)
		}
	}
}

func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/faults/*.txt", "testdata/good/*.yaml"} {
		names, _ := filepath.Glob(pattern)
		if len(names) == 0 {
			f.Fatalf("no seeds match %s", pattern)
		}
		for _, name := range names {
			src, _, _ := bytes.Cut(read(f, name), []byte(rule))
			f.Add(src)
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		c, faults := config.Load("/etc/f.yaml", src, "/data")
		if (c == nil) != (faults.Errors() > 0) {
			t.Fatalf("a configuration with %d errors: %v", faults.Errors(), faults)
		}
		if c != nil {
			sameWhenPrinted(t, c)
		}
	})
}

// What there is only one of needs no name; and a bucket made on demand has no place
// where another one's ciphertext lies.
func TestOnDemand(t *testing.T) {
	t.Parallel()
	c, faults := config.Load("/etc/sealgate/sealgate.yaml", []byte("version: 1\nbuckets_on_demand: {enabled: true}\n"), "/data")
	if c == nil || c.OnDemand != (config.OnDemand{Enabled: true, Backend: "disk", KEK: "local"}) {
		t.Fatalf("got %+v, %v", c, faults)
	}
	if off := config.Embedded("/data").OnDemand; off != (config.OnDemand{}) {
		t.Errorf("without a word: %+v", off)
	}
	acme := load(t, "testdata/good/acme.yaml")
	for _, tt := range []struct {
		b    config.Bucket
		want string
	}{
		{config.Bucket{Name: "new", Backend: "minio-a", Bucket: "new"}, ""},
		{config.Bucket{Name: "models", Backend: "disk", Bucket: "models"}, "models"},
		{config.Bucket{Name: "new", Backend: "minio-a", Bucket: "acme-models-sealed"}, "models"},
		{config.Bucket{Name: "new", Backend: "aws", Bucket: "acme-models-sealed"}, ""},
		{config.Bucket{Name: "new", Backend: "disk", Bucket: "scratch"}, "scratch"},
	} {
		if got := acme.Shares(tt.b); got != tt.want {
			t.Errorf("%+v shares its place with %q, want %q", tt.b, got, tt.want)
		}
	}
	for name, want := range map[string]bool{"new-bucket": true, "gateway": false, "secrets": false, "audit": false, "ab": false, "A-b": false, "127.0.0.1": false} {
		if got := config.IsBucketName(name); got != want {
			t.Errorf("%q is a bucket name: %v, want %v", name, got, want)
		}
	}
}
