// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sealgate/sealgate/gateway/config"
)

func TestDiff(t *testing.T) {
	t.Parallel()
	const name = "testdata/good/acme.yaml"
	for _, tt := range []struct {
		name, from, to string
		want           config.Changes
	}{
		{"nothing", "", "", config.Changes{}},
		{"a limit", "connections: 20000", "connections: 9", config.Changes{Live: []string{"limits.connections"}}},
		{"log level", "level: debug", "level: info", config.Changes{Live: []string{"log.level"}}},
		{"log format", "format: text", "format: json", config.Changes{Restart: []string{"log.format"}}},
		{"deployment", "acme-prod", "acme-dev", config.Changes{Never: []string{"deployment"}}},
		{"data directory", "/var/lib/sealgate", "/srv/other", config.Changes{Restart: []string{"data_dir"}}},
		{"a listener", "0.0.0.0:9446", "0.0.0.0:9449", config.Changes{Restart: []string{"listeners.control.address"}}},
		{"an identity", "id: spiffe://acme.ai/gateway", "id: spiffe://acme.ai/gw", config.Changes{Restart: []string{"identity.workload.id"}}},
		{"a bucket's place", "acme-models-sealed", "acme-models-2", config.Changes{Never: []string{"buckets.models.bucket"}}},
		{"a bucket's backend", "scratch: {backend: disk}", "scratch: {backend: aws}", config.Changes{Never: []string{"buckets.scratch.backend"}}},
		{"a new bucket", "  scratch:", "  more: {backend: disk}\n  scratch:", config.Changes{Live: []string{"buckets.more", "keyrings.more/"}}},
		{"buckets in another order", "  scratch: {backend: disk}\nkeks", "keks", config.Changes{}},
		{"buckets on demand", "enabled: true, backend: minio-a", "backend: disk", config.Changes{Restart: []string{"buckets_on_demand.enabled", "buckets_on_demand.backend"}}},
		{"a new backend", "  disk: {kind", "  new: {kind: disk, dir: /srv/new}\n  disk: {kind", config.Changes{Live: []string{"backends.new"}}},
		{"an endpoint", "https://minio-a", "https://minio-b", config.Changes{Restart: []string{"backends.minio-a.endpoint"}}},
		{"a credential", "/run/credentials/minio-a", "/run/credentials/minio", config.Changes{Live: []string{"backends.minio-a.credential.file"}}},
		{"a keyring's kek", "pii/, kek: pii", "pii/, kek: main", config.Changes{Never: []string{"keyrings.datasets/fraud/pii/.kek"}}},
		{"a new scope", "  - {scopes:", "  - {scope: models/x/, kek: pii}\n  - {scopes:", config.Changes{Live: []string{"keyrings.models/x/"}}},
		{"a kek's passphrase", "/run/credentials/main", "/run/credentials/m", config.Changes{Restart: []string{"keks.main.passphrase.file"}}},
		{"a kek's keystore", "/etc/sealgate/pii.keystore", "/etc/pii", config.Changes{Restart: []string{"keks.pii.keystore"}}},
		{"the system bucket", "bucket: models}", "bucket: datasets}", config.Changes{Never: []string{"system.bucket"}}},
		{"the policy file", "file: policy.yaml", "file: p.yaml", config.Changes{Restart: []string{"policy.file"}}},
		{"a removed kek", "", "", config.Changes{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			src := string(read(t, name))
			if !strings.Contains(src, tt.from) {
				t.Fatalf("%q is not in %s", tt.from, name)
			}
			next := strings.Replace(src, tt.from, tt.to, 1)
			switch tt.name {
			case "a new bucket":
				next = strings.Replace(next, "scratch/]", "scratch/, more/]", 1)
			case "buckets in another order":
				next = strings.Replace(next, "buckets:\n", "buckets:\n  scratch: {backend: disk}\n", 1)
			case "a removed kek":
				next = strings.Replace(next, "  pii: {kind: local, keystore: /etc/sealgate/pii.keystore, key_file: /etc/sealgate/pii.key}\n", "", 1)
				next = strings.Replace(next, "  - {scope: datasets/fraud/pii/, kek: pii}\n", "", 1)
				tt.want = config.Changes{Restart: []string{"keks.pii"}, Live: []string{"keyrings.datasets/fraud/pii/"}}
			}
			c, faults := config.Load("/etc/sealgate/acme.yaml", []byte(next), "/data")
			if c == nil {
				t.Fatal(faults)
			}
			got := config.Diff(load(t, name), c)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
