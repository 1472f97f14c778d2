// SPDX-License-Identifier: Apache-2.0

package certs_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sealgate/sealgate/certs"
)

var issued = time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)

func trainJob() certs.Peer {
	return certs.Peer{
		ID: certs.MustParseID("spiffe://acme.ai/ns/fraud/train"), Serial: "2a", IssuerSKI: "c0ffee",
		SPKI: [32]byte{1}, NotBefore: issued, NotAfter: issued.Add(time.Hour),
	}
}

func TestDenialsCheck(t *testing.T) {
	t.Parallel()
	id := certs.MustParseID
	for _, tt := range []struct {
		name   string
		rule   certs.Rule
		denied bool
	}{
		{"the ID", certs.Rule{Kind: certs.DenyID, ID: id("spiffe://acme.ai/ns/fraud/train")}, true},
		{"an ID above it", certs.Rule{Kind: certs.DenyID, ID: id("spiffe://acme.ai/ns/fraud")}, false},
		{"an ID below it", certs.Rule{Kind: certs.DenyID, ID: id("spiffe://acme.ai/ns/fraud/train/x")}, false},
		{"the same path elsewhere", certs.Rule{Kind: certs.DenyID, ID: id("spiffe://acme.ai.evil/ns/fraud/train")}, false},
		{"a prefix", certs.Rule{Kind: certs.DenyPrefix, ID: id("spiffe://acme.ai/ns/fraud")}, true},
		{"a prefix of one segment", certs.Rule{Kind: certs.DenyPrefix, ID: id("spiffe://acme.ai/ns")}, true},
		{"the whole ID as prefix", certs.Rule{Kind: certs.DenyPrefix, ID: id("spiffe://acme.ai/ns/fraud/train")}, true},
		{"the domain as prefix", certs.Rule{Kind: certs.DenyPrefix, ID: id("spiffe://acme.ai")}, true},
		{"half a segment", certs.Rule{Kind: certs.DenyPrefix, ID: id("spiffe://acme.ai/ns/fra")}, false},
		{"half a last segment", certs.Rule{Kind: certs.DenyPrefix, ID: id("spiffe://acme.ai/ns/fraud/tra")}, false},
		{"a longer prefix", certs.Rule{Kind: certs.DenyPrefix, ID: id("spiffe://acme.ai/ns/fraud/train/x")}, false},
		{"half a domain as prefix", certs.Rule{Kind: certs.DenyPrefix, ID: id("spiffe://acme.a")}, false},
		{"the domain", certs.Rule{Kind: certs.DenyTrustDomain, TrustDomain: certs.MustParseTrustDomain("acme.ai")}, true},
		{"another domain", certs.Rule{Kind: certs.DenyTrustDomain, TrustDomain: certs.MustParseTrustDomain("ai")}, false},
		{"the serial", certs.Rule{Kind: certs.DenySerial, IssuerSKI: "c0ffee", Serial: "2a"}, true},
		{"the serial of another issuer", certs.Rule{Kind: certs.DenySerial, IssuerSKI: "beef", Serial: "2a"}, false},
		{"another serial", certs.Rule{Kind: certs.DenySerial, IssuerSKI: "c0ffee", Serial: "2b"}, false},
		{"the key", certs.Rule{Kind: certs.DenySPKI, SPKI: [32]byte{1}}, true},
		{"another key", certs.Rule{Kind: certs.DenySPKI, SPKI: [32]byte{2}}, false},
		{"issued before a later time", certs.Rule{Kind: certs.DenyIssuedBefore, ID: trainJob().ID, Before: issued.Add(time.Second)}, true},
		{"issued at that time", certs.Rule{Kind: certs.DenyIssuedBefore, ID: trainJob().ID, Before: issued}, false},
		{"issued before, another ID", certs.Rule{Kind: certs.DenyIssuedBefore, ID: id("spiffe://acme.ai/x"), Before: issued.Add(time.Hour)}, false},
		{"a denial that has ended", certs.Rule{Kind: certs.DenyID, ID: trainJob().ID, Until: issued}, false},
		{"a denial that ends later", certs.Rule{Kind: certs.DenyID, ID: trainJob().ID, Until: issued.Add(time.Second)}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := certs.NewDenials()
			if err := d.Deny(tt.rule); err != nil {
				t.Fatal(err)
			}
			rule, denied := d.Check(trainJob(), issued)
			if denied != tt.denied {
				t.Errorf("denied = %v, want %v", denied, tt.denied)
			}
			if denied && rule != tt.rule {
				t.Errorf("rule %+v, want %+v", rule, tt.rule)
			}
			if d.Allow(tt.rule); len(d.Rules()) != 0 {
				t.Errorf("%d rules are left after Allow", len(d.Rules()))
			}
		})
	}
}

