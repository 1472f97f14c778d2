// SPDX-License-Identifier: Apache-2.0

package certs_test

import (
	"fmt"
	"time"

	"github.com/sealgate/sealgate/certs"
)

func ExampleParseID() {
	id, err := certs.ParseID("spiffe://acme.ai/ns/fraud/train")
	fmt.Println(id.TrustDomain(), id.Path(), err)

	_, err = certs.ParseID("spiffe://acme.ai/ns/../admin")
	fmt.Println(err)
	// Output:
	// acme.ai /ns/fraud/train <nil>
	// not a SPIFFE ID: path segment ".."
}

func ExampleDenials() {
	denials := certs.NewDenials()
	err := denials.Deny(certs.Rule{Kind: certs.DenyPrefix, ID: certs.MustParseID("spiffe://acme.ai/ns/fraud")})
	fmt.Println(err)

	for _, path := range []string{"/ns/fraud/train", "/ns/fraudulent"} {
		peer := certs.Peer{ID: certs.MustParseID("spiffe://acme.ai" + path)}
		_, denied := denials.Check(peer, time.Now())
		fmt.Println(path, denied)
	}
	// Output:
	// <nil>
	// /ns/fraud/train true
	// /ns/fraudulent false
}
