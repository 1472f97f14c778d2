// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/s3api"
	"github.com/sealgate/sealgate/gateway/state"
	"github.com/sealgate/sealgate/gateway/store"
)

// chosenPart is a part that a Complete lists, with what is known of it.
type chosenPart struct {
	tag     store.PartTag
	staged  string // "" if the backend has it as a part
	receipt envelope.Receipt
}

// listDigest names a list of parts, so that a repeat can be told from another
// list.
func listDigest(listed []s3api.CompletedPart) string {
	h := sha256.New()
	for _, p := range listed {
		fmt.Fprintf(h, "%d %q\n", p.Number, p.ETag) // a hash never fails
	}
	return hex.EncodeToString(h.Sum(nil))
}

// choose finds the receipt of each listed part, by number and entity tag: of a
// part that was sent more than once, the client says which attempt it means, as
// far as the store has it: one that came in place of another one there took it
// away. It also gives the keys of all that is staged for the upload and whole.
// The list is in the order of its numbers.
func (x *exchange) choose(ctx context.Context, u *upload, listed []s3api.CompletedPart) (parts []chosenPart, staged []string, err error) {
	parts = make([]chosenPart, len(listed))
	inStore := make([]string, len(listed)) // the tag of the newest attempt that the store has as a part
	for r, err := range x.g.config.State.ReceiptsOf(ctx, u.row.ID) {
		if err != nil {
			return nil, nil, err
		}
		if r.Staged != "" {
			staged = append(staged, r.Staged)
		}
		i, wanted := slices.BinarySearchFunc(listed, r.Number, func(p s3api.CompletedPart, n int) int { return p.Number - n })
		if !wanted {
			continue
		}
		if r.Staged == "" {
			inStore[i] = r.ETag
		}
		if s3api.ETag(r.ETag) != listed[i].ETag {
			continue
		}
		if parts[i], err = u.openReceipt(r); err != nil {
			return nil, nil, err
		}
	}
	for i, p := range listed {
		found := parts[i]
		if found.tag.Number == 0 || found.staged == "" && found.tag.ETag != inStore[i] {
			return nil, nil, s3api.InvalidPart(u.row.ID, p.Number, p.ETag)
		}
	}
	return parts, staged, nil
}

func (u *upload) openReceipt(r state.Receipt) (chosenPart, error) {
	receipt, err := u.sealer.OpenReceipt(r.Sealed, u.row.ID, r.Number, r.ETag)
	return chosenPart{store.PartTag{Number: r.Number, ETag: r.ETag}, r.Staged, receipt}, err
}

// checkListed holds the list against what the parts are.
func (u *upload) checkListed(listed []s3api.CompletedPart, parts []chosenPart) error {
	for i, p := range listed {
		part := parts[i].receipt.Part
		if i < len(parts)-1 && part.Size < envelope.MinPartSize {
			return s3api.EntityTooSmall(p.Number, part.Size, envelope.MinPartSize, p.ETag)
		}
		if err := u.checkPartSum(p, parts[i].receipt); err != nil {
			return err
		}
	}
	return nil
}

// checkPartSum compares the checksum that a list names for a part with that
// of the part.
func (u *upload) checkPartSum(p s3api.CompletedPart, r envelope.Receipt) error {
	var have []byte
	switch a := p.Checksum.Algorithm; {
	case a == s3api.ChecksumNone:
		if u.row.ChecksumType == s3api.Composite.String() {
			return s3api.InvalidRequest(fmt.Sprintf("The upload was created using a %s checksum. The complete request must include the checksum for each part. It was missing for part %d in the request.",
				strings.ToLower(u.row.Algorithm), p.Number))
		}
		return nil
	case envelope.ChecksumAlgorithm(a) == r.Algorithm:
		have = r.Part.Checksum
	case a == s3api.ChecksumCRC64NVME:
		have = r.CRC64NVME[:]
	default:
		return s3api.NewError("BadDigest", fmt.Sprintf("The %s you specified for part %d did not match what we received.", strings.ToLower(a.String()), p.Number))
	}
	if !bytes.Equal(have, p.Checksum.Sum) {
		return s3api.InvalidPart(u.row.ID, p.Number, p.ETag)
	}
	return nil
}

