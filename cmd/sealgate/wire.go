// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/certs/authority"
	"github.com/sealgate/sealgate/certs/pemfile"
	"github.com/sealgate/sealgate/certs/workload"
	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/envelope/kek/local"
	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/config"
	"github.com/sealgate/sealgate/gateway/control"
	"github.com/sealgate/sealgate/gateway/state"
	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/disk"
	"github.com/sealgate/sealgate/gateway/store/s3"
)

// This file is the only one that knows which adapters there are.

// openStore opens the store of one bucket; the closer may be nil.
func openStore(cfg *config.Config, bucket string, persist func(string)) (store.Store, func() error, error) {
	b := cfg.Bucket(bucket)
	backend := cfg.Backend(b.Backend)
	if backend.Kind == config.BackendDisk {
		if err := os.MkdirAll(backend.Dir, 0o700); err != nil {
			return nil, nil, err
		}
		st, err := disk.Open(disk.Config{Dir: backend.Dir + "/" + b.Bucket, Persist: persist})
		if err != nil {
			return nil, nil, err
		}
		return st, st.Close, nil
	}
	st, err := s3.Open(s3Config(backend, b.Bucket))
	return st, nil, err
}

func s3Config(b *config.Backend, bucket string) s3.Config {
	return s3.Config{
		Endpoint: b.Endpoint, Region: b.Region, Bucket: bucket, CAFile: b.CAFile,
		Instance: b.Credential.Instance, Read: func() (s3.Credentials, error) { return readCredentials(b.Credential.File) },
	}
}

// openBuckets opens what makes and removes the buckets of a backend.
func openBuckets(cfg *config.Config, backend string) (store.BucketMaker, error) {
	b := cfg.Backend(backend)
	if b == nil {
		return nil, fmt.Errorf("backend %s is not configured", backend)
	}
	if b.Kind == config.BackendDisk {
		if err := os.MkdirAll(b.Dir, 0o700); err != nil {
			return nil, err
		}
		return disk.Buckets{Dir: b.Dir}, nil
	}
	return s3.OpenBuckets(s3Config(b, ""))
}

// openKEK opens a KEK. The first start of an installation makes the keystore,
// and says which key file it made.
func openKEK(ctx context.Context, cfg *config.Config, name string, db *state.DB, accept uint64, persist func(string)) (envelope.KEK, string, error) {
	c := keystoreConfig(*cfg.KEK(name))
	c.Persist, c.AcceptGeneration = persist, accept
	c.Generation = func(ctx context.Context) (uint64, error) { return db.Generation(ctx, name) }
	c.SetGeneration = func(ctx context.Context, g uint64) error { return db.SetGeneration(ctx, name, g) }
	kek, err := local.Open(ctx, c)
	if !errors.Is(err, fs.ErrNotExist) {
		return kek, "", err
	}
	seen, gerr := db.Generation(ctx, name)
	if gerr != nil {
		return nil, "", gerr
	}
	if seen > 0 { // it was there before: a new one would open nothing
		return nil, "", fmt.Errorf("%w; put the keystore or its backup back", err)
	}
	kek, made, err := local.Create(ctx, c)
	if errors.Is(err, local.ErrExists) { // another replica made it meanwhile
		kek, err = local.Open(ctx, c)
	}
	return kek, made.KeyFile, err
}

func keystoreConfig(k config.KEK) local.Config {
	return local.Config{Path: k.Keystore, Name: k.Name, Secret: local.Secret{KeyFile: k.KeyFile, PassphraseFile: k.Passphrase.File}}
}

// openIdentitySource gets the gateway's identity from outside; the function
// keeps it fresh until its context ends.
func openIdentitySource(ctx context.Context, cfg *config.Config, report func(error)) (certs.Source, func(context.Context) error, error) {
	if cfg.Identity.Source == config.SourceFiles {
		return openIdentityFiles(ctx, cfg, report)
	}
	s, err := workload.New(workload.Config{
		Socket: cfg.Identity.Workload.Socket, ID: cfg.Identity.Workload.ID, Tokens: cfg.Listeners.Session.Enabled, Report: report,
	})
	if err != nil {
		return nil, nil, err
	}
	return s, s.Run, nil
}

