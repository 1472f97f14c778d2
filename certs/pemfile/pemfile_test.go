// SPDX-License-Identifier: Apache-2.0

package pemfile_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/certs/certstest"
	"github.com/sealgate/sealgate/certs/pemfile"
)

// files are the three files of one test.
type files struct {
	pemfile.Config
	t *testing.T
}

func newFiles(t *testing.T, m *certs.Material) files {
	t.Helper()
	dir := t.TempDir()
	f := files{pemfile.Config{
		CertFile: filepath.Join(dir, "c"), KeyFile: filepath.Join(dir, "k"), BundleFile: filepath.Join(dir, "b"),
	}, t}
	if m != nil {
		f.put(m)
	}
	return f
}

// put writes m in place, one file after the other, as careless writers do.
func (f files) put(m *certs.Material) {
	f.t.Helper()
	f.write(f.CertFile, certPEM(m.Chain...))
	f.write(f.KeyFile, keyPEM(f.t, m))
	f.write(f.BundleFile, certPEM(m.Bundles[m.ID.TrustDomain()].X509...))
}

func (f files) write(name string, b []byte) {
	f.t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// must ends the test on any error.
func (f files) must(errs ...error) {
	f.t.Helper()
	if err := errors.Join(errs...); err != nil {
		f.t.Fatal(err)
	}
}

func certPEM(all ...*x509.Certificate) []byte {
	var b []byte
	for _, c := range all {
		b = append(b, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return b
}

func keyPEM(t *testing.T, m *certs.Material) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(m.Key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func holds(s certs.Source, want *certs.Material) bool {
	m, err := s.Current()
	return err == nil && m.Chain[0].Equal(want.Chain[0]) && m.ID == want.ID
}

func TestLoadForms(t *testing.T) {
	t.Parallel()
	ca := certstest.NewCA(t, "acme.ai")
	m := ca.Intermediate(t).SVID(t, "/a", certstest.Options{})
	sec1, err := x509.MarshalECPrivateKey(m.Key.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	withRSA := ca.SVID(t, "/a", certstest.Options{Key: rsaKey})
	for name, change := range map[string]func(*files) *certs.Material{
		"PKCS#8": func(*files) *certs.Material { return m },
		"SEC 1": func(f *files) *certs.Material {
			f.write(f.KeyFile, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1}))
			return m
		},
		"PKCS#1": func(f *files) *certs.Material {
			f.put(withRSA)
			f.write(f.KeyFile, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(rsaKey)}))
			return withRSA
		},
		"key and chain in one file": func(f *files) *certs.Material {
			f.write(f.CertFile, slices.Concat(keyPEM(t, m), certPEM(m.Chain...)))
			f.KeyFile = f.CertFile
			return m
		},
		"text around the blocks": func(f *files) *certs.Material {
			f.write(f.CertFile, slices.Concat([]byte("subject: a\n"), certPEM(m.Chain...), []byte("\nthe end\n")))
			return m
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFiles(t, m)
			want := change(&f)
			got, err := pemfile.Load(t.Context(), f.Config)
			if err != nil {
				t.Fatal(err)
			}
			if got.ID != want.ID || len(got.Chain) != len(want.Chain) || len(got.Bundles) != 1 {
				t.Errorf("got %s with a chain of %d", got.ID, len(got.Chain))
			}
		})
	}
}

// spoils are the ways in which files are wrong, by a careless writer or for good.
func spoils(t *testing.T) map[string]func(files, *certs.Material) {
	t.Helper()
	other := certstest.NewCA(t, "acme.ai").SVID(t, "/a", certstest.Options{})
	cut := func(b []byte) []byte { return b[:len(b)-30] }
	return map[string]func(files, *certs.Material){
		"certificate missing":      func(f files, _ *certs.Material) { f.must(os.Remove(f.CertFile)) },
		"key missing":              func(f files, _ *certs.Material) { f.must(os.Remove(f.KeyFile)) },
		"bundle missing":           func(f files, _ *certs.Material) { f.must(os.Remove(f.BundleFile)) },
		"certificate empty":        func(f files, _ *certs.Material) { f.write(f.CertFile, nil) },
		"key empty":                func(f files, _ *certs.Material) { f.write(f.KeyFile, nil) },
		"bundle empty":             func(f files, _ *certs.Material) { f.write(f.BundleFile, nil) },
		"certificate half written": func(f files, m *certs.Material) { f.write(f.CertFile, cut(certPEM(m.Chain...))) },
		"key half written":         func(f files, m *certs.Material) { f.write(f.KeyFile, cut(keyPEM(t, m))) },
		"bundle half written": func(f files, m *certs.Material) {
			f.write(f.BundleFile, slices.Concat(certPEM(m.Bundles[m.ID.TrustDomain()].X509...), cut(certPEM(other.Chain...))))
		},
		"new certificate, old key": func(f files, _ *certs.Material) { f.write(f.CertFile, certPEM(other.Chain...)) },
		"new key, old certificate": func(f files, _ *certs.Material) { f.write(f.KeyFile, keyPEM(t, other)) },
		"new bundle, old certificate": func(f files, _ *certs.Material) {
			f.write(f.BundleFile, certPEM(other.Bundles[other.ID.TrustDomain()].X509...))
		},
		"two keys": func(f files, m *certs.Material) { f.write(f.KeyFile, slices.Concat(keyPEM(t, other), keyPEM(t, m))) },
		"key encrypted": func(f files, _ *certs.Material) {
			f.write(f.KeyFile, pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte{1}}))
		},
		"key readable by the group":     func(f files, _ *certs.Material) { f.must(os.Chmod(f.KeyFile, 0o640)) },
		"key readable by others":        func(f files, _ *certs.Material) { f.must(os.Chmod(f.KeyFile, 0o604)) },
		"key writable by others":        func(f files, _ *certs.Material) { f.must(os.Chmod(f.KeyFile, 0o602)) },
		"a directory for a certificate": func(f files, _ *certs.Material) { f.must(os.Remove(f.CertFile), os.Mkdir(f.CertFile, 0o700)) },
		"over a mebibyte": func(f files, m *certs.Material) {
			f.write(f.CertFile, slices.Concat(certPEM(m.Chain...), bytes.Repeat([]byte("\n"), 1<<20)))
		},
	}
}

