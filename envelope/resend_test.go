// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"bytes"
	"io"
	"testing"
	"testing/iotest"
)

func TestResendPart(t *testing.T) {
	t.Parallel()
	u := newTestUpload(t)
	for _, n := range []int{0, 1, SegmentSize - 1, SegmentSize, SegmentSize + 1, 9*SegmentSize + 5} {
		p := sealPart(t, u, 3, noise(n))
		for name, src := range map[string]io.Reader{
			"at once":        bytes.NewReader(p.stored),
			"in bytes":       iotest.OneByteReader(bytes.NewReader(p.stored)),
			"in odd lengths": iotest.HalfReader(bytes.NewReader(p.stored)),
		} {
			got, err := io.ReadAll(u.ResendPart(p.part, src))
			if err != nil || !bytes.Equal(got, p.stored) {
				t.Errorf("%d bytes, %s: %d of %d came, error %v", n, name, len(got), len(p.stored), err)
			}
		}
	}
}

// TestResendPartStopsAtTheFault: nothing of a segment that does not open
// leaves, and there is no clean end.
func TestResendPartStopsAtTheFault(t *testing.T) {
	t.Parallel()
	u, other := newTestUpload(t), newTestUpload(t)
	p := sealPart(t, u, 3, noise(5*SegmentSize+9))
	foreign := sealPart(t, other, 3, p.plain)
	for name, c := range map[string]struct {
		stored []byte
		most   int
		rule   string
	}{
		"first segment": {flipped(p.stored, 40), 0, ruleSegment},
		"third segment": {flipped(p.stored, 2*storedSegment+7), 2 * storedSegment, ruleSegment},
		"last segment":  {flipped(p.stored, len(p.stored)-1), 5 * storedSegment, ruleSegment},
		"cut":           {p.stored[:len(p.stored)-1], 5 * storedSegment, ruleLength},
		"longer":        {append(bytes.Clone(p.stored), 0), 5 * storedSegment, ruleLength},
		"another's":     {foreign.stored, 0, ruleSegment},
		"nothing":       {nil, 0, ruleLength},
	} {
		got, err := io.ReadAll(u.ResendPart(p.part, bytes.NewReader(c.stored)))
		wantFault(t, err, c.rule)
		if len(got) > c.most || !bytes.HasPrefix(p.stored, got) {
			t.Errorf("%s: %d bytes left, at most %d are good", name, len(got), c.most)
		}
	}
}

func flipped(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 1
	return b
}