// manifestOf gives the parts and sums of the object, as its manifest keeps
// them.
func (u *upload) manifestOf(parts []chosenPart) ([]envelope.Part, envelope.Digests) {
	a := envelope.ChecksumAlgorithm(u.algorithm(s3api.ChecksumNone))
	list := make([]envelope.Part, len(parts))
	for i := range parts {
		r := &parts[i].receipt // not a copy of each, which its sum would hold
		list[i] = r.Part
		if a == envelope.ChecksumNone {
			list[i].Checksum = r.CRC64NVME[:]
		}
	}
	var d envelope.Digests
	d.CRC64NVME = [8]byte(wholeCRC(s3api.ChecksumCRC64NVME, list, func(i int) []byte { return parts[i].receipt.CRC64NVME[:] }))
	switch {
	case a == envelope.ChecksumNone:
	case u.row.ChecksumType == s3api.Composite.String():
		sums := make([][]byte, len(list))
		for i, p := range list {
			sums[i] = p.Checksum
		}
		d.Client = envelope.Checksum{Algorithm: a, Type: envelope.ChecksumComposite, Sum: s3api.CompositeOf(s3api.Algorithm(a), sums).Sum}
	default:
		d.Client = envelope.Checksum{Algorithm: a, Sum: wholeCRC(s3api.Algorithm(a), list, func(i int) []byte { return list[i].Checksum })}
	}
	return list, d
}

// wholeCRC is the CRC of the object from those of its parts.
func wholeCRC(a s3api.Algorithm, parts []envelope.Part, sum func(int) []byte) []byte {
	whole := sum(0)
	for i := 1; i < len(parts); i++ {
		whole = s3api.CombineCRC(a, whole, sum(i), parts[i].Size)
	}
	return whole
}

// checkObject holds what the client said of the whole object against it.
func (u *upload) checkObject(op *s3api.CompleteMultipartUpload, m *envelope.Manifest) error {
	if op.ObjectSize >= 0 && op.ObjectSize != m.PlainSize {
		return s3api.InvalidRequest(fmt.Sprintf("The provided 'x-amz-mp-object-size' header value %d does not match what was computed: %d", op.ObjectSize, m.PlainSize))
	}
	if op.ChecksumType != s3api.ChecksumTypeNone && op.ChecksumType.String() != u.row.ChecksumType {
		was := u.row.ChecksumType
		if was == "" {
			was = "null"
		}
		return s3api.InvalidRequest("The upload was created using the " + was + " checksum mode. The complete request must use the same checksum mode.")
	}
	// S3 leaves a sum unread that the upload was not begun with.
	if op.Checksum.Algorithm == s3api.ChecksumNone || u.row.Algorithm == "" {
		return nil
	}
	want := manifestChecksum(m)
	parts := op.Checksum.Parts != 0 && op.Checksum.Parts != want.Parts // some clients leave the number of a composite sum out
	if op.Checksum.Algorithm != want.Algorithm || parts || !bytes.Equal(op.Checksum.Sum, want.Sum) {
		return s3api.NewError("BadDigest", "The "+op.Checksum.Algorithm.String()+" you specified did not match the calculated checksum.")
	}
	return nil
}

// manifestChecksum is the checksum of an object as its manifest has it: the
// client's, or the one that every object has.
func manifestChecksum(m *envelope.Manifest) s3api.Checksum {
	c := m.Digests.Client
	if c.Algorithm == envelope.ChecksumNone {
		c = envelope.Checksum{Algorithm: envelope.ChecksumCRC64NVME, Sum: m.Digests.CRC64NVME[:]}
	}
	out := wireChecksum(c)
	if c.Type == envelope.ChecksumComposite {
		out.Parts = len(m.Parts)
	}
	return out
}

// partChecksum is the checksum of one part of an object, counted from 1.
func partChecksum(m *envelope.Manifest, part int) s3api.Checksum {
	a := m.Digests.Client.Algorithm
	if a == envelope.ChecksumNone {
		a = envelope.ChecksumCRC64NVME
	}
	return s3api.Checksum{Algorithm: s3api.Algorithm(a), Sum: m.Parts[part-1].Checksum}
}
