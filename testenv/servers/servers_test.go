// SPDX-License-Identifier: Apache-2.0

package servers_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"

	"github.com/sealgate/sealgate/testenv/servers"
)

// roundTrip stores an object and reads its size back.
func roundTrip(t *testing.T, s *servers.Server, bucket string) {
	t.Helper()
	c := s.Client(t)
	if _, err := c.PutObject(t.Context(), bucket, "k", strings.NewReader("body"), 4, minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	if obj, err := c.StatObject(t.Context(), bucket, "k", minio.StatObjectOptions{}); err != nil || obj.Size != 4 {
		t.Errorf("StatObject = %+v, %v", obj, err)
	}
}

func TestServers(t *testing.T) {
	t.Parallel()
	for name, get := range map[string]func(testing.TB) *servers.Server{
		"MinIO": servers.MinIO, "MinIOTLS": servers.MinIOTLS, "Versitygw": servers.Versitygw,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := get(t)
			roundTrip(t, s, s.NewBucket(t))
		})
	}
}

func TestKillAndRestart(t *testing.T) {
	t.Parallel()
	s := servers.NewVersitygw(t)
	bucket := s.NewBucket(t)
	roundTrip(t, s, bucket)
	s.Kill()
	if _, err := s.Client(t).BucketExists(t.Context(), bucket); err == nil {
		t.Error("a killed server answers")
	}
	s.Restart(t)
	roundTrip(t, s, bucket)
}

func TestClients(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"curl":   {servers.Curl(t), "--version"},
		"rclone": {servers.Rclone(t), "copy", "--help", "--client-cert", "x"},
		"boto3":  {servers.Python(t), "-c", "import boto3, sys; print('boto3', boto3.__version__, sys.prefix)"},
	} {
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Env = servers.Env(t)
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), name) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
