// SPDX-License-Identifier: Apache-2.0

package attack

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/testenv/gate"
)

// stored is a file of the disk store taken apart, as whoever owns the disk
// can: the checksum of its header keeps out accidents, not people.
type stored struct {
	path     string
	times    []byte // modification time and ETag
	key      string
	metadata string
	body     []byte
}

// fileOf is where the object of a plain key lies.
func fileOf(g *gate.Gate, bucket, key string) string {
	return filepath.Join(g.Dir, "objects", bucket, strings.ReplaceAll(key, "/", "+/")+"=")
}

func takeApart(t *testing.T, path string) stored {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	be := binary.BigEndian
	header := b[:be.Uint32(b[8:])]
	s := stored{path: path, times: bytes.Clone(header[20:44]), body: bytes.Clone(b[len(header):])}
	n := be.Uint16(header[44:])
	s.key = string(header[46 : 46+n])
	rest := header[46+n:]
	s.metadata = string(rest[2 : 2+be.Uint16(rest)])
	if !bytes.Equal(s.bytes(), b) {
		t.Fatalf("%s is not laid out as this test believes", path)
	}
	return s
}

// bytes is the file with a header that is right about it.
func (s stored) bytes() []byte {
	be := binary.BigEndian
	b := append([]byte("SGDISK1\n"), 0, 0, 0, 0)
	b = be.AppendUint64(b, uint64(len(s.body)))
	b = append(b, s.times...)
	b = append(be.AppendUint16(b, uint16(len(s.key))), s.key...)
	b = append(be.AppendUint16(b, uint16(len(s.metadata))), s.metadata...)
	be.PutUint32(b[8:], uint32(len(b)+4))
	b = be.AppendUint32(b, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	return append(b, s.body...)
}

func (s stored) write(t *testing.T) {
	t.Helper()
	overwrite(t, s.path, s.bytes())
}

func overwrite(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
