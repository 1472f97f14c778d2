// SPDX-License-Identifier: Apache-2.0

package pemfile

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sealgate/sealgate/certs"
)

// The names that Write makes in its directory.
const (
	CertName   = "svid.pem"
	KeyName    = "key.pem"
	BundleName = "bundle.pem"

	link      = ".svid"  // symbolic link to the generation in force
	genPrefix = ".svid-" // and a random part: one generation
)

// How long a generation that is not in force is left alone: another writer may be
// about to put it in force, and readers may be on their way into it.
const genGrace = time.Minute

// PersistPoints are the names with which [Writer.Persist] is called, in order.
var PersistPoints = []string{
	"pemfile.sync-file", "pemfile.sync-generation", "pemfile.link-name", "pemfile.switch", "pemfile.sync-dir",
}

// Writer writes identities into one directory.
type Writer struct {
	// Dir is made with mode 0700 if it is not there.
	Dir string
	// Persist, if not nil, is called before each durable step with its name.
	Persist func(point string)
}

// Write puts m's files into dir; see the package's documentation for how.
func Write(dir string, m *certs.Material) error { return Writer{Dir: dir}.Write(m) }

// Write puts m's files into w.Dir. The key has mode 0600, the others 0644. The bundle
// is that of m's own trust domain.
func (w Writer) Write(m *certs.Material) error {
	if err := w.write(m); err != nil {
		return fmt.Errorf("writing the identity to %s: %w", w.Dir, err)
	}
	return nil
}

func (w Writer) write(m *certs.Material) error {
	if err := m.Check(time.Now()); err != nil {
		return err
	}
	if err := os.MkdirAll(w.Dir, 0o700); err != nil {
		return err
	}
	gen, err := w.generation(m)
	if err != nil {
		return err
	}
	// Links first: on the first write they point nowhere until the switch, so that
	// no name shows a file before all do.
	for _, name := range []string{CertName, KeyName, BundleName} {
		if err := w.relink("pemfile.link-name", filepath.Join(link, name), name); err != nil {
			return err
		}
	}
	old, _ := os.Readlink(filepath.Join(w.Dir, link))
	if err := w.relink("pemfile.switch", gen, link); err != nil {
		return err
	}
	w.persist("pemfile.sync-dir")
	if err := syncDir(w.Dir); err != nil {
		return err
	}
	w.sweep(gen, old)
	return nil
}

// generation fills a new directory and returns its name.
func (w Writer) generation(m *certs.Material) (string, error) {
	key, err := x509.MarshalPKCS8PrivateKey(m.Key)
	if err != nil {
		return "", err
	}
	gen := genPrefix + strings.ToLower(rand.Text())
	dir := filepath.Join(w.Dir, gen)
	//nolint:gosec // certificate and bundle are public; the key has its own mode, and w.Dir its own
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})
	err = errors.Join(
		w.writeFile(filepath.Join(dir, CertName), encodeCerts(m.Chain), 0o644),
		w.writeFile(filepath.Join(dir, KeyName), keyPEM, 0o600),
		w.writeFile(filepath.Join(dir, BundleName), encodeCerts(m.Bundles[m.ID.TrustDomain()].X509), 0o644),
	)
	if err == nil {
		w.persist("pemfile.sync-generation")
		err = syncDir(dir)
	}
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	return gen, nil
}

func (w Writer) writeFile(name string, b []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	if _, err := f.Write(b); err != nil {
		return errors.Join(err, f.Close())
	}
	w.persist("pemfile.sync-file")
	return errors.Join(f.Sync(), f.Close())
}

// relink makes name a symbolic link to target by one rename, whatever was there.
func (w Writer) relink(point, target, name string) error {
	path := filepath.Join(w.Dir, name)
	if have, err := os.Readlink(path); err == nil && have == target {
		return nil
	}
	temp := filepath.Join(w.Dir, tempName(name)+strings.ToLower(rand.Text()))
	if err := os.Symlink(target, temp); err != nil {
		return err
	}
	w.persist(point)
	if err := os.Rename(temp, path); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return nil
}

// sweep removes what nobody needs: generations but the one in force and the one
// before, and what writers that were stopped have left. Young ones stay: they may
// be another writer's. What cannot be removed is left for the next write.
func (w Writer) sweep(current, before string) {
	entries, err := os.ReadDir(w.Dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		name := e.Name()
		if !leftover(name) || name == current || name == before {
			continue
		}
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > genGrace {
			_ = os.RemoveAll(filepath.Join(w.Dir, name))
		}
	}
}

// leftover tells the names that generation and relink make up.
func leftover(name string) bool {
	for _, prefix := range []string{genPrefix, tempName(CertName), tempName(KeyName), tempName(BundleName), tempName(link)} {
		if len(name) == len(prefix)+len(rand.Text()) && strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

func tempName(name string) string { return "." + name + "." }

func (w Writer) persist(point string) {
	if w.Persist != nil {
		w.Persist(point)
	}
}

func encodeCerts(all []*x509.Certificate) []byte {
	var b bytes.Buffer
	for _, c := range all {
		b.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	return b.Bytes()
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
