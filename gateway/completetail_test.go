// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"testing"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/state"
)

// Of two requests that complete the same list at once, the later sends the tail
// of the first, never its own: the bytes of an object are decided once.
func TestTheFirstTailIsSent(t *testing.T) {
	t.Parallel()
	key := envelope.NewKeyringKey(envelope.NewID(), envelope.NewID(), 1, envelope.NewKey())
	sealer, err := envelope.NewMultipart(envelope.SealConfig{Key: key, Location: envelope.Location{Bucket: "models", Key: "k"}})
	if err != nil {
		t.Fatal(err)
	}
	attempt, err := sealer.SealPart(1, 1)
	if err != nil {
		t.Fatal(err)
	}
	part := attempt.Part()
	part.Checksum = make([]byte, 8)
	tail := func() *envelope.Tail {
		made, err := sealer.Tail([]envelope.Part{part}, envelope.Digests{})
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	first, own := tail(), tail()
	c := &completion{u: &upload{sealer: sealer}, list: "list", tail: own}
	if err := c.take(state.Frozen{List: "list", Tail: first.Sealed(), Slot: 2}); err != nil || !bytes.Equal(c.tail.Sealed(), first.Sealed()) {
		t.Errorf("the later request goes on with its own tail: %v", err)
	}
	if err := c.take(state.Frozen{List: "another", Tail: own.Sealed(), Slot: 2}); err == nil {
		t.Error("a request goes on with what another list decided")
	}
	if err := c.take(state.Frozen{List: "list", Tail: make([]byte, len(own.Sealed())), Slot: 2}); err == nil {
		t.Error("a tail that does not open was taken")
	}
}
