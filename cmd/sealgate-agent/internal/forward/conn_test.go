// SPDX-License-Identifier: Apache-2.0

package forward

import (
	"errors"
	"testing"
)

// A peer that the kernel does not name is nobody: above all not root, whose
// number is what an empty answer looks like.
func TestUnknownPeer(t *testing.T) {
	t.Parallel()
	x := &exchange{f: &Forwarder{}, c: &conn{unix: true, uidErr: errors.New("no answer")}}
	if ref := x.checkPeer(); ref == nil || ref.reason != "peer_uid" || !ref.close {
		t.Errorf("got %+v", ref)
	}
}
