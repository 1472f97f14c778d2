// SPDX-License-Identifier: Apache-2.0

package local

import (
	"bytes"
	"context"
	"crypto/fips140"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Secret says where the secret that seals the keystore comes from. Exactly one
// field is set.
type Secret struct {
	// KeyFile is a file of 32 random bytes. Create makes it if it is absent.
	KeyFile string
	// PassphraseFile is a file that holds the passphrase.
	PassphraseFile string
	// Passphrase asks for the passphrase, at a terminal for example. It is
	// called each time that the keystore is opened or written.
	Passphrase func(ctx context.Context) ([]byte, error)
}

// Limits of KEYSTORE.md §1, in bytes.
const (
	keyFileSize   = 32
	minPassphrase = 12
	maxPassphrase = 1024
)

// secret is what a Secret led to.
type secret struct {
	seal  Seal
	bytes []byte
	from  string // for messages: "the key file /a/b"
}

func (s *secret) wipe() { clear(s.bytes) }

var errSecretSource = errors.New("exactly one of a key file, a passphrase file and a way to ask for a passphrase must be given")

// read fetches the secret.
func (s Secret) read(ctx context.Context) (*secret, error) {
	set := 0
	for _, given := range []bool{s.KeyFile != "", s.PassphraseFile != "", s.Passphrase != nil} {
		if given {
			set++
		}
	}
	switch {
	case set != 1:
		return nil, errSecretSource
	case s.KeyFile != "":
		return readKeyFile(s.KeyFile)
	case fips140.Enabled():
		return nil, errors.New("a passphrase cannot seal a keystore in FIPS 140-3 mode; use a key file")
	case s.PassphraseFile != "":
		return readPassphraseFile(s.PassphraseFile)
	default:
		return askPassphrase(ctx, s.Passphrase)
	}
}

func readKeyFile(path string) (*secret, error) {
	b, err := readPrivate(path, keyFileSize)
	if err != nil {
		return nil, fmt.Errorf("reading key file %s: %w", path, err)
	}
	if len(b) != keyFileSize {
		return nil, fmt.Errorf("reading key file %s: it has %d bytes, a key file has 32; put the right one back", path, len(b))
	}
	return &secret{seal: SealKeyFile, bytes: b, from: "the key file " + path}, nil
}

func readPassphraseFile(path string) (*secret, error) {
	b, err := readPrivate(path, maxPassphrase+2)
	if err != nil {
		return nil, fmt.Errorf("reading passphrase file %s: %w", path, err)
	}
	b = bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
	if len(b) == 0 || len(b) > maxPassphrase {
		return nil, fmt.Errorf("reading passphrase file %s: it holds %d bytes; a passphrase has 1 to %d", path, len(b), maxPassphrase)
	}
	return &secret{seal: SealPassphrase, bytes: b, from: "the passphrase from " + path}, nil
}

func askPassphrase(ctx context.Context, ask func(context.Context) ([]byte, error)) (*secret, error) {
	b, err := ask(ctx)
	if err != nil {
		return nil, fmt.Errorf("asking for the passphrase: %w", err)
	}
	if len(b) == 0 || len(b) > maxPassphrase {
		return nil, fmt.Errorf("the passphrase has %d bytes, it must have 1 to %d", len(b), maxPassphrase)
	}
	return &secret{seal: SealPassphrase, bytes: bytes.Clone(b), from: "the passphrase"}, nil
}

// strongEnough refuses to seal anew with a passphrase that is easy to guess.
// Opening takes any, so that an old keystore never becomes unreadable.
func (s *secret) strongEnough() error {
	if s.seal == SealPassphrase && len(s.bytes) < minPassphrase {
		return fmt.Errorf("%s has %d bytes; a new one needs at least %d", s.from, len(s.bytes), minPassphrase)
	}
	return nil
}

// readPrivate reads a file of at most limit bytes that only its owner may read
// or write. The check is made on the opened file, so it cannot be swapped in
// between.
func readPrivate(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, bare(err)
	}
	defer func() { _ = f.Close() }() // nothing was written
	fi, err := f.Stat()
	if err != nil {
		return nil, bare(err)
	}
	if !fi.Mode().IsRegular() {
		return nil, errors.New("it is no regular file")
	}
	if fi.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%w (mode %04o); run chmod 600 %s", ErrExposed, fi.Mode().Perm(), path)
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	return b, bare(err)
}

// bare drops the operation and path of an error of package os: the message
// around it names the file.
func bare(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Err
	}
	return err
}
