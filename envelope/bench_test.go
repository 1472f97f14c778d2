// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"io"
	"testing"
)

// benchSize is one body: enough segments that what an object costs once does
// not show.
const benchSize = 64 << 20

func rawAEAD(b *testing.B) cipher.AEAD {
	b.Helper()
	block, err := aes.NewCipher(make([]byte, 32))
	if err != nil {
		b.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		b.Fatal(err)
	}
	return aead
}

// BenchmarkRawGCM is what sealing and opening are measured against: AES-256-GCM
// of crypto/cipher over the same segments. "seal" and "open" have nothing
// around them; the others read each segment from a source first.
func BenchmarkRawGCM(b *testing.B) {
	aead := rawAEAD(b)
	plain, nonce, aad := make([]byte, SegmentSize), make([]byte, 12), make([]byte, 9)
	out := aead.Seal(nil, nonce, plain, aad)
	sealed := bytes.Clone(out)
	seal := func() { out = aead.Seal(out[:0], nonce, plain, aad) }
	open := func() {
		if _, err := aead.Open(out[:0], nonce, sealed, aad); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("seal", func(b *testing.B) { benchSegments(b, nil, seal) })
	b.Run("open", func(b *testing.B) { benchSegments(b, nil, open) })
	b.Run("seal-reader", func(b *testing.B) { benchSegments(b, make([]byte, SegmentSize), seal) })
	b.Run("open-reader", func(b *testing.B) { benchSegments(b, bytes.Clone(sealed), open) })
}

// benchSegments runs op for each segment of a body, after copying a segment
// from a body in memory into buf, if there is one.
func benchSegments(b *testing.B, buf []byte, op func()) {
	b.Helper()
	body := make([]byte, benchSize)
	b.SetBytes(benchSize)
	for b.Loop() {
		for i := range benchSize / SegmentSize {
			copy(buf, body[i*SegmentSize:][:SegmentSize])
			op()
		}
	}
}

// BenchmarkSeal seals whole bodies. "segments" has a source that costs
// nothing, to compare with RawGCM/seal; "reader" one in memory, to compare
// with RawGCM/seal-reader.
func BenchmarkSeal(b *testing.B) {
	plain := make([]byte, benchSize)
	b.Run("segments", func(b *testing.B) { benchSeal(b, func() io.Reader { return &idleReader{benchSize} }) })
	b.Run("reader", func(b *testing.B) { benchSeal(b, func() io.Reader { return onlyReader{bytes.NewReader(plain)} }) })
}

func benchSeal(b *testing.B, source func() io.Reader) {
	b.Helper()
	b.SetBytes(benchSize)
	b.ReportAllocs()
	for b.Loop() {
		r := newTestSealer(b, benchSize).Reader(source(), noDigests)
		if _, err := io.Copy(io.Discard, onlyWriterTo{r.(io.WriterTo)}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen opens whole bodies. "segments" finds the stored bytes in the
// buffer already, to compare with RawGCM/open; "reader" reads them from
// memory, to compare with RawGCM/open-reader.
func BenchmarkOpen(b *testing.B) {
	o, stored := sealedObject(b, make([]byte, benchSize))
	b.Run("segments", func(b *testing.B) {
		benchOpen(b, func() *pump {
			src := &source{r: eofReader{}, buf: &buffer{b: stored}, hi: len(stored)}
			return newPump(keepBuffer{&openAll{openStep: openStep{body: &o.body, src: src, left: benchSize}, object: o}})
		})
	})
	b.Run("reader", func(b *testing.B) {
		benchOpen(b, func() *pump { return o.OpenAll(onlyReader{bytes.NewReader(stored)}, int64(len(stored))).pump })
	})
}

func benchOpen(b *testing.B, reader func() *pump) {
	b.Helper()
	b.SetBytes(benchSize)
	b.ReportAllocs()
	for b.Loop() {
		if n, err := reader().WriteTo(io.Discard); n != benchSize || err != nil {
			b.Fatal(n, err)
		}
	}
}

// keepBuffer keeps a benchmark's body out of the buffer pool.
type keepBuffer struct{ *openAll }

func (keepBuffer) release() {}

// BenchmarkOpenHeader is what every GET and HEAD costs once.
func BenchmarkOpenHeader(b *testing.B) {
	s := newTestSealer(b, 1)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := OpenHeader(s.Metadata(), testLocation, testKeys); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkNewSealer is what every PUT costs once.
func BenchmarkNewSealer(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		newTestSealer(b, 1)
	}
}

// BenchmarkPlainSize is what every key of a listing costs.
func BenchmarkPlainSize(b *testing.B) {
	stored := StoredSize(123_456_789_012)
	for b.Loop() {
		if _, ok := PlainSize(stored); !ok {
			b.Fatal("refused")
		}
	}
}

// idleReader gives n bytes of whatever is in the buffer, at no cost.
type idleReader struct{ n int64 }

func (r *idleReader) Read(p []byte) (int, error) {
	if r.n == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), r.n)
	r.n -= n
	return int(n), nil
}

// onlyReader hides a source's other methods.
type onlyReader struct{ io.Reader }

// onlyWriterTo hides a reader's Read from io.Copy.
type onlyWriterTo struct{ io.WriterTo }

func (onlyWriterTo) Read([]byte) (int, error) { panic("envelope: io.Copy must use WriteTo") }
