// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// checkpoint is a signed tree head: AUDIT.md "Checkpoint".
type checkpoint struct {
	uuid  string
	epoch uint64
	size  uint64
	root  tlog.Hash
}

const originPrefix = "sealgate/audit/"

func (c checkpoint) origin() string {
	return originPrefix + c.uuid + "/" + strconv.FormatUint(c.epoch, 10)
}

func (c checkpoint) text() string {
	return c.origin() + "\n" + strconv.FormatUint(c.size, 10) + "\n" + c.root.String() + "\n"
}

// noteSigner signs notes under the origin of one epoch.
type noteSigner struct {
	note.Verifier
	priv ed25519.PrivateKey
}

func (s noteSigner) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(s.priv, msg), nil }

// sign returns the signed note of c.
func (c checkpoint) sign(k logKey) ([]byte, error) {
	v, err := verifier(c.origin(), k.public())
	if err != nil {
		return nil, err
	}
	return note.Sign(&note.Note{Text: c.text()}, noteSigner{Verifier: v, priv: k.priv})
}

// verifier checks notes of one origin. The key hash in the note depends on the
// origin, so a note of another start does not pass for one of this.
func verifier(origin string, pub ed25519.PublicKey) (note.Verifier, error) {
	vkey, err := note.NewEd25519VerifierKey(origin, pub)
	if err != nil {
		return nil, fmt.Errorf("making the verifier key of %s: %w", origin, err)
	}
	return note.NewVerifier(vkey)
}

// openCheckpoint parses a signed note and verifies its signature with pub.
// The caller compares the uuid; what an epoch may be, the log says.
func openCheckpoint(msg []byte, pub ed25519.PublicKey) (checkpoint, error) {
	origin, _, _ := strings.Cut(string(msg), "\n")
	v, err := verifier(origin, pub)
	if err != nil {
		return checkpoint{}, errors.New("not a checkpoint of an audit log")
	}
	n, err := note.Open(msg, note.VerifierList(v))
	if err != nil {
		return checkpoint{}, fmt.Errorf("checking the signature of %q: %w", origin, err)
	}
	for _, sig := range n.Sigs {
		// note.Open overlooks the unused bits of the last base64 digit.
		if _, err := base64.StdEncoding.Strict().DecodeString(sig.Base64); err != nil {
			return checkpoint{}, fmt.Errorf("decoding the signature of %q: %w", origin, err)
		}
	}
	return parseCheckpoint(n.Text)
}

// parseCheckpoint decodes the text strictly: it must be the one that its own
// values give, so no second spelling of a size or hash is ever signed.
func parseCheckpoint(text string) (checkpoint, error) {
	errForm := errors.New("not a checkpoint of an audit log")
	lines := strings.Split(text, "\n")
	if len(lines) != 4 {
		return checkpoint{}, errForm
	}
	id, ok := strings.CutPrefix(lines[0], originPrefix)
	uuid, epoch, ok2 := strings.Cut(id, "/")
	if !ok || !ok2 || !validUUID(uuid) {
		return checkpoint{}, errForm
	}
	var c checkpoint
	var err1, err2, err3 error
	c.uuid = uuid
	c.epoch, err1 = strconv.ParseUint(epoch, 10, 63)
	c.size, err2 = strconv.ParseUint(lines[1], 10, 63)
	c.root, err3 = tlog.ParseHash(lines[2])
	if errors.Join(err1, err2, err3) != nil || c.text() != text {
		return checkpoint{}, errForm
	}
	return c, nil
}