func TestSpoiltFiles(t *testing.T) {
	t.Parallel()
	for name := range spoils(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // two seconds of retries pass at once
				ca := certstest.NewCA(t, "acme.ai") // the time in here is another
				good := ca.SVID(t, "/a", certstest.Options{})
				f := newFiles(t, good)
				var reports []error
				f.Report = func(err error) { reports = append(reports, err) }
				s, err := pemfile.New(f.Config)
				if err != nil || !holds(s, good) {
					t.Fatalf("before anything is wrong: %v", err)
				}
				spoils(t)[name](f, good)
				stop := start(t, s)
				defer stop()
				if _, err := pemfile.Load(t.Context(), f.Config); err == nil {
					t.Error("Load took it")
				}
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if !holds(s, good) {
					t.Error("the last good identity is gone")
				}
				if len(reports) != 2 || reports[0] != nil || reports[1] == nil {
					t.Errorf("reports: %v; want one of the first identity and one of the fault", reports)
				}
				next := ca.SVID(t, "/a", certstest.Options{})
				f.must(os.RemoveAll(f.CertFile), os.RemoveAll(f.KeyFile))
				f.put(next)
				time.Sleep(3 * time.Second)
				synctest.Wait()
				if !holds(s, next) {
					t.Error("the mended files were not taken within three seconds")
				}
			})
		})
	}
}

func start(t *testing.T, s *pemfile.Source) (stop func()) {
	t.Helper()
	ctx, cancel := contextWithCancel(t)
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run returned %v", err)
		}
	}
}

// A certificate file is cut after every length: never is half a chain taken.
func TestCutAnywhere(t *testing.T) {
	t.Parallel()
	ca := certstest.NewCA(t, "acme.ai").Intermediate(t)
	m := ca.SVID(t, "/a", certstest.Options{})
	f := newFiles(t, m)
	whole := certPEM(m.Chain...)
	for n := 0; n < len(whole)-1; n += 7 {
		f.write(f.CertFile, whole[:n])
		s, err := pemfile.New(f.Config)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.Current(); err == nil {
			t.Fatalf("%d of %d bytes were taken as a chain of %d", n, len(whole), len(got.Chain))
		}
	}
}

func TestExpiryWithoutNews(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := certstest.NewCA(t, "acme.ai").SVID(t, "/a", certstest.Options{})
		f := newFiles(t, m)
		s, err := pemfile.New(f.Config)
		if err != nil {
			t.Fatal(err)
		}
		stop := start(t, s)
		defer stop()
		time.Sleep(time.Until(m.NotAfter) - time.Second)
		if !holds(s, m) {
			t.Error("dropped before its end")
		}
		time.Sleep(time.Second)
		if _, err := s.Current(); !errors.Is(err, certs.ErrNoMaterial) {
			t.Errorf("after its end: %v", err)
		}
	})
}

func TestNothingThere(t *testing.T) {
	t.Parallel()
	f := newFiles(t, nil)
	s, err := pemfile.New(f.Config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Current(); !errors.Is(err, fs.ErrNotExist) || !errors.Is(err, certs.ErrNoMaterial) {
		t.Errorf("got %v; want the missing file in the reason", err)
	}
	if _, err := pemfile.New(pemfile.Config{CertFile: "a", KeyFile: "b"}); err == nil {
		t.Error("a configuration without a bundle was taken")
	}
}

func TestLoadGivesUpAtOnceWhereWaitingHelpsNothing(t *testing.T) {
	t.Parallel()
	ca := certstest.NewCA(t, "acme.ai")
	expired := newFiles(t, ca.SVID(t, "/a", certstest.Options{NotBefore: time.Now().Add(-2 * time.Hour)}))
	open := newFiles(t, ca.SVID(t, "/a", certstest.Options{}))
	if err := os.Chmod(open.KeyFile, 0o644); err != nil {
		t.Fatal(err)
	}
	for want, f := range map[error]files{
		certs.ErrExpired: expired, pemfile.ErrKeyMode: open, fs.ErrNotExist: newFiles(t, nil),
	} {
		began := time.Now()
		if _, err := pemfile.Load(t.Context(), f.Config); !errors.Is(err, want) || time.Since(began) > time.Second {
			t.Errorf("got %v after %s, want %v at once", err, time.Since(began), want)
		}
	}
}
