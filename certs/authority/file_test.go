// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sealgate/sealgate/certs"
)

// TestFilesAreOurs: folder and files are private, and what others may write is
// refused.
func TestFilesAreOurs(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t)
	a := mustOpen(t, cfg)
	mustAdd(t, a, mine(t, "/job/a"))
	for name, want := range map[string]fs.FileMode{"": 0o700, "keys.json": 0o600, "entries.json": 0o600} {
		path := filepath.Join(cfg.Dir, name)
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: want mode %o, got %v, %v", path, want, info.Mode(), err)
		}
		for _, loose := range []fs.FileMode{want | 0o020, want | 0o002} {
			if err := os.Chmod(path, loose); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(t.Context(), cfg); !wantText(err, "may be written by other users") {
				t.Errorf("%s with mode %o: %v", path, loose, err)
			}
		}
		if err := os.Chmod(path, want); err != nil {
			t.Fatal(err)
		}
	}
	mustOpen(t, cfg)
	left, err := filepath.Glob(filepath.Join(cfg.Dir, "*.tmp"))
	if err != nil || len(left) > 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}

// TestForeignOwner: a file that another user owns is refused, whatever its mode.
func TestForeignOwner(t *testing.T) {
	needRoot(t)
	t.Parallel()
	cfg := testConfig(t)
	a := mustOpen(t, cfg)
	mustAdd(t, a, mine(t, "/job/a"))
	if err := os.Chown(filepath.Join(cfg.Dir, "entries.json"), 4001, 4001); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), cfg); !wantText(err, "belongs to uid 4001") {
		t.Errorf("got %v", err)
	}
}

