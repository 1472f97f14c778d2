// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"bytes"
	"crypto/fips140"
	"crypto/md5"  //nolint:gosec // S3's Content-MD5: guards against accidents, decides nothing
	"crypto/sha1" //nolint:gosec // S3's x-amz-checksum-sha1, likewise
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"hash/crc32"

	"github.com/minio/crc64nvme"
)

// digests computes what is needed of a payload and nothing more: CRC64NVME
// always, the rest because the client sent a value to hold it against.
type digests struct {
	crc64  hash.Hash
	sha256 hash.Hash // nil unless needed
	md5    hash.Hash // nil unless needed
	client hash.Hash // the client's checksum; may be one of the others
	all    []hash.Hash
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func newDigests(p payload) digests {
	d := digests{crc64: crc64nvme.New()}
	d.all = append(d.all, d.crc64)
	a := max(p.checksum.Algorithm, p.trailer) // at most one is set
	if p.sha256 != nil || a == ChecksumSHA256 {
		d.sha256 = sha256.New()
		d.all = append(d.all, d.sha256)
	}
	if p.md5 != nil {
		d.md5 = newLegacy(md5.New)
		d.all = append(d.all, d.md5)
	}
	switch a {
	case ChecksumNone:
	case ChecksumCRC64NVME:
		d.client = d.crc64
	case ChecksumSHA256:
		d.client = d.sha256
	default:
		d.client = newHash(a)
		d.all = append(d.all, d.client)
	}
	return d
}

// newHash begins a sum; nil for ChecksumNone.
func newHash(a Algorithm) hash.Hash {
	switch a {
	case ChecksumCRC32:
		return crc32.NewIEEE()
	case ChecksumCRC32C:
		return crc32.New(castagnoli)
	case ChecksumCRC64NVME:
		return crc64nvme.New()
	case ChecksumSHA1:
		return newLegacy(sha1.New)
	case ChecksumSHA256:
		return sha256.New()
	case ChecksumNone:
	}
	return nil
}

func (d *digests) write(p []byte) {
	for _, h := range d.all {
		_, _ = h.Write(p) // a hash.Hash never fails
	}
}

// verify holds the sums against what the client sent.
func (d *digests) verify(p payload, want Checksum) error {
	switch {
	case p.sha256 != nil && !bytes.Equal(p.sha256, d.sha256.Sum(nil)):
		e := NewError("XAmzContentSHA256Mismatch", "")
		e.Extra = []Element{
			{"ClientComputedContentSHA256", hex.EncodeToString(p.sha256)},
			{"S3ComputedContentSHA256", hex.EncodeToString(d.sha256.Sum(nil))},
		}
		return e
	case p.md5 != nil && !bytes.Equal(p.md5, d.md5.Sum(nil)):
		e := NewError("BadDigest", "")
		e.Extra = []Element{ // each in the spelling that S3 gives it
			{"CalculatedDigest", base64.StdEncoding.EncodeToString(d.md5.Sum(nil))},
			{"ExpectedDigest", hex.EncodeToString(p.md5)},
		}
		return e
	case want.Algorithm != ChecksumNone && !bytes.Equal(want.Sum, d.client.Sum(nil)):
		return NewError("BadDigest", "The "+want.Algorithm.String()+" you specified did not match the calculated checksum.")
	}
	return nil
}

func (d *digests) sums() Sums {
	var s Sums
	copy(s.CRC64NVME[:], d.crc64.Sum(nil))
	if d.sha256 != nil {
		s.SHA256 = (*[32]byte)(d.sha256.Sum(nil))
	}
	return s
}

// legacy computes a digest that FIPS 140-3 has no place for. It is compared
// with what the client sent and used for nothing else, so it is computed
// outside of the enforcement, which would panic.
type legacy struct{ hash.Hash }

func newLegacy(fresh func() hash.Hash) hash.Hash {
	var h legacy
	fips140.WithoutEnforcement(func() { h.Hash = fresh() })
	return h
}

// Write implements hash.Hash.
func (h legacy) Write(p []byte) (n int, err error) {
	fips140.WithoutEnforcement(func() { n, err = h.Hash.Write(p) })
	return n, err
}

// Sum implements hash.Hash.
func (h legacy) Sum(b []byte) (sum []byte) {
	fips140.WithoutEnforcement(func() { sum = h.Hash.Sum(b) })
	return sum
}
