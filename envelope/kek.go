// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"context"
	"strconv"
	"time"
)

// Context is what a KEK binds to a wrapped keyring key as additional
// authenticated data (FORMAT §3). A key wrapped under one context never
// unwraps under another.
type Context struct {
	// Deployment is the id drawn at the first start of this installation.
	Deployment ID
	// Bucket is the logical bucket. Prefix is the scope inside it, "" for all.
	Bucket, Prefix string
	// Keyring and Version name the key.
	Keyring ID
	Version uint32
}

// Bytes returns the canonical form: length-prefixed, domain-separated, and
// injective (FORMAT §3).
func (c Context) Bytes() []byte {
	b := appendLP(nil, labelContext)
	b = append(b, c.Deployment[:]...)
	b = appendLP(b, c.Bucket)
	b = appendLP(b, c.Prefix)
	b = append(b, c.Keyring[:]...)
	return appendU32(b, c.Version)
}

// Map returns the same facts for key services that take a string map. No
// value is empty, since some of them refuse that.
func (c Context) Map() map[string]string {
	return map[string]string{
		"sealgate:deployment": c.Deployment.String(),
		"sealgate:scope":      c.Bucket + "/" + c.Prefix, // a bucket name holds no slash
		"sealgate:keyring":    c.Keyring.String(),
		"sealgate:version":    strconv.FormatUint(uint64(c.Version), 10),
	}
}

// Wrapped is a keyring key as a KEK sealed it.
type Wrapped struct {
	// KEK is the name under which the configuration knows the KEK. It is
	// compared with the configuration, never used to choose a key service.
	KEK string
	// Version is the KEK version that wrapped the key, in its own notation.
	Version string
	// Blob is the ciphertext, opaque to everyone but the KEK.
	Blob []byte
}

// Info describes a KEK.
type Info struct {
	// Name is the configured name; Provider the kind, such as "local".
	Name, Provider string
	// Version is the current version: the one that Wrap uses.
	Version string
	// Versions lists all that still unwrap, oldest first.
	Versions []KEKVersion
}

// KEKVersion is one version of a KEK.
type KEKVersion struct {
	Version string
	Created time.Time
}

// KEK is a key encryption key that never leaves its key service. Adapters
// pass kektest.Run.
//
// Every error wraps exactly one of ErrUnavailable, ErrThrottled, ErrDenied,
// ErrKeyGone and ErrTampered, or is the error of ctx. Methods are safe for
// concurrent use.
type KEK interface {
	// Info reports name, provider and versions.
	Info(ctx context.Context) (Info, error)
	// Wrap seals plain (1 to 64 bytes) under the current version, bound to
	// ec. It keeps nothing of plain.
	Wrap(ctx context.Context, plain []byte, ec Context) (Wrapped, error)
	// Unwrap opens w. ErrTampered if w or ec is not what was wrapped,
	// ErrKeyGone if the KEK no longer has the version. The result is the
	// caller's to clear.
	Unwrap(ctx context.Context, w Wrapped, ec Context) ([]byte, error)
	// Rewrap returns w under the current version. changed is false, and w is
	// returned as it is, if it is there already.
	Rewrap(ctx context.Context, w Wrapped, ec Context) (_ Wrapped, changed bool, _ error)
}

// Rotator is implemented by KEKs that can make a new version by themselves.
type Rotator interface {
	// RotateKEK makes a new current version and returns it. Old versions
	// keep unwrapping.
	RotateKEK(ctx context.Context) (version string, err error)
}
