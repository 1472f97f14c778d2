// SPDX-License-Identifier: Apache-2.0

package s3_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/s3"
	"github.com/sealgate/sealgate/testenv/servers"
)

// Variables that make this test binary the process whose memory is measured.
const (
	memoryEndpoint = "SEALGATE_S3_ENDPOINT"
	memoryBucket   = "SEALGATE_S3_BUCKET"
	memoryKeys     = "SEALGATE_S3_KEYS" // access key, colon, secret key
	memoryCA       = "SEALGATE_S3_CA"
)

func TestMain(m *testing.M) {
	if os.Getenv(memoryEndpoint) == "" {
		os.Exit(m.Run())
	}
	if err := errors.Join(moveGibibyte(context.Background()), printPeak()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// printPeak prints the most memory that this process had resident, in KiB. What
// the parent is told by wait includes the parent's own, from before the exec.
func printPeak() error {
	status, err := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	var peak int
	_, serr := fmt.Sscan(rest, &peak)
	fmt.Println(peak)
	return errors.Join(err, serr)
}

const gibibyte = 1 << 30

// moveGibibyte stores an object of 1 GiB and reads it back, and sends a part
// that is several times the memory allowed.
func moveGibibyte(ctx context.Context) error {
	var c s3.Credentials
	c.AccessKey, c.SecretKey, _ = strings.Cut(os.Getenv(memoryKeys), ":")
	s, err := s3.Open(s3.Config{
		Endpoint: os.Getenv(memoryEndpoint), Bucket: os.Getenv(memoryBucket), CAFile: os.Getenv(memoryCA), Read: c.Static(),
	})
	if err != nil {
		return err
	}
	if _, err := s.Put(ctx, "big", io.LimitReader(zeros{}, gibibyte), store.PutOptions{Size: gibibyte}); err != nil {
		return err
	}
	r, err := s.Get(ctx, "big", store.Whole())
	if err != nil {
		return err
	}
	n, err := io.Copy(io.Discard, r)
	if n != gibibyte {
		err = errors.Join(err, fmt.Errorf("read %d bytes", n))
	}
	if err := errors.Join(err, r.Close()); err != nil {
		return err
	}
	upload, err := s.CreateMultipart(ctx, "big", "")
	if err != nil {
		return err
	}
	_, err = s.PutPart(ctx, "big", upload, 1, io.LimitReader(zeros{}, gibibyte/4), gibibyte/4)
	return errors.Join(err, s.AbortMultipart(ctx, "big", upload))
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// A transfer of 1 GiB in each direction takes no more memory than one of a few
// megabytes: over HTTP, in frames, and over HTTPS.
func TestMemory(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(testing.TB) *servers.Server{"HTTP": servers.MinIO, "HTTPS": servers.MinIOTLS} {
		server := start(t)
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(),
			memoryEndpoint+"="+server.Endpoint, memoryBucket+"="+server.NewBucket(t), memoryCA+"="+server.CAFile,
			memoryKeys+"="+server.AccessKey+":"+server.SecretKey)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		peak, perr := strconv.Atoi(strings.TrimSpace(string(out)))
		if err := errors.Join(err, perr); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		peak >>= 10
		t.Logf("%s: peak memory of 1 GiB there and back: %d MiB, CPU %v", name, peak, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
		if limit := 64 * memoryFactor; peak > limit {
			t.Errorf("%s: peak memory is %d MiB, at most %d", name, peak, limit)
		}
	}
}
