// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/config"
	"github.com/sealgate/sealgate/gateway/control"
)

// embedded is what the demo changes of the embedded defaults.
type embedded struct {
	trustDomain, policy string
	freePorts           bool
}

// startEmbedded starts a gateway inside this process; its log goes to a file
// in the data directory.
func (a *app) startEmbedded(ctx context.Context, dir string, e embedded) (*system, error) {
	source := configSource{dataDir: dir, policy: e.policy, change: func(c *config.Config) { e.apply(c) }}
	cfg, err := source.load(a)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	s, err := a.newSystem(cfg, source, "info", log)
	if err != nil {
		return nil, err
	}
	s.onClose(log.Close)
	return s, s.start(context.WithoutCancel(ctx))
}

func (e embedded) apply(c *config.Config) {
	c.TrustDomain = certs.MustParseTrustDomain(e.trustDomain)
	if e.freePorts {
		c.Listeners.S3.Address, c.Listeners.Metrics.Address = "127.0.0.1:0", "127.0.0.1:0"
	}
}

// registerEntry gives an ID to processes of this user, or only to those that
// run exec.
func (s *system) registerEntry(id, exec string) error {
	uid := uint32(os.Getuid())
	_, err := s.issuer.AddEntry(control.Entry{SPIFFE: id, UID: &uid, Exec: exec})
	return err
}

func (s *system) register(_ context.Context, id, exec string) error { return s.registerEntry(id, exec) }

func (s *system) kekVersion(ctx context.Context) string {
	for _, k := range s.keks {
		if info, err := k.Info(ctx); err == nil {
			return info.Version
		}
	}
	return "?"
}

func (s *system) registered() []audit.Registration {
	return []audit.Registration{s.audit.Registration()}
}

// stay keeps the gateway up until it is interrupted, and says how to use it.
func (d *demo) stay(ctx context.Context) error {
	me := filepath.Join(d.dir, "me")
	if err := d.sys.register(ctx, demoID("/ci/deployer"), ""); err != nil {
		return err
	}
	fmt.Fprintf(d.out, `
The gateway stays up. Everything this user runs is %[1]s now, and through the agent or with its certificate:

  export SPIFFE_ENDPOINT_SOCKET=unix://%[2]s SEALGATE_ENDPOINT=%[3]s
  sealgate-agent run -- rclone ls sealgate:datasets     # any S3 client, unchanged
  sealgate certs fetch --out %[4]s

  curl --cert %[4]s/svid.pem --key %[4]s/key.pem --cacert %[4]s/bundle.pem %[3]s/%[5]s -o train.csv

  # in one thread, transfers with use_threads=False; through the agent in as many as you like
  boto3.client("s3", endpoint_url="%[3]s", aws_access_key_id="any", aws_secret_access_key="any",
      region_name="us-east-1", verify="%[4]s/bundle.pem",
      config=botocore.config.Config(client_cert=("%[4]s/svid.pem", "%[4]s/key.pem"), s3={"addressing_style": "path"}))

  rclone --client-cert %[4]s/svid.pem --client-key %[4]s/key.pem --ca-cert %[4]s/bundle.pem \
      ls ":s3,provider=Other,endpoint='%[3]s',access_key_id=any,secret_access_key=any:datasets"

Ctrl-C ends it; %[6]s is kept.
`, demoID("/ci/deployer"), filepath.Join(d.data, "run", "workload.sock"), d.sys.endpoint(), me, demoDataset, d.dir)
	failed := make(chan error, 1)
	go func() { failed <- d.sys.group.Wait() }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return nil
	}
}
