// SPDX-License-Identifier: Apache-2.0

package envelope_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sealgate/sealgate/envelope"
)

// exampleKey stands for a keyring key that OpenRecord has returned.
func exampleKey() *envelope.KeyringKey {
	return envelope.NewKeyringKey(envelope.NewID(), envelope.NewID(), 1, envelope.NewKey())
}

// exampleDigests stands for sums taken while the plaintext went by.
func exampleDigests() (envelope.Digests, error) {
	return envelope.Digests{CRC64NVME: [8]byte{1, 2, 3, 4, 5, 6, 7, 8}}, nil
}

func lookup(k *envelope.KeyringKey) envelope.KeyLookup {
	return func(ring envelope.ID, version uint32) (*envelope.KeyringKey, error) {
		if ring != k.Ring() || version != k.Version() {
			return nil, errors.New("no such keyring")
		}
		return k, nil
	}
}

// Seal an object on its way to a store, and open all of it again.
func Example() {
	key := exampleKey()
	loc := envelope.Location{Bucket: "models", Key: "fraud/weights.bin"}
	plain := "the weights"

	s, err := envelope.NewSealer(envelope.SealConfig{Key: key, Location: loc, Size: int64(len(plain))})
	if err != nil {
		panic(err)
	}
	stored, err := io.ReadAll(s.Reader(strings.NewReader(plain), exampleDigests))
	if err != nil {
		panic(err)
	}
	fmt.Println(len(stored), "bytes stored, as promised:", int64(len(stored)) == s.StoredSize())

	o, err := envelope.OpenHeader(s.Metadata(), loc, lookup(key))
	if err != nil {
		panic(err)
	}
	r := o.OpenAll(bytes.NewReader(stored), int64(len(stored)))
	got, err := io.ReadAll(r)
	fmt.Printf("%s, %v, sum %x\n", got, err, r.Manifest().Digests.CRC64NVME)
	// Output:
	// 411 bytes stored, as promised: true
	// the weights, <nil>, sum 0102030405060708
}

// Open a range: only the stored bytes that hold it are fetched.
func ExampleObject_OpenRange() {
	key := exampleKey()
	loc := envelope.Location{Bucket: "data", Key: "train.csv"}
	plain := strings.Repeat("0123456789", 20_000)
	s, err := envelope.NewSealer(envelope.SealConfig{Key: key, Location: loc, Size: int64(len(plain))})
	if err != nil {
		panic(err)
	}
	stored, err := io.ReadAll(s.Reader(strings.NewReader(plain), exampleDigests))
	if err != nil {
		panic(err)
	}

	o, err := envelope.OpenHeader(s.Metadata(), loc, lookup(key))
	if err != nil {
		panic(err)
	}
	if err := o.CheckStored(int64(len(stored))); err != nil {
		panic(err)
	}
	off, n, err := o.Plan(131_070, 5)
	if err != nil {
		panic(err)
	}
	got, err := io.ReadAll(o.OpenRange(bytes.NewReader(stored[off:off+n]), 131_070, 5))
	fmt.Printf("stored bytes [%d, %d): %s, %v\n", off, off+n, got, err)
	// Output: stored bytes [65568, 196704): 01234, <nil>
}

// A store that moves an object to another name gets one vague error.
func ExampleOpenHeader() {
	key := exampleKey()
	s, err := envelope.NewSealer(envelope.SealConfig{Key: key, Location: envelope.Location{Bucket: "models", Key: "dev/model"}})
	if err != nil {
		panic(err)
	}
	_, err = envelope.OpenHeader(s.Metadata(), envelope.Location{Bucket: "models", Key: "prod/model"}, lookup(key))
	fmt.Println(errors.Is(err, envelope.ErrAuth), envelope.Fault(err))
	// Output: true wrap
}

// Copy an object inside its keyring: a new header, the same body.
func ExampleObject_Rewrap() {
	key := exampleKey()
	s, err := envelope.NewSealer(envelope.SealConfig{Key: key, Location: envelope.Location{Bucket: "models", Key: "dev/model"}})
	if err != nil {
		panic(err)
	}
	source, err := envelope.OpenHeader(s.Metadata(), envelope.Location{Bucket: "models", Key: "dev/model"}, lookup(key))
	if err != nil {
		panic(err)
	}
	to := envelope.Location{Bucket: "models", Key: "prod/model"}
	meta, err := source.Rewrap(envelope.RewrapConfig{Key: key, Location: to})
	if err != nil {
		panic(err)
	}
	_, err = envelope.OpenHeader(meta, to, lookup(key))
	fmt.Println(err)
	// Output: <nil>
}

