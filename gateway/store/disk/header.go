// SPDX-License-Identifier: Apache-2.0

package disk

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"

	"github.com/sealgate/sealgate/gateway/store"
)

const (
	magic        = "SGDISK1\n"
	magicAligned = "SGDISK2\n"
	// fixedHeader is what every header has: the fields up to the key, two
	// lengths, the checksum.
	fixedHeader = 8 + 4 + 8 + 8 + 16 + 2 + 2 + 4
	// alignedHeader is the length of a header of version 2: a block of any file
	// system, so that a body can share its blocks with another file.
	alignedHeader = 4096
	// maxHeader bounds what is read before anything of the file is believed.
	maxHeader = alignedHeader
)

// The longest header of version 1 is not longer than one of version 2.
const _ = uint(alignedHeader - (fixedHeader + store.MaxKey + store.MaxMetadata))

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// header is the decoded first part of a file, as drawn in the package comment.
type header struct {
	size     int64 // of the body
	modified time.Time
	etag     [16]byte
	key      string
	metadata string
	aligned  bool // version 2
}

// length is the encoded length of the header in bytes: where the body starts.
func (h header) length() int64 {
	if h.aligned {
		return alignedHeader
	}
	return int64(fixedHeader + len(h.key) + len(h.metadata))
}

// object is the header as the store shows it.
func (h header) object() store.Object {
	return store.Object{
		Key: h.key, Size: h.size, ETag: hex.EncodeToString(h.etag[:]), LastModified: h.modified, Metadata: h.metadata,
	}
}

func (h header) encode() []byte {
	be := binary.BigEndian
	b := make([]byte, 0, h.length())
	if h.aligned {
		b = append(b, magicAligned...)
	} else {
		b = append(b, magic...)
	}
	b = be.AppendUint32(b, uint32(h.length()))
	b = be.AppendUint64(b, uint64(h.size))
	b = be.AppendUint64(b, uint64(h.modified.UnixNano()))
	b = append(b, h.etag[:]...)
	b = append(be.AppendUint16(b, uint16(len(h.key))), h.key...)
	b = append(be.AppendUint16(b, uint16(len(h.metadata))), h.metadata...)
	b = b[:h.length()-4] // of zeros, where it is not full
	return be.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// readHeader reads and decodes the header of a file that is total bytes long.
// Errors about the content wrap store.ErrDamaged; those of reading do not.
func readHeader(r io.ReaderAt, total int64) (header, error) {
	b := make([]byte, min(total, int64(maxHeader)))
	if n, err := r.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return header{}, err
	} else if n < len(b) {
		return header{}, damaged("file became shorter")
	}
	h, err := decodeHeader(b)
	if err == nil && h.size != total-h.length() {
		return header{}, damaged("body of %d bytes, %d recorded", total-h.length(), h.size)
	}
	return h, err
}

// decodeHeader decodes the header that b starts with. A header that it takes
// encodes to the same bytes.
func decodeHeader(b []byte) (header, error) {
	if len(b) < fixedHeader || !bytes.HasPrefix(b, []byte(magic[:6])) {
		return header{}, damaged("no header")
	}
	aligned := string(b[:8]) == magicAligned
	if !aligned && string(b[:8]) != magic {
		return header{}, damaged("header of an unknown version %q", b[6:8])
	}
	be := binary.BigEndian
	n := int64(be.Uint32(b[8:]))
	if n < fixedHeader || n > int64(len(b)) || aligned && n != alignedHeader {
		return header{}, damaged("header length %d", n)
	}
	b = b[:n]
	if sum := be.Uint32(b[n-4:]); sum != crc32.Checksum(b[:n-4], castagnoli) {
		return header{}, damaged("header checksum")
	}
	h := header{
		size:     int64(be.Uint64(b[12:])),
		modified: time.Unix(0, int64(be.Uint64(b[20:]))).UTC(),
		etag:     [16]byte(b[28:44]),
		aligned:  aligned,
	}
	key, rest, ok := cutString(b[44 : n-4])
	meta, rest, ok2 := cutString(rest)
	if aligned && bytes.Count(rest, []byte{0}) == len(rest) {
		rest = nil
	}
	if !ok || !ok2 || len(rest) > 0 || h.size < 0 {
		return header{}, damaged("header fields")
	}
	h.key, h.metadata = key, meta
	return h, nil
}

// cutString cuts a 2-byte length and as many bytes off b.
func cutString(b []byte) (s string, rest []byte, ok bool) {
	if len(b) < 2 {
		return "", nil, false
	}
	n := int(binary.BigEndian.Uint16(b))
	if n > len(b)-2 {
		return "", nil, false
	}
	return string(b[2 : 2+n]), b[2+n:], true
}

func damaged(format string, args ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), store.ErrDamaged)
}
