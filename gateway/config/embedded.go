// SPDX-License-Identifier: Apache-2.0

package config

import (
	"time"

	"github.com/sealgate/sealgate/certs"
)

// Defaults of what a file leaves out.
const (
	DefaultDeployment  = "sealgate"
	DefaultTrustDomain = "sealgate.local" // of the built-in authority only
	DefaultS3          = "127.0.0.1:9443"
	DefaultSessions    = "127.0.0.1:9444" // off
	DefaultMetrics     = "127.0.0.1:9447"
)

var defaultBuckets = []string{"datasets", "features", "models", "raw"}

// base holds the defaults that do not follow from other fields.
func base(dataDir string) *Config {
	return &Config{
		Version:    1,
		Deployment: DefaultDeployment,
		DataDir:    dataDir,
		Listeners: Listeners{
			S3: S3Listener{Address: DefaultS3}, Session: SessionListener{Address: DefaultSessions}, Metrics: Listener{DefaultMetrics},
		},
		STS: STS{Session: time.Hour, MaxPresign: time.Hour},
		Identity: Identity{
			Source:                SourceAuthority,
			MaxClientSVIDLifetime: certs.DefaultMaxLifetime,
			MaxOverrun:            5 * time.Minute,
		},
		Policy:  Policy{Source: "file"},
		Audit:   Audit{CommitDeadline: 2 * time.Second, SegmentSize: 64 << 20, SegmentAge: 15 * time.Minute},
		Uploads: Uploads{AbandonAfter: 7 * 24 * time.Hour},
		Limits: Limits{
			Connections: 10_000, ConnectionsPerIdentity: 256, RequestsPerIdentity: 512,
			MinRate: 16 << 10, Drain: time.Minute,
		},
		Log: Log{Level: "info", Format: "json"},
	}
}