// Seal an object in parts, read its manifest, and open it.
func ExampleNewMultipart() {
	key := exampleKey()
	loc := envelope.Location{Bucket: "models", Key: "big.bin"}
	u, err := envelope.NewMultipart(envelope.SealConfig{Key: key, Location: loc})
	if err != nil {
		panic(err)
	}
	p, err := u.SealPart(1, 9)
	if err != nil {
		panic(err)
	}
	var stored bytes.Buffer
	if _, err := io.Copy(&stored, p.Reader(strings.NewReader("some part"))); err != nil {
		panic(err)
	}
	part := p.Part()
	part.Checksum = make([]byte, 8) // the part's CRC64NVME
	tail, err := u.Tail([]envelope.Part{part}, envelope.Digests{})
	if err != nil {
		panic(err)
	}
	if _, err := io.Copy(&stored, tail.Reader()); err != nil {
		panic(err)
	}

	o, err := envelope.OpenHeader(u.Metadata(), loc, lookup(key))
	if err != nil {
		panic(err)
	}
	size := int64(stored.Len())
	off, n, err := o.TailRange(size)
	if err != nil {
		panic(err)
	}
	if _, err := o.UseManifest(size, stored.Bytes()[off:off+n]); err != nil {
		panic(err)
	}
	got, err := io.ReadAll(o.OpenAll(&stored, size))
	fmt.Printf("%d bytes: %s, %v\n", o.PlainSize(), got, err)
	// Output: 9 bytes: some part, <nil>
}

// The stored length of an object follows from its plaintext length alone.
func ExampleStoredSize() {
	fmt.Println(envelope.StoredSize(0), envelope.StoredSize(100), envelope.StoredSize(1<<30))
	fmt.Println(envelope.PlainSize(500))
	fmt.Println(envelope.PlainSize(65937))
	// Output:
	// 400 500 1074289328
	// 100 true
	// 65536 false
}

// The stored bytes behind a range of a layout of parts.
func ExampleCipherRange() {
	l := envelope.NewLayout(8<<20, 8<<20, 100)
	fmt.Println(envelope.CipherRange(l, 8<<20-1, 2))
	// Output: 8327136 131136
}

// plainKEK wraps nothing: it stands for a key service in an example.
type plainKEK struct{}

func (plainKEK) Info(context.Context) (envelope.Info, error) {
	return envelope.Info{Name: "main", Provider: "example", Version: "1"}, nil
}

func (plainKEK) Wrap(_ context.Context, plain []byte, _ envelope.Context) (envelope.Wrapped, error) {
	return envelope.Wrapped{KEK: "main", Version: "1", Blob: bytes.Clone(plain)}, nil
}

func (plainKEK) Unwrap(_ context.Context, w envelope.Wrapped, _ envelope.Context) ([]byte, error) {
	return bytes.Clone(w.Blob), nil
}

func (plainKEK) Rewrap(_ context.Context, w envelope.Wrapped, _ envelope.Context) (envelope.Wrapped, bool, error) {
	return w, false, nil
}

// Make a keyring version, store its record, and open it again.
func ExampleNewRecord() {
	ctx, kek := context.Background(), plainKEK{}
	ec := envelope.Context{Deployment: envelope.NewID(), Bucket: "models", Prefix: "fraud/", Keyring: envelope.NewID(), Version: 1}
	r, _, err := envelope.NewRecord(ctx, kek, ec, time.Unix(1_795_000_000, 0))
	if err != nil {
		panic(err)
	}
	b, err := r.Encode()
	if err != nil {
		panic(err)
	}
	again, err := envelope.DecodeRecord(b)
	if err != nil {
		panic(err)
	}
	key, err := envelope.OpenRecord(ctx, kek, again)
	fmt.Println(key.Ring() == ec.Keyring, key.Version(), again.Digest() == r.Digest(), err)
	// Output: true 1 true <nil>
}

// Keys do not print.
func ExampleKey() {
	fmt.Printf("%v %x %+v\n", envelope.NewKey(), envelope.NewKey(), struct{ K envelope.Key }{envelope.NewKey()})
	// Output: [key] [key] {K:[key]}
}
