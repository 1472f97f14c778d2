// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func refused(actor, key string) Event {
	e := read(key)
	e.Actor, e.Decision, e.Reason = actor, "deny", "no_grant"
	return e
}

// TestDenialsCollapse: single records up to the rate, then one summary a
// second with a count and names; another identity is not affected.
func TestDenialsCollapse(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.DenyRate = 5
	l := mustOpen(t, c)
	single := 0
	for i := range 100 {
		r, err := l.Deny(t.Context(), refused("spiffe://acme.ai/intruder", fmt.Sprintf("k%d", i%40)))
		if err != nil {
			t.Fatal(err)
		}
		if !r.IsZero() {
			single++
		}
	}
	if r, err := l.Deny(t.Context(), refused("spiffe://acme.ai/other", "k")); err != nil || r.IsZero() {
		t.Errorf("another identity: %v, %v", r, err)
	}
	mustClose(t, l)
	mustVerify(t, c.Dir, VerifyOptions{})
	total, names := uint64(0), 0
	for _, r := range records(t, c.Dir, SearchQuery{Event: EventDenials}) {
		total += r.Count
		names = max(names, len(r.Denied))
		if r.Actor != "spiffe://acme.ai/intruder" || r.Decision != "deny" {
			t.Errorf("%+v", r)
		}
	}
	if single+int(total) != 100 || single < 5 || single > 15 || names == 0 || names > maxDenied {
		t.Errorf("%d single records, %d counted, %d names", single, total, names)
	}
	if got := records(t, c.Dir, SearchQuery{Path: "models/k17"}); len(got) == 0 || got[0].Event != EventDenials {
		t.Errorf("a counted refusal cannot be found by its path: %+v", got)
	}
}

func TestDenialBounds(t *testing.T) {
	t.Parallel()
	d := denials{rate: 1, by: make(map[string]*denial)}
	e := refused("", "")
	for i := range 3 * maxIdentities {
		e.Actor = fmt.Sprint("actor", i)
		d.single(&e)
		e.Key = strings.Repeat("\x01", 1024)
		for j := range 3 {
			e.Bucket = fmt.Sprint("b", i, j)
			d.single(&e)
		}
	}
	if len(d.by) > maxIdentities+1 {
		t.Errorf("%d identities are held", len(d.by))
	}
	l := &Log{cfg: Config{Now: time.Now}, log: "3f9c1a7e", began: time.Now()}
	for _, r := range d.flush() {
		r.Actor = strings.Repeat("\x01", maxString) // the worst that fits
		if _, err := l.encode(&r); err != nil {
			t.Fatal(err)
		}
	}
	if len(d.flush()) != 0 {
		t.Error("flushed twice")
	}
}

func TestHandshakes(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	l := mustOpen(t, c)
	for i := range 100 {
		l.HandshakeFailed("expired", netip.MustParseAddr(fmt.Sprintf("192.0.2.%d", i)))
		l.HandshakeFailed("expired", netip.MustParseAddr(fmt.Sprintf("::ffff:192.0.2.%d", i)))
		l.HandshakeFailed("no_certificate", netip.MustParseAddr(fmt.Sprintf("2001:db8:1:%x::1", i)))
	}
	l.HandshakeFailed("expired", netip.Addr{})
	mustClose(t, l)
	mustVerify(t, c.Dir, VerifyOptions{})
	got := make(map[string]uint64)
	for _, r := range records(t, c.Dir, SearchQuery{Event: EventHandshake}) {
		got[r.Reason+" "+r.SrcIP] += r.Count
	}
	if got["expired 192.0.2.0/24"] != 200 || got["no_certificate 2001:db8:1::/48"] != 100 || got["expired "] != 1 || len(got) != 3 {
		t.Errorf("%v", got)
	}
	h := handshakes{by: make(map[handshake]uint64)}
	for i := range 5000 {
		h.add(fmt.Sprint("reason", i), netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1}))
	}
	if n := len(h.by); n > 2*maxNetworks+1 {
		t.Errorf("%d kinds are held", n)
	}
}
