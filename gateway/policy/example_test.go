// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"fmt"
	"time"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/gateway/policy"
)

const document = `version: 1
trust_domain: acme.ai
identities:
  job: spiffe://acme.ai/ns/{team}/train/*
roles:
  training:
    who: [job]
    can: {do: [read, list], paths: ["datasets/{team}/**"]}
`

func ExamplePolicy_Principal() {
	p, faults := policy.Parse("policy.yaml", []byte(document))
	if p == nil {
		fmt.Println(faults)
		return
	}
	who := p.Principal(certs.MustParseID("spiffe://acme.ai/ns/fraud/train/j1"))
	for _, key := range []string{"fraud/a.csv", "risk/a.csv"} {
		d := who.Decide(policy.Query{Verb: policy.VerbRead, Bucket: "datasets", Key: key, Now: time.Now()})
		fmt.Println(key, d.Allowed(), d.Reason(), d.Rule())
	}
	// Output:
	// fraud/a.csv true  roles.training.can[0]@8
	// risk/a.csv false no_grant
}

func ExampleParse_faults() {
	_, faults := policy.Parse("policy.yaml", []byte("version: 1\ntrust_domain: acme.ai\nguardrails:\n  - {name: audit, deny: [writ], path: [\"audit/**\"]}\n"))
	for _, f := range faults {
		fmt.Println(f)
	}
	// Output:
	// policy.yaml:4:5: error E007: "paths" is missing in guardrails[0]
	// policy.yaml:4:26: error E011: no action "writ"; did you mean "write"?
	// policy.yaml:4:33: error E004: unknown key "path"; did you mean "paths"?
}

func ExamplePolicy_Explain() {
	p, _ := policy.Parse("policy.yaml", []byte(document))
	e, err := p.Explain(policy.Question{Who: "job", With: map[string]string{"team": "fraud"}, Do: policy.VerbWrite, Path: "datasets/fraud/a.csv"})
	if err == nil {
		fmt.Print(e)
	}
	// Output:
	// DENY  policy.yaml no_grant: no role of spiffe://acme.ai/ns/fraud/train/x grants write on datasets/fraud/a.csv
	// skip  policy.yaml:8 role training can read, list here (datasets/{team}/** (team=fraud)), not write
}

func ExamplePrincipal_Coverage() {
	p, _ := policy.Parse("policy.yaml", []byte(document))
	who := p.Principal(certs.MustParseID("spiffe://acme.ai/ns/fraud/train/j1"))
	for _, dir := range []string{"", "fraud/", "risk/"} {
		fmt.Printf("%q %v\n", dir, who.Coverage(policy.VerbList, "datasets", dir, time.Now()))
	}
	// Output:
	// "" some
	// "fraud/" all
	// "risk/" none
}
