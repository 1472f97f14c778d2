// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"crypto/sha256"
	"fmt"
	"time"
)

// Record is the wrapped form of one keyring version, as it lies in the bucket
// and in the state database (FORMAT §3). It holds no secret and no state, and
// nothing in it but the wrapped key and the KCV proves itself: a record counts
// if its Digest is known from elsewhere.
type Record struct {
	Deployment, Keyring ID
	Bucket, Prefix      string
	Version             uint32
	Wrapped             Wrapped
	// KCV tells whether the unwrapped key is the right one.
	KCV [32]byte
	// Created is kept in UTC, to the second.
	Created time.Time
}

const (
	recordMagic  = "SG1/record"
	recordFormat = 1

	// Bounds of FORMAT §3, in bytes.
	maxBucket     = 255
	maxPrefix     = 1024
	maxKEKName    = 255
	maxKEKVersion = 2048
	maxBlob       = 16384
	// MaxRecord bounds the encoding of a record in bytes.
	MaxRecord = maxBucket + maxPrefix + maxKEKName + maxKEKVersion + maxBlob + 128

	maxCreated = 1 << 60 // seconds
)

// Context returns what the record's key is bound to at the KEK.
func (r Record) Context() Context {
	return Context{Deployment: r.Deployment, Bucket: r.Bucket, Prefix: r.Prefix, Keyring: r.Keyring, Version: r.Version}
}

// Encode returns the canonical encoding, at most MaxRecord bytes. It fails
// for a record that DecodeRecord would refuse.
func (r Record) Encode() ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("encoding keyring record: %w", err)
	}
	b := append(appendLP(nil, recordMagic), recordFormat)
	b = append(b, r.Deployment[:]...)
	b = append(b, r.Keyring[:]...)
	b = appendLP(b, r.Bucket)
	b = appendLP(b, r.Prefix)
	b = appendU32(b, r.Version)
	b = appendLP(b, r.Wrapped.KEK)
	b = appendLP(b, r.Wrapped.Version)
	b = appendLP(b, string(r.Wrapped.Blob))
	b = append(b, r.KCV[:]...)
	return appendU64(b, uint64(r.Created.Unix())), nil
}

// DecodeRecord is the strict inverse of Encode. It returns ErrTampered for
// anything that Encode does not write.
func DecodeRecord(b []byte) (Record, error) {
	c := cursor{rest: b}
	magic, format := c.lp(len(recordMagic)), c.u8()
	r := Record{Deployment: c.id(), Keyring: c.id(), Bucket: c.lp(maxBucket), Prefix: c.lp(maxPrefix), Version: c.u32()}
	r.Wrapped = Wrapped{KEK: c.lp(maxKEKName), Version: c.lp(maxKEKVersion), Blob: []byte(c.lp(maxBlob))}
	r.KCV = [32]byte(c.take(32))
	r.Created = time.Unix(int64(min(c.u64(), maxCreated)), 0).UTC() // check refuses what is over
	if magic != recordMagic || format != recordFormat || !c.done() {
		return Record{}, fmt.Errorf("decoding keyring record: %w: not a record of format %d", ErrTampered, recordFormat)
	}
	if err := r.check(); err != nil {
		return Record{}, fmt.Errorf("decoding keyring record: %w", err)
	}
	return r, nil
}

// Digest returns the SHA-256 of the encoding, by which a record is known. It
// is zero for a record that cannot be encoded, which is no digest of any.
func (r Record) Digest() [32]byte {
	b, err := r.Encode()
	if err != nil {
		return [32]byte{}
	}
	return sha256.Sum256(b)
}

// check holds the bounds of FORMAT §3.
func (r Record) check() error {
	for _, f := range []struct {
		name           string
		size, min, max int
	}{
		{"bucket", len(r.Bucket), 1, maxBucket},
		{"prefix", len(r.Prefix), 0, maxPrefix},
		{"KEK name", len(r.Wrapped.KEK), 1, maxKEKName},
		{"KEK version", len(r.Wrapped.Version), 1, maxKEKVersion},
		{"wrapped key", len(r.Wrapped.Blob), 1, maxBlob},
	} {
		if f.size < f.min || f.size > f.max {
			return fmt.Errorf("%w: %s of %d bytes, want %d to %d", ErrTampered, f.name, f.size, f.min, f.max)
		}
	}
	if s := r.Created.Unix(); s < 0 || s >= maxCreated {
		return fmt.Errorf("%w: created at second %d", ErrTampered, s)
	}
	if r.Version == 0 {
		return fmt.Errorf("%w: version 0", ErrTampered)
	}
	return nil
}
