// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/sealgate/sealgate/envelope"
)

// Provider is the kind of this KEK in Info.
const Provider = "local"

// Sizes of a wrap, in bytes: KEYSTORE.md §3.
const (
	wrapFormat  = 1
	wrapHead    = 1 + saltSize
	minWrapped  = 1
	maxWrapped  = 64
	versionBase = 10
)

// Info implements envelope.KEK.
func (k *KEK) Info(ctx context.Context) (envelope.Info, error) {
	c := k.fresh(ctx)
	in := envelope.Info{Name: k.cfg.Name, Provider: Provider, Version: c.current().name()}
	for _, v := range c.versions {
		in.Versions = append(in.Versions, envelope.KEKVersion{Version: v.name(), Created: v.created})
	}
	return in, nil
}

func (v version) name() string { return strconv.FormatUint(uint64(v.number), versionBase) }

// find returns the version of that name. The name must be the one that name
// gives: "01" is no version.
func (c *contents) find(name string) (version, bool) {
	i := slices.IndexFunc(c.versions, func(v version) bool { return v.name() == name })
	if i < 0 {
		return version{}, false
	}
	return c.versions[i], true
}

// aead returns the AEAD of one wrap. Its key is used for that wrap alone: the
// version's key itself never encrypts.
func (v version) aead(salt []byte) (cipher.AEAD, error) {
	return gcm(v.key[:], salt, binary.BigEndian.AppendUint32(lp(labelWrap), v.number))
}

// Wrap implements envelope.KEK.
func (k *KEK) Wrap(ctx context.Context, plain []byte, ec envelope.Context) (envelope.Wrapped, error) {
	return k.wrap(k.fresh(ctx).current(), plain, ec)
}

func (k *KEK) wrap(v version, plain []byte, ec envelope.Context) (envelope.Wrapped, error) {
	if len(plain) < minWrapped || len(plain) > maxWrapped {
		return envelope.Wrapped{}, k.fault("wrapping", v.name(), fmt.Sprintf("%d bytes are not 1 to 64", len(plain)), envelope.ErrDenied)
	}
	head := make([]byte, wrapHead, wrapHead+sealOverhead+len(plain))
	head[0] = wrapFormat
	rand.Read(head[1:]) // it cannot fail: it ends the process instead
	aead, err := v.aead(head[1:])
	if err != nil {
		return envelope.Wrapped{}, k.fault("wrapping", v.name(), err.Error(), envelope.ErrDenied)
	}
	blob := aead.Seal(head, nil, plain, ec.Bytes()) //nolint:gosec // G407: this AEAD draws its nonce itself and takes none
	return envelope.Wrapped{KEK: k.cfg.Name, Version: v.name(), Blob: blob}, nil
}

// fault makes an error of one kind that names the KEK and its version. The
// version is quoted when it is not one of ours: it came from a record.
func (k *KEK) fault(doing, version, what string, kind error) error {
	return fmt.Errorf("%s with KEK %s@%s: %s: %w", doing, k.cfg.Name, version, what, kind)
}

// Unwrap implements envelope.KEK.
func (k *KEK) Unwrap(ctx context.Context, w envelope.Wrapped, ec envelope.Context) ([]byte, error) {
	return k.unwrap(k.fresh(ctx), w, ec)
}

func (k *KEK) unwrap(c *contents, w envelope.Wrapped, ec envelope.Context) ([]byte, error) {
	if w.KEK != k.cfg.Name {
		return nil, fmt.Errorf("unwrapping: the record names KEK %q, this one is %q: %w", w.KEK, k.cfg.Name, envelope.ErrKeyGone)
	}
	v, ok := c.find(w.Version)
	if !ok {
		return nil, k.fault("unwrapping", strconv.Quote(w.Version), "the keystore holds no such version", envelope.ErrKeyGone)
	}
	if len(w.Blob) < wrapHead+sealOverhead+minWrapped || len(w.Blob) > wrapHead+sealOverhead+maxWrapped || w.Blob[0] != wrapFormat {
		return nil, k.fault("unwrapping", v.name(), "malformed blob", envelope.ErrTampered)
	}
	aead, err := v.aead(w.Blob[1:wrapHead])
	if err != nil {
		return nil, k.fault("unwrapping", v.name(), err.Error(), envelope.ErrDenied)
	}
	plain, err := aead.Open(nil, nil, w.Blob[wrapHead:], ec.Bytes())
	if err != nil {
		return nil, k.fault("unwrapping", v.name(), "blob or context differ from what was wrapped", envelope.ErrTampered)
	}
	return plain, nil
}

// Rewrap implements envelope.KEK. It opens w also when w is current already,
// so that a damaged one is not passed on as good.
func (k *KEK) Rewrap(ctx context.Context, w envelope.Wrapped, ec envelope.Context) (envelope.Wrapped, bool, error) {
	c := k.fresh(ctx)
	plain, err := k.unwrap(c, w, ec)
	if err != nil {
		return envelope.Wrapped{}, false, err
	}
	defer clear(plain)
	if w.Version == c.current().name() {
		return w, false, nil
	}
	moved, err := k.wrap(c.current(), plain, ec)
	return moved, err == nil, err
}

// RotateKEK implements envelope.Rotator: the keystore has one version more
// when it returns, durably. An error does not prove that it has not: the file
// may have been written and its generation not; Info tells.
func (k *KEK) RotateKEK(ctx context.Context) (string, error) {
	var made version
	err := k.change(ctx, nil, func(c contents) (contents, error) {
		if len(c.versions) >= maxVersions {
			return c, fmt.Errorf("it holds %d versions, the most there can be", maxVersions)
		}
		key := envelope.NewKey()
		made = version{number: c.current().number + 1, created: k.cfg.Now().UTC().Truncate(time.Second), key: &key}
		c.versions = append(slices.Clip(c.versions), made)
		return c, nil
	})
	if err != nil {
		return "", fmt.Errorf("adding a version to keystore %s: %w (%w)", k.cfg.Path, err, envelope.ErrUnavailable)
	}
	return made.name(), nil
}