// TestSymlinkIsRefused: a link in the place of a file leads nowhere.
func TestSymlinkIsRefused(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t)
	mustOpen(t, cfg)
	other := filepath.Join(filepath.Dir(cfg.Dir), "other.json")
	if err := os.WriteFile(other, []byte(`{"version":1,"entries":[]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(other, filepath.Join(cfg.Dir, "entries.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), cfg); !wantText(err, "opening") {
		t.Errorf("got %v", err)
	}
}

// TestNoKeyInClear: nothing of the private keys is in the folder.
func TestNoKeyInClear(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t)
	a := mustOpen(t, cfg)
	for _, keys := range [][]*signingKey{a.state.Load().keys.x509, a.state.Load().keys.jwt} {
		secret, err := keys[0].private.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(cfg.Dir, "keys.json"))
		if err != nil {
			t.Fatal(err)
		}
		var doc keysDoc
		if err := json.Unmarshal(data, &doc); err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(data, secret) || bytes.Contains(doc.Sealed, secret) {
			t.Error("a private key is in keys.json")
		}
	}
}

// TestKeysThatDoNotOpen: whatever is wrong with keys.json, it is an error and never
// a new CA.
func TestKeysThatDoNotOpen(t *testing.T) {
	t.Parallel()
	reseal := func(cfg Config, change func(*keysBody)) func([]byte) []byte {
		return func(data []byte) []byte {
			var doc keysDoc
			var body keysBody
			plain := must(cfg.Sealer.Open(context.Background(), keysPurpose(testDomain), must(doc, json.Unmarshal(data, &doc)).Sealed))
			must(0, json.Unmarshal(plain, &body))
			change(&body)
			doc.Sealed = must(cfg.Sealer.Seal(context.Background(), keysPurpose(testDomain), must(json.Marshal(body))))
			return must(json.Marshal(doc))
		}
	}
	for _, tc := range []struct {
		name   string
		change func(cfg *Config) func(data []byte) []byte
		want   string
	}{
		{"another sealing key", func(c *Config) func([]byte) []byte { c.Sealer = newSealer(2); return nil }, "unsealing the keys"},
		{"another domain", func(c *Config) func([]byte) []byte {
			c.TrustDomain = certs.MustParseTrustDomain("other.local")
			return nil
		}, "never changes its folder"},
		{"domain changed in the file", func(c *Config) func([]byte) []byte {
			c.TrustDomain = certs.MustParseTrustDomain("evil.local")
			return func(b []byte) []byte { return bytes.Replace(b, []byte("test.local"), []byte("evil.local"), 1) }
		}, "unsealing the keys"},
		{"one bit", func(*Config) func([]byte) []byte {
			return func(b []byte) []byte { b[len(b)/2] ^= 1; return b }
		}, "reading"},
		{"empty", func(*Config) func([]byte) []byte { return func([]byte) []byte { return nil } }, "EOF"},
		{"cut", func(*Config) func([]byte) []byte { return func(b []byte) []byte { return b[:len(b)/2] } }, "EOF"},
		{"another version", func(*Config) func([]byte) []byte {
			return func(b []byte) []byte { return bytes.Replace(b, []byte(`"version": 1`), []byte(`"version": 2`), 1) }
		}, "version 2"},
		{"two active", func(c *Config) func([]byte) []byte {
			return reseal(*c, func(b *keysBody) { b.X509 = append(b.X509, b.X509[0]) })
		}, "the second one that is active"},
		{"unknown state", func(c *Config) func([]byte) []byte {
			return reseal(*c, func(b *keysBody) { b.JWT[0].State = "lost" })
		}, `unknown state "lost"`},
		{"keys swapped", func(c *Config) func([]byte) []byte {
			return reseal(*c, func(b *keysBody) { b.X509[0].Private = b.JWT[0].Private })
		}, "not a pair"},
		{"no private key", func(c *Config) func([]byte) []byte {
			return reseal(*c, func(b *keysBody) { b.X509[0].Private = nil })
		}, "does not parse"},
		{"certificate of another key", func(c *Config) func([]byte) []byte {
			return reseal(*c, func(b *keysBody) { b.X509[0].Public, b.X509[0].Private = b.JWT[0].Public, b.JWT[0].Private })
		}, "of another key"},
		{"certificate of another domain", func(c *Config) func([]byte) []byte {
			return reseal(*c, func(b *keysBody) {
				k := must(newCA(certs.MustParseTrustDomain("evil.local"), time.Now(), 30*day, time.Hour))
				b.X509 = []keyRecord{must(k.record())}
			})
		}, "not of trust domain test.local"},
		{"longer life than the certificate", func(c *Config) func([]byte) []byte {
			return reseal(*c, func(b *keysBody) { b.X509[0].End = b.X509[0].End.Add(day) })
		}, "ends at another time"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			cfg := testConfig(t)
			mustOpen(t, cfg)
			path := filepath.Join(cfg.Dir, "keys.json")
			data := must(os.ReadFile(path))
			if change := tc.change(&cfg); change != nil {
				data = change(data)
				if err := os.WriteFile(path, data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := Open(t.Context(), cfg); !wantText(err, tc.want) || !wantText(err, path) {
				t.Errorf("want an error of %s with %q, got %v", path, tc.want, err)
			}
			if !bytes.Equal(must(os.ReadFile(path)), data) {
				t.Error("the file was changed")
			}
		})
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestFailedWrite: what could not be made durable is not in force.
func TestFailedWrite(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t)
	a := mustOpen(t, cfg)
	mustAdd(t, a, mine(t, "/job/a"))
	if err := os.Mkdir(filepath.Join(cfg.Dir, "entries.json.tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(cfg.Dir, "entries.json.tmp", "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := a.AddEntry(mine(t, "/job/b")); err == nil || errors.Is(err, ErrEntry) {
		t.Errorf("want an error of the disk, got %v", err)
	}
	if n := len(a.Entries()); n != 1 {
		t.Errorf("an entry that is not on disk is in force: %d", n)
	}
	if err := a.DeleteEntry(a.Entries()[0].ID); err == nil {
		t.Error("want an error of the disk")
	}
	if n := len(a.Entries()); n != 1 {
		t.Errorf("an entry that is on disk is not in force: %d", n)
	}
}

// TestConfigIsChecked: what cannot work is refused at the start.
func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"no folder", func(c *Config) { c.Dir = "" }, "no folder"},
		{"no domain", func(c *Config) { c.TrustDomain = certs.TrustDomain{} }, "no trust domain"},
		{"no sealer", func(c *Config) { c.Sealer = nil }, "nothing to seal"},
		{"short TTL", func(c *Config) { c.SVIDTTL = 59 * time.Second }, "1m0s to 23h59m0s"},
		{"long TTL", func(c *Config) { c.SVIDTTL = day }, "1m0s to 23h59m0s"},
		{"long JWT TTL", func(c *Config) { c.JWTTTL = 2 * time.Hour }, "1m0s to 1h0m0s"},
		{"short CA life", func(c *Config) { c.CALifetime = 3 * time.Hour }, "at least 4h0m0s"},
		{"CA life too short for the TTL", func(c *Config) { c.SVIDTTL, c.CALifetime = 12*time.Hour, day }, "at least 48h0m0s"},
		{"gateway's name", func(c *Config) { c.GatewayDNS = []string{"*.example"} }, "gateway's DNS name"},
		{"parent is missing", func(c *Config) { c.Dir = filepath.Join(c.Dir, "a", "b") }, "making the folder"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			cfg := testConfig(t)
			tc.change(&cfg)
			if _, err := Open(t.Context(), cfg); !wantText(err, tc.want) {
				t.Errorf("want %q, got %v", tc.want, err)
			}
		})
	}
}
