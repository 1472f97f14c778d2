// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// The names that the story uses.
const (
	demoDomain  = "demo.sealgate"
	demoDataset = "datasets/fraud/train.csv"
	demoModel   = "models/fraud/prod/v1.safetensors"
)

var demoPeople = []struct{ name, path string }{
	{"deployer", "/ci/deployer"}, {"job-1", "/train/fraud/job-1"}, {"intruder", "/lab/intruder"},
}

func demoID(path string) string { return "spiffe://" + demoDomain + path }

// demoPolicy is the whole policy of the story: the intruder has no role.
const demoPolicy = `version: 1
trust_domain: demo.sealgate
identities:
  deployer: spiffe://demo.sealgate/ci/deployer
  training: spiffe://demo.sealgate/train/{project}/*
roles:
  deployer:
    who: [deployer]
    can:
      - {do: [read, list, write], paths: ["datasets/**", "models/*/prod/**"]}
  training:
    who: [training]
    can:
      - {do: [read, list], paths: ["datasets/{project}/**", "models/{project}/**"]}
      - {do: [read, list, write], paths: ["models/{project}/dev/**"]}
`

func (d *demo) stepGateway(ctx context.Context) error {
	began := time.Now()
	sys, err := d.app.startEmbedded(ctx, d.data, embedded{trustDomain: demoDomain, policy: demoPolicy, freePorts: true})
	if err != nil {
		return err
	}
	d.sys = sys
	d.ok("ready in %d ms: disk store, KEK local@%s, built-in SPIFFE authority, audit log %s",
		time.Since(began).Milliseconds(), sys.kekVersion(ctx), sys.logName())
	return nil
}

// stepIdentities copies this program three times and registers each copy by
// its path.
func (d *demo) stepIdentities(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	bin := filepath.Join(d.dir, "bin")
	if err := os.Mkdir(bin, 0o700); err != nil {
		return err
	}
	var ids []string
	for _, p := range demoPeople {
		exe := filepath.Join(bin, p.name)
		if err := copyFile(self, exe, 0o700); err != nil {
			return err
		}
		if err := d.sys.register(ctx, demoID(p.path), exe); err != nil {
			return err
		}
		d.people[p.name] = exe
		ids = append(ids, demoID(p.path))
	}
	d.ok("three copies of this program, told apart by executable path through the real Workload API")
	d.note("  %s", strings.Join(ids, "  "))
	return nil
}

func copyFile(from, to string, mode os.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // read side
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// as runs one command line as one of the people and gives what it printed and
// its exit code.
func (d *demo) as(ctx context.Context, who string, stdout io.Writer, args ...string) (string, int, error) {
	cmd := exec.CommandContext(ctx, d.people[who], args...)
	cmd.Env = append(os.Environ(), "SPIFFE_ENDPOINT_SOCKET=unix://"+filepath.Join(d.data, "run", "workload.sock"),
		"SEALGATE_ENDPOINT="+d.sys.endpoint(), "SEALGATE_DATA="+filepath.Join(d.dir, "nowhere"))
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if stdout != nil {
		cmd.Stdout = stdout
	}
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return strings.TrimSpace(errs.String()), exit.ExitCode(), nil
	}
	return strings.TrimSpace(out.String()), 0, err
}

// must runs a command line that has to succeed.
func (d *demo) must(ctx context.Context, who string, stdout io.Writer, args ...string) (string, error) {
	out, code, err := d.as(ctx, who, stdout, args...)
	if err == nil && code != 0 {
		err = fmt.Errorf("%s: %s ended with %d, wanted 0: %s", who, strings.Join(args, " "), code, out)
	}
	return out, err
}

// refused runs a command line that has to be denied.
func (d *demo) refused(ctx context.Context, who string, args ...string) error {
	out, code, err := d.as(ctx, who, nil, args...)
	if err == nil && code != exitDenied {
		err = fmt.Errorf("%s: %s ended with %d, wanted %d (denied): %s", who, strings.Join(args, " "), code, exitDenied, out)
	}
	return err
}

