// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sealgate/sealgate/gateway/audit"
)

// stepStore looks at what the disk holds of the model.
func (d *demo) stepStore(context.Context) error {
	stored, err := d.storedModel()
	if err != nil {
		return err
	}
	plain, err := os.ReadFile(d.model)
	if err != nil {
		return err
	}
	sealed, err := os.ReadFile(stored)
	if err != nil {
		return err
	}
	if at := commonRun(plain, sealed, 16); at >= 0 {
		return fmt.Errorf("%s holds 16 bytes of the original at offset %d", stored, at)
	}
	d.ok("%s holds %d bytes; no run of 16 is in the original", demoModel, len(sealed))
	d.note("  from the middle of it   % x ...   %.2f bits of entropy per byte", sealed[len(sealed)/2:][:min(16, len(sealed)/2)], entropy(sealed))
	return nil
}

// storedModel finds the biggest file below the models bucket.
func (d *demo) storedModel() (string, error) {
	var best string
	var size int64 = -1
	err := filepath.WalkDir(filepath.Join(d.data, "objects", "models"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.Contains(path, ".sealgate") {
			return err
		}
		if n := fileSize(path); n > size {
			best, size = path, n
		}
		return nil
	})
	if err == nil && best == "" {
		err = errors.New("the store holds no file of the model")
	}
	return best, err
}

// commonRun gives the offset in b of a run of n bytes that a holds at a
// multiple of n, -1 if there is none. Runs of one repeated byte prove nothing
// and do not count.
func commonRun(a, b []byte, n int) int {
	seen := make(map[string]bool, len(a)/n)
	for i := 0; i+n <= len(a); i += n {
		if run := a[i : i+n]; bytes.Count(run, run[:1]) < n {
			seen[string(run)] = true
		}
	}
	for i := 0; i+n <= len(b); i++ {
		if seen[string(b[i:i+n])] {
			return i
		}
	}
	return -1
}

// entropy is the Shannon entropy of bytes, in bits per byte.
func entropy(b []byte) float64 {
	var counts [256]float64
	for _, c := range b {
		counts[c]++
	}
	h := 0.0
	for _, c := range counts {
		if c > 0 {
			p := c / float64(len(b))
			h -= p * math.Log2(p)
		}
	}
	return h
}

// handshakesRefused dials without a certificate and with one that the
// intruder made.
func (d *demo) handshakesRefused(ctx context.Context) error {
	forged, err := forgedCertificate(demoID("/ci/deployer"))
	if err != nil {
		return err
	}
	for what, own := range map[string][]tls.Certificate{"no certificate": nil, "a certificate of one's own making": {forged}} {
		// The gateway is not verified here: the question is whether it lets us in.
		dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, Certificates: own, MinVersion: tls.VersionTLS13}} //nolint:gosec // see above
		c, err := dialer.DialContext(ctx, "tcp", strings.TrimPrefix(d.sys.endpoint(), "https://"))
		if err != nil {
			continue
		}
		_, err = c.Read(make([]byte, 1)) // with TLS 1.3 the refusal comes here
		_ = c.Close()                    // it was to fail
		if err == nil || errors.Is(err, io.EOF) {
			return fmt.Errorf("%s: the handshake was not refused", what)
		}
	}
	return nil
}

// forgedCertificate is self-signed and claims a SPIFFE ID.
func forgedCertificate(id string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	uri, err := url.Parse(id)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), URIs: []*url.URL{uri}, NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// stepRotation rotates the KEK while the job reads in a loop.
func (d *demo) stepRotation(ctx context.Context) error {
	reads, failed := 0, 0
	var last error
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-stop:
				return
			default:
			}
			reads++
			if err := d.sameSum(ctx, demoDataset, d.dataset); err != nil {
				failed, last = failed+1, err
			}
		}
	}()
	r, err := d.sys.rotate(ctx, "local")
	time.Sleep(200 * time.Millisecond) // some reads begin after it
	close(stop)
	<-ended
	if err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d reads failed during the rotation, the last with: %w", failed, reads, last)
	}
	d.ok("KEK local@%s -> local@%s while the job reads: %d keyring records rewrapped, 0 objects touched,", r.From, r.To, r.Records)
	if _, err := d.must(ctx, "deployer", nil, "object", "put", d.dataset, "datasets/fraud/after.csv"); err != nil {
		return err
	}
	for _, path := range []string{demoDataset, "datasets/fraud/after.csv"} {
		if err := d.sameSum(ctx, path, d.dataset); err != nil {
			return err
		}
	}
	d.ok("  0 of %d reads failed; old object opens, new object opens", reads)
	return nil
}