// openIdentityFiles refuses files that cannot be used at the start: that is a
// mistake to be told of. Later ones are waited for, with the old in force.
func openIdentityFiles(ctx context.Context, cfg *config.Config, report func(error)) (certs.Source, func(context.Context) error, error) {
	f := cfg.Identity.Files
	c := pemfile.Config{CertFile: f.Cert, KeyFile: f.Key, BundleFile: f.Bundle, Report: report}
	m, err := pemfile.Load(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	if td := m.ID.TrustDomain(); td != cfg.TrustDomain {
		return nil, nil, fmt.Errorf("reading the identity in %s: it is of trust domain %s, the gateway's is %s", f.Cert, td, cfg.TrustDomain)
	}
	s, err := pemfile.New(c)
	if err != nil {
		return nil, nil, err
	}
	return s, s.Run, nil
}

// openServerCertificate reads what a listener presents; the second function
// keeps it fresh until its context ends.
func openServerCertificate(f config.TLSFiles, report func(error)) (func() (*tls.Certificate, error), func(context.Context) error, error) {
	p, err := pemfile.NewPair(f.Cert, f.Key, report)
	if err != nil {
		return nil, nil, err
	}
	return p.Current, p.Run, nil
}

// Errors of the built-in authority that callers branch on.
var (
	errBadEntry = authority.ErrEntry
	errNoEntry  = authority.ErrNoEntry
)

// authorityIssuer is the built-in authority behind the issuer interface.
type authorityIssuer struct{ *authority.Authority }

// openAuthority opens the built-in authority. Every SVID is on the record
// before it leaves.
func openAuthority(ctx context.Context, cfg *config.Config, sealer authority.Sealer, log audit.Recorder, persist func(string), fault func(error)) (issuer, error) {
	host, _, err := net.SplitHostPort(cfg.Listeners.S3.Address)
	if err != nil {
		return nil, err
	}
	names := []string{"localhost"}
	if h, err := os.Hostname(); err == nil && net.ParseIP(host) != nil && !net.ParseIP(host).IsLoopback() {
		names = append(names, h)
	}
	if domain := cfg.Listeners.S3.Domain; domain != "" {
		names = append(names, domain)
		for _, b := range cfg.Buckets { // one each: a wildcard stands for one label, and a bucket may have several
			names = append(names, b.Name+"."+domain)
		}
	}
	if l := cfg.Listeners.Session; l.Enabled && l.TLS.Cert == "" && l.Domain != "" && l.Domain != cfg.Listeners.S3.Domain {
		names = append(names, l.Domain)
		for _, b := range cfg.Buckets {
			names = append(names, b.Name+"."+l.Domain)
		}
	}
	a, err := authority.Open(ctx, authority.Config{
		Dir: cfg.AuthorityDir(), Socket: cfg.WorkloadSocket(), TrustDomain: cfg.TrustDomain, Sealer: sealer, GatewayDNS: names,
		Record: func(ctx context.Context, i authority.Issue) error { return recordIssue(ctx, log, i) }, Fault: fault, Persist: persist,
	})
	if err != nil {
		return nil, err
	}
	return authorityIssuer{a}, nil
}

// recordIssue puts an SVID on the record before it leaves.
func recordIssue(ctx context.Context, log audit.Recorder, i authority.Issue) error {
	e := audit.Event{
		Event: "svid.issue", Actor: i.ID.String(), ActorType: "service", TrustDomain: i.ID.TrustDomain().String(), Action: "issue-" + i.Kind,
		CertSerial: i.Serial, Bucket: "gateway", Key: "certs", Decision: "allow", Detail: map[string]string{"key_id": i.KeyID}, AwaitOutcome: true,
	}
	if i.Caller != nil {
		e.Detail["uid"], e.Detail["pid"], e.Detail["exec"] = fmt.Sprint(i.Caller.UID), fmt.Sprint(i.Caller.PID), i.Caller.Exec
	}
	p, err := log.Begin(ctx, e)
	if err != nil {
		return err
	}
	return p.End(ctx, audit.Outcome{})
}

// Entries implements issuer.
func (a authorityIssuer) Entries() []control.Entry {
	var out []control.Entry
	for _, e := range a.Authority.Entries() {
		out = append(out, entryOut(e))
	}
	return out
}

func entryOut(e authority.Entry) control.Entry {
	return control.Entry{ID: e.ID, SPIFFE: e.SPIFFE.String(), UID: e.UID, GID: e.GID, Unit: e.Unit, Exec: e.Exec, DNS: e.DNS}
}

// AddEntry implements issuer.
func (a authorityIssuer) AddEntry(e control.Entry) (control.Entry, error) {
	id, err := certs.ParseID(e.SPIFFE)
	if err != nil {
		return e, fmt.Errorf("%w: %w", errBadEntry, err)
	}
	added, err := a.Authority.AddEntry(authority.Entry{ID: e.ID, SPIFFE: id, UID: e.UID, GID: e.GID, Unit: e.Unit, Exec: e.Exec, DNS: e.DNS})
	return entryOut(added), err
}

// fetchMaterial asks a Workload API once who this process is. That nobody
// answers and that this process is nobody are different errors.
func fetchMaterial(ctx context.Context, socket string) (*certs.Material, error) {
	m, err := workload.Fetch(ctx, workload.Config{Socket: socket})
	doing := "asking " + socket + " who this is: %w"
	switch {
	case errors.Is(err, workload.ErrUnavailable):
		return nil, fail(exitUnavailable, fmt.Errorf(doing, workload.ErrUnavailable), "is `sealgate serve` running with this data directory?")
	case errors.Is(err, workload.ErrDenied):
		return nil, fail(exitDenied, fmt.Errorf(doing, workload.ErrDenied), "`sealgate certs entries list` shows who gets one")
	case err != nil:
		return nil, fail(exitFailed, fmt.Errorf(doing, err), "")
	}
	return m, nil
}

// watchMaterial keeps asking until ctx ends.
func watchMaterial(ctx context.Context, socket string) (certs.Source, error) {
	s, err := workload.New(workload.Config{Socket: socket})
	if err != nil {
		return nil, usage("", "%w", err)
	}
	go func() { _ = s.Run(ctx) }() // it only ends with ctx, and then without an error
	return s, nil
}

// writeMaterial puts an identity into PEM files.
func writeMaterial(dir string, m *certs.Material, persist func(string)) error {
	return pemfile.Writer{Dir: dir, Persist: persist}.Write(m)
}

// identityFromFiles reads an identity from PEM files.
func identityFromFiles(ctx context.Context, cert, key, bundle string) (certs.Source, error) {
	m, err := pemfile.Load(ctx, pemfile.Config{CertFile: cert, KeyFile: key, BundleFile: bundle})
	if err != nil {
		return nil, usage("", "reading the client certificate: %w", err)
	}
	return certs.Static(m)
}

// storedFile opens a file of the disk store without the store around it: the
// metadata and the sealed body.
func storedFile(name string) (meta string, body storedBody, size int64, err error) {
	o, err := disk.OpenFile(name)
	if err != nil {
		return "", nil, 0, err
	}
	return o.Metadata, o, o.Size, nil
}

func (s keystoreSecret) local() local.Secret {
	out := local.Secret{KeyFile: s.keyFile, PassphraseFile: s.passphraseFile}
	if s.passphrase != nil {
		out.Passphrase = func(context.Context) ([]byte, error) { return s.passphrase, nil }
	}
	return out
}

// openKeystore opens a keystore for work without a gateway.
func openKeystore(ctx context.Context, path, keyFile, passphraseFile string) (envelope.KEK, error) {
	secret := keystoreSecret{keyFile: keyFile, passphraseFile: passphraseFile}
	if passphraseFile != "" {
		secret.keyFile = ""
	}
	k, err := local.Open(ctx, local.Config{Path: path, Name: config.KEKLocal, Secret: secret.local()})
	if err != nil {
		return nil, err
	}
	return k, nil
}

// createKeystore makes a keystore and gives the key file it made, if any.
func createKeystore(ctx context.Context, path string, secret keystoreSecret) (string, error) {
	_, made, err := local.Create(ctx, local.Config{Path: path, Name: config.KEKLocal, Secret: secret.local()})
	return made.KeyFile, err
}

// changeSecret seals a keystore again while no gateway has the data directory.
func changeSecret(ctx context.Context, cfg *config.Config, k *config.KEK, from, to keystoreSecret) (err error) {
	lock, err := state.LockDir(cfg.DataDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	db, err := state.Open(ctx, stateConfig(cfg))
	if err != nil {
		return awayIfSo(err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	kek, err := local.Open(ctx, local.Config{
		Path: k.Keystore, Name: k.Name, Secret: from.local(),
		Generation:    func(ctx context.Context) (uint64, error) { return db.Generation(ctx, k.Name) },
		SetGeneration: func(ctx context.Context, g uint64) error { return db.SetGeneration(ctx, k.Name, g) },
	})
	if err != nil {
		return err
	}
	_, err = kek.ChangeSecret(ctx, to.local())
	return err
}

// readCredentials reads the credential file of a backend: a JSON object with
// access_key, secret_key and, for temporary ones, session_token.
func readCredentials(file string) (s3.Credentials, error) {
	b, err := readPrivate(file)
	if err != nil {
		return s3.Credentials{}, err
	}
	var f struct {
		AccessKey    string `json:"access_key"`
		SecretKey    string `json:"secret_key"`
		SessionToken string `json:"session_token"`
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil || f.AccessKey == "" || f.SecretKey == "" {
		return s3.Credentials{}, fmt.Errorf(`%s is not {"access_key": ..., "secret_key": ...}`, file)
	}
	return s3.Credentials{AccessKey: f.AccessKey, SecretKey: f.SecretKey, SessionToken: f.SessionToken}, nil
}