func TestDenialsRefuseEmptyRules(t *testing.T) {
	t.Parallel()
	d := certs.NewDenials()
	for kind := range certs.DenyIssuedBefore + 2 {
		if err := d.Deny(certs.Rule{Kind: kind}); !errors.Is(err, certs.ErrRule) {
			t.Errorf("%s without a target: %v", kind, err)
		}
		if err := d.Replace([]certs.Rule{{Kind: kind}}); !errors.Is(err, certs.ErrRule) {
			t.Errorf("%s without a target, replaced: %v", kind, err)
		}
	}
	if d.Generation() != 1 || len(d.Rules()) != 0 {
		t.Error("a refused rule changed the set")
	}
}

func TestDenialsNotify(t *testing.T) {
	t.Parallel()
	d := certs.NewDenials()
	rule := certs.Rule{Kind: certs.DenyID, ID: trainJob().ID}
	for i, change := range []func(){
		func() { _ = d.Deny(rule) },
		func() { d.Allow(rule) },
		func() { _ = d.Replace([]certs.Rule{rule}) },
	} {
		changed, generation := d.Changed(), d.Generation()
		change()
		select {
		case <-changed:
		default:
			t.Errorf("change %d was not told", i)
		}
		if d.Generation() <= generation {
			t.Errorf("change %d left the generation at %d", i, generation)
		}
	}
}

// The later denial of one target takes the place of the earlier.
func TestDenialsReplaceSameTarget(t *testing.T) {
	t.Parallel()
	d := certs.NewDenials()
	for _, until := range []time.Time{issued, {}} {
		if err := d.Deny(certs.Rule{Kind: certs.DenyID, ID: trainJob().ID, Until: until}); err != nil {
			t.Fatal(err)
		}
	}
	if _, denied := d.Check(trainJob(), issued.Add(time.Hour)); !denied || len(d.Rules()) != 1 {
		t.Errorf("denied %v with %d rules", denied, len(d.Rules()))
	}
}

func TestNilDenialsDenyNobody(t *testing.T) {
	t.Parallel()
	var d *certs.Denials
	if _, denied := d.Check(trainJob(), issued); denied || d.Generation() != 0 || d.Changed() != nil {
		t.Error("nil denials did something")
	}
}

func BenchmarkDenialsCheck(b *testing.B) {
	d := certs.NewDenials()
	var rules []certs.Rule
	for i := range 1000 {
		rules = append(rules,
			certs.Rule{Kind: certs.DenyID, ID: certs.MustParseID(fmt.Sprintf("spiffe://acme.ai/w/%d", i))},
			certs.Rule{Kind: certs.DenyPrefix, ID: certs.MustParseID(fmt.Sprintf("spiffe://acme.ai/p/%d", i))})
	}
	if err := d.Replace(rules); err != nil {
		b.Fatal(err)
	}
	peer := trainJob()
	b.ReportAllocs()
	for b.Loop() {
		if _, denied := d.Check(peer, issued); denied {
			b.Fatal("denied")
		}
	}
}
