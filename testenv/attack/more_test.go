// SPDX-License-Identifier: Apache-2.0

package attack

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/testenv/gate"
)

func plainDial(t *testing.T, g *gate.Gate) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(g.Endpoint, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// outcomes are those of an identity's intents of one action.
func outcomes(t *testing.T, g *gate.Gate, who, action string) []audit.Record {
	t.Helper()
	intents := map[uint64]bool{}
	var out []audit.Record
	for _, r := range g.Records(t, audit.SearchQuery{Who: who}) {
		switch {
		case r.Phase == audit.PhaseIntent && r.Action == action:
			intents[r.Seq] = true
		case r.Phase == audit.PhaseOutcome && intents[r.Of]:
			out = append(out, r)
		}
	}
	return out
}

// expectSoon waits until something holds.
func expectSoon(t *testing.T, holds func() bool, what string) {
	t.Helper()
	for until := time.Now().Add(20 * time.Second); time.Now().Before(until); time.Sleep(100 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Errorf("waited in vain for %s", what)
}