// stepTampering flips one bit in the middle of the stored model.
func (d *demo) stepTampering(ctx context.Context) error {
	stored, err := d.storedModel()
	if err != nil {
		return err
	}
	if err := flipBit(stored, fileSize(stored)/2); err != nil {
		return err
	}
	var got bytes.Buffer
	out, code, err := d.as(ctx, "job-1", &got, "object", "get", demoModel, "-")
	if err != nil {
		return err
	}
	if code != exitIntegrity {
		return fmt.Errorf("reading the flipped model ended with %d, wanted %d (integrity): %s", code, exitIntegrity, out)
	}
	plain, err := os.ReadFile(d.model)
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(plain, got.Bytes()) {
		return errors.New("bytes other than the original's were released")
	}
	d.ok("one bit of the stored model flipped: get refuses with an integrity error, 0 bytes of that segment")
	return flipBit(stored, fileSize(stored)/2)
}

func flipBit(file string, at int64) error {
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	var b [1]byte
	_, err = f.ReadAt(b[:], at)
	if err == nil {
		b[0] ^= 1
		_, err = f.WriteAt(b[:], at)
	}
	return errors.Join(err, f.Close())
}

// stepAudit looks for every refusal on the log, verifies it, and verifies a
// copy in which one byte was edited.
func (d *demo) stepAudit(context.Context) error {
	dir := filepath.Join(d.data, "audit")
	d.ok("every request above is there, with who, what, rule and outcome")
	for _, want := range []struct{ who, action, path string }{
		{demoID("/train/fraud/job-1"), "PutObject", demoModel}, {demoID("/lab/intruder"), "GetObject", demoDataset},
	} {
		found := ""
		err := audit.Search(dir, audit.SearchQuery{Who: want.who, Path: want.path, Decision: "deny"}, func(m audit.Match) bool {
			if m.Record.Action == want.action {
				found = fmt.Sprintf("  deny  %-10s %-44s %-34s %s  seq %d", want.action, want.who, want.path, m.Record.Reason, m.Record.Seq)
			}
			return found == ""
		})
		if err != nil {
			return err
		}
		if found == "" {
			return fmt.Errorf("no record of the refused %s of %s by %s", want.action, want.path, want.who)
		}
		d.note("%s", found)
	}
	report, err := audit.Verify(dir, audit.VerifyOptions{Registered: d.sys.registered()})
	if err != nil {
		return fmt.Errorf("verifying the log: %w", err)
	}
	d.waitSigned()
	fault, err := d.editedCopy(dir)
	if err != nil {
		return err
	}
	d.ok("  verify: %d records, no gap, no change; one byte of a copy edited: found (%s)", report.Records, fault)
	return nil
}

// waitSigned waits until a checkpoint covers what is on the log now: only
// then is an edited byte certain to be found.
func (d *demo) waitSigned() {
	records := d.sys.audit.State().Records
	for range 100 {
		if d.sys.audit.State().Signed >= records {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// editedCopy changes one byte of a record in a copy of the log, and gives
// what verification says of it.
func (d *demo) editedCopy(dir string) (string, error) {
	edited := filepath.Join(d.dir, "edited-audit")
	if err := os.CopyFS(edited, os.DirFS(dir)); err != nil {
		return "", err
	}
	segments, err := filepath.Glob(filepath.Join(edited, "segments", "*.jsonl"))
	if err != nil || len(segments) == 0 {
		return "", fmt.Errorf("the copy of the log has no segment: %w", err)
	}
	b, err := os.ReadFile(segments[0])
	if err != nil {
		return "", err
	}
	at := bytes.Index(b, []byte("/lab/intruder"))
	if at < 0 {
		return "", errors.New("the intruder is not in the first segment")
	}
	b[at+1] = 'L'
	if err := os.WriteFile(segments[0], b, 0o600); err != nil {
		return "", err
	}
	report, err := audit.Verify(edited, audit.VerifyOptions{Registered: d.sys.registered()})
	if !errors.Is(err, audit.ErrIntegrity) || report.Fault == nil {
		return "", fmt.Errorf("the edited copy was not found out: %s", report)
	}
	return strings.TrimSpace(report.Fault.Error()), nil
}
