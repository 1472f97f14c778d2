// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/config"
)

// configuredKEK opens the first keystore of the config file.
func (a *app) configuredKEK(ctx context.Context) (envelope.KEK, error) {
	k, err := a.oneKEK(nil)
	if err != nil {
		return nil, err
	}
	return openKeystore(ctx, k.Keystore, k.KeyFile, k.Passphrase.File)
}

// oneKEK gives the KEK that args name, or the only one that is configured.
func (a *app) oneKEK(args []string) (*config.KEK, error) {
	source, err := a.configSource()
	if err != nil {
		return nil, err
	}
	cfg, err := source.load(a)
	if err != nil {
		return nil, err
	}
	if len(args) == 1 {
		if k := cfg.KEK(args[0]); k != nil {
			return k, nil
		}
		return nil, usage("", "the config has no KEK %q", args[0])
	}
	if len(cfg.KEKs) != 1 {
		return nil, usage("name one of them", "the config has %d KEKs", len(cfg.KEKs))
	}
	return &cfg.KEKs[0], nil
}

func (a *app) keysInitCmd() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "init [KEK]", Short: "Make a new keystore", Args: cobra.MaximumNArgs(1),
		Long: `Makes the keystore of a KEK of the config, sealed by a passphrase: typed twice on
a terminal, or read from --passphrase-file. Without a passphrase it is sealed by
the key file of the config, which is made too. It never replaces a keystore.

"sealgate serve" makes one by itself at its first start; this is for choosing a
passphrase before there is any data.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			k, err := a.oneKEK(args)
			if err != nil {
				return err
			}
			return a.keysInit(cmd.Context(), k, file)
		},
	}
	c.Flags().StringVar(&file, "passphrase-file", "", "`file` with the passphrase [$SEALGATE_PASSPHRASE_FILE]")
	return c
}

func (a *app) keysInit(ctx context.Context, k *config.KEK, file string) error {
	if file == "" {
		file = k.Passphrase.File
	}
	secret, err := a.newSecret(k, file)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(k.Keystore), 0o700); err != nil {
		return fmt.Errorf("making the directory of the keystore: %w", err)
	}
	made, err := createKeystore(ctx, k.Keystore, secret)
	if err != nil {
		return err
	}
	text := "sealed by a passphrase"
	if made != "" {
		text = "sealed by the new key file " + made
	} else if secret.keyFile != "" {
		text = "sealed by key file " + secret.keyFile
	}
	_, err = fmt.Fprintf(a.stdout, "made %s, %s\n", k.Keystore, text)
	return err
}

// keystoreSecret is what seals a keystore: exactly one field is set.
type keystoreSecret struct {
	keyFile, passphraseFile string
	passphrase              []byte
}

// newSecret gives what a keystore is to be sealed with: a passphrase from a
// file or a terminal, else the key file of the config.
func (a *app) newSecret(k *config.KEK, file string) (keystoreSecret, error) {
	switch {
	case file != "":
		return keystoreSecret{passphraseFile: file}, nil
	case terminalIn(a.stdin):
		p, err := a.typedTwice()
		if err != nil || len(p) > 0 {
			return keystoreSecret{passphrase: p}, err
		}
	}
	if k.KeyFile == "" {
		return keystoreSecret{}, usage("name one with --passphrase-file", "there is no passphrase and no key file to seal %s with", k.Keystore)
	}
	return keystoreSecret{keyFile: k.KeyFile}, nil
}

// typedTwice asks for a new passphrase; an empty one means none.
func (a *app) typedTwice() ([]byte, error) {
	first, err := a.typed("New passphrase (empty: none): ")
	if err != nil || len(first) == 0 {
		return nil, err
	}
	second, err := a.typed("Again: ")
	if err == nil && !bytes.Equal(first, second) {
		err = usage("", "the two passphrases differ; nothing was changed")
	}
	return first, err
}

func (a *app) typed(prompt string) ([]byte, error) {
	f, ok := a.stdin.(*os.File)
	if !ok {
		return nil, errors.New("no terminal to ask on")
	}
	fmt.Fprint(a.stderr, prompt)
	p, err := term.ReadPassword(int(f.Fd()))
	fmt.Fprintln(a.stderr)
	return p, err
}

func (a *app) keysPassphraseCmd() *cobra.Command {
	var oldFile, newFile string
	c := &cobra.Command{
		Use: "passphrase [KEK]", Short: "Seal a keystore with a passphrase, or another one", Args: cobra.MaximumNArgs(1),
		Long: `Seals the keystore of a KEK again: with the passphrase typed twice on a terminal,
or read from --new-passphrase-file. The gateway must not be running; afterwards
the config names where the passphrase is: keks.NAME.passphrase {file: PATH}. The
keystore as it was is kept as keystore.1, still sealed the old way: destroy it
together with the old secret.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			k, err := a.oneKEK(args)
			if err != nil {
				return err
			}
			return a.keysPassphrase(cmd.Context(), k, oldFile, newFile)
		},
	}
	c.Flags().StringVar(&oldFile, "passphrase-file", "", "`file` with the passphrase in force; default what the config says [$SEALGATE_PASSPHRASE_FILE]")
	c.Flags().StringVar(&newFile, "new-passphrase-file", "", "`file` with the new passphrase; default: ask on the terminal")
	return c
}

func (a *app) keysPassphrase(ctx context.Context, k *config.KEK, oldFile, newFile string) error {
	from := keystoreSecret{keyFile: k.KeyFile, passphraseFile: k.Passphrase.File}
	if oldFile != "" {
		from = keystoreSecret{passphraseFile: oldFile}
	}
	to := keystoreSecret{passphraseFile: newFile}
	if newFile == "" {
		if !terminalIn(a.stdin) {
			return usage("name one with --new-passphrase-file", "there is no terminal to ask for the new passphrase")
		}
		p, err := a.typedTwice()
		if err != nil {
			return err
		}
		if len(p) == 0 {
			return usage("", "an empty passphrase seals nothing; nothing was changed")
		}
		to = keystoreSecret{passphrase: p}
	}
	source, err := a.configSource()
	if err != nil {
		return err
	}
	cfg, _, err := source.read() // its faults were told above
	if err != nil {
		return err
	}
	if err := changeSecret(ctx, cfg, k, from, to); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "%s is sealed by the passphrase now; write `passphrase: {file: PATH}` for KEK %s into the config, and destroy %s.1 and %s\n",
		k.Keystore, k.Name, k.Keystore, firstOf(from.keyFile, "the old passphrase"))
	return err
}
