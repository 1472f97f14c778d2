// SPDX-License-Identifier: Apache-2.0

package envelope

import "testing"

// The manifest that a body ends with must be the one that its layout came from:
// no field of it may differ unnoticed.
func TestManifestsDiffer(t *testing.T) {
	t.Parallel()
	manifest := func() *Manifest {
		return &Manifest{
			Digests:   Digests{CRC64NVME: [8]byte{1}, SHA256: &[32]byte{2}, Client: Checksum{Algorithm: ChecksumCRC32, Sum: []byte{1, 2, 3, 4}}},
			PlainSize: MinPartSize + 1,
			Parts:     []Part{{Number: 1, Size: MinPartSize, Checksum: []byte{1, 2, 3, 4}}, {Number: 2, Size: 1, Checksum: []byte{5, 6, 7, 8}}},
		}
	}
	if a, b := manifest(), manifest(); !a.equal(b) {
		t.Fatal("a manifest differs from itself")
	}
	for name, change := range map[string]func(*Manifest){
		"CRC64NVME":      func(m *Manifest) { m.Digests.CRC64NVME[7]++ },
		"SHA256":         func(m *Manifest) { m.Digests.SHA256[31]++ },
		"no SHA256":      func(m *Manifest) { m.Digests.SHA256 = nil },
		"algorithm":      func(m *Manifest) { m.Digests.Client.Algorithm = ChecksumCRC32C },
		"type":           func(m *Manifest) { m.Digests.Client.Type = ChecksumComposite },
		"sum":            func(m *Manifest) { m.Digests.Client.Sum[3]++ },
		"size":           func(m *Manifest) { m.PlainSize++ },
		"number of part": func(m *Manifest) { m.Parts[1].Number++ },
		"size of part":   func(m *Manifest) { m.Parts[1].Size++ },
		"IV of part":     func(m *Manifest) { m.Parts[0].IV[31]++ },
		"sum of part":    func(m *Manifest) { m.Parts[1].Checksum[0]++ },
		"no last part":   func(m *Manifest) { m.Parts = m.Parts[:1] },
		"another part":   func(m *Manifest) { m.Parts = append(m.Parts, Part{Number: 3, Checksum: make([]byte, 4)}) },
	} {
		changed := manifest()
		change(changed)
		if m := manifest(); m.equal(changed) || changed.equal(m) {
			t.Errorf("%s: the change went unnoticed", name)
		}
	}
}
