// SPDX-License-Identifier: Apache-2.0

package pemfile

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/sealgate/sealgate/certs"
)

// maxFile bounds a file in bytes: a bundle of a few hundred roots.
const maxFile = 1 << 20

var (
	// ErrKeyMode tells that the key file may be read by its group or by others.
	ErrKeyMode = errors.New("the key file may be read by others; chmod 600")
	// ErrChanging tells that the files were not the same when read twice.
	ErrChanging = errors.New("the files are being changed")
)

// digest is the SHA-256 of the three files.
type digest [sha256.Size]byte

// contents are the three files at one moment.
type contents struct{ cert, key, bundle []byte }

func (c contents) digest() digest {
	h := sha256.New()
	for _, b := range [][]byte{c.cert, c.key, c.bundle} {
		sum := sha256.Sum256(b)
		h.Write(sum[:])
	}
	return digest(h.Sum(nil))
}

// mayPass tells faults that a writer in the middle of its work makes from such
// as stay.
func mayPass(err error) bool {
	return !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrKeyMode) && !errors.Is(err, certs.ErrExpired)
}

// read reads the files twice and parses them. Whether they fit together is left to
// [certs.Material.Check].
func read(c Config) (*certs.Material, digest, error) {
	first, err := readFiles(c)
	if err != nil {
		return nil, digest{}, err
	}
	second, err := readFiles(c)
	if err != nil {
		return nil, digest{}, err
	}
	sum := first.digest()
	if second.digest() != sum {
		return nil, digest{}, ErrChanging
	}
	m, err := parse(c, first)
	return m, sum, err
}

func readFiles(c Config) (contents, error) {
	cert, err := readFile(c.CertFile, 0)
	if err != nil {
		return contents{}, err
	}
	key, err := readFile(c.KeyFile, 0o077)
	if err != nil {
		return contents{}, err
	}
	bundle, err := readFile(c.BundleFile, 0)
	return contents{cert, key, bundle}, err
}

// readFile reads a regular file with none of the mode bits in forbidden. The mode is
// that of the opened file, whatever the name points to a moment later.
func readFile(name string, forbidden fs.FileMode) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	if mode := info.Mode().Perm(); mode&forbidden != 0 {
		return nil, fmt.Errorf("%s has mode %04o: %w", name, mode, ErrKeyMode)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("%s is over %d bytes", name, maxFile)
	}
	return b, err
}

func parse(c Config, files contents) (*certs.Material, error) {
	chain, err := parseCerts(files.cert)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.CertFile, err)
	}
	key, err := parseKey(files.key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.KeyFile, err)
	}
	roots, err := parseCerts(files.bundle)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.BundleFile, err)
	}
	id, err := certs.LeafID(chain[0])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.CertFile, err)
	}
	td := id.TrustDomain()
	return &certs.Material{
		ID: id, Chain: chain, Key: key, NotBefore: chain[0].NotBefore, NotAfter: chain[0].NotAfter,
		Bundles: map[certs.TrustDomain]*certs.Bundle{td: {TrustDomain: td, X509: roots}},
	}, nil
}

func parseCerts(b []byte) ([]*x509.Certificate, error) {
	blocks, err := decode(b)
	if err != nil {
		return nil, err
	}
	var all []*x509.Certificate
	for _, block := range blocks {
		if block.Type != "CERTIFICATE" {
			continue // the key of a file that holds both
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		all = append(all, cert)
	}
	if len(all) == 0 {
		return nil, errors.New("it holds no certificate")
	}
	return all, nil
}

func parseKey(b []byte) (crypto.Signer, error) {
	blocks, err := decode(b)
	if err != nil {
		return nil, err
	}
	var found crypto.Signer
	for _, block := range blocks {
		key, err := parseKeyBlock(block)
		if err != nil {
			return nil, err
		}
		if key != nil && found != nil {
			return nil, errors.New("it holds more than one private key")
		}
		if key != nil {
			found = key
		}
	}
	if found == nil {
		return nil, errors.New("it holds no private key")
	}
	return found, nil
}

// parseKeyBlock returns nil for a block that is no key.
func parseKeyBlock(block *pem.Block) (crypto.Signer, error) {
	var key any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "ENCRYPTED PRIVATE KEY":
		err = errors.New("the private key is encrypted; an unencrypted one with mode 0600 is needed")
	default:
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a private key of type %T", key)
	}
	return signer, nil
}

// decode returns the PEM blocks of b. A block that is begun and does not end is an
// error: the file was read while it was written.
func decode(b []byte) ([]*pem.Block, error) {
	var blocks []*pem.Block
	for {
		block, rest := pem.Decode(b)
		if block == nil {
			break
		}
		blocks, b = append(blocks, block), rest
	}
	if bytes.Contains(b, []byte("-----BEGIN")) {
		return nil, errors.New("a PEM block is cut short or damaged")
	}
	return blocks, nil
}