func (d *demo) stepDeployer(ctx context.Context) error {
	for _, push := range []struct{ file, path string }{{d.dataset, demoDataset}, {d.model, demoModel}} {
		out, err := d.must(ctx, "deployer", nil, "object", "put", push.file, push.path)
		if err != nil {
			return err
		}
		receipt := out[strings.LastIndexByte(out, ' ')+1:]
		d.ok("put %-36s %12d bytes   receipt %s", push.path, fileSize(push.file), receipt)
	}
	return nil
}

func fileSize(name string) int64 {
	info, err := os.Stat(name)
	if err != nil {
		return -1
	}
	return info.Size()
}

func (d *demo) stepJob(ctx context.Context) error {
	if err := d.sameSum(ctx, demoDataset, d.dataset); err != nil {
		return err
	}
	d.ok("get %-36s %12d bytes   sha256 equal", demoDataset, fileSize(d.dataset))
	n, err := d.sameRanges(ctx, demoModel, d.model)
	if err != nil {
		return err
	}
	d.ok("%d ranges of %s, first, last, across segments: bytes equal", n, demoModel)
	if err := d.refused(ctx, "job-1", "object", "put", d.model, demoModel); err != nil {
		return err
	}
	d.ok("put %s: 403 AccessDenied, no_grant, as it should be", demoModel)
	return nil
}

// sameSum downloads an object as the job and compares its hash with a file's.
func (d *demo) sameSum(ctx context.Context, path, file string) error {
	got := sha256.New()
	if _, err := d.must(ctx, "job-1", got, "object", "get", path, "-"); err != nil {
		return err
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // read side
	want := sha256.New()
	if _, err := io.Copy(want, f); err != nil {
		return err
	}
	if !bytes.Equal(got.Sum(nil), want.Sum(nil)) {
		return fmt.Errorf("%s came back with other bytes", path)
	}
	return nil
}

// sameRanges reads the first and the last byte, the ends of the first
// segments, and random places.
func (d *demo) sameRanges(ctx context.Context, path, file string) (int, error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close() //nolint:errcheck // read side
	size := fileSize(file)
	if size == 0 {
		return 0, nil
	}
	ranges := [][2]int64{{0, 0}, {size - 1, size - 1}, {0, min(size, 65536) - 1}, {min(65535, size-1), min(65536, size-1)}, {min(size-1, 131071), min(size-1, 262145)}}
	for len(ranges) < 64 {
		first := randomBelow(size)
		ranges = append(ranges, [2]int64{first, min(size-1, first+randomBelow(200_000))})
	}
	for _, r := range ranges {
		want := make([]byte, r[1]-r[0]+1)
		if _, err := f.ReadAt(want, r[0]); err != nil {
			return 0, err
		}
		var got bytes.Buffer
		if _, err := d.must(ctx, "job-1", &got, "object", "get", path, "-", "--range", fmt.Sprintf("%d-%d", r[0], r[1])); err != nil {
			return 0, err
		}
		if !bytes.Equal(got.Bytes(), want) {
			return 0, fmt.Errorf("bytes %d-%d of %s differ", r[0], r[1], path)
		}
	}
	return len(ranges), nil
}

func randomBelow(n int64) int64 {
	v, err := rand.Int(rand.Reader, big.NewInt(max(n, 1)))
	if err != nil {
		return 0
	}
	return v.Int64()
}

func (d *demo) stepIntruder(ctx context.Context) error {
	if err := d.refused(ctx, "intruder", "object", "get", demoDataset, "-"); err != nil {
		return err
	}
	d.ok("get %s: 403 AccessDenied, no_grant, as it should be", demoDataset)
	if err := d.refused(ctx, "intruder", "object", "ls", "datasets/"); err != nil {
		return err
	}
	if err := d.handshakesRefused(ctx); err != nil {
		return err
	}
	d.ok("list datasets/: 403; no certificate, and one of its own making: handshake refused")
	return nil
}
