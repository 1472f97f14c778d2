// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"os"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/certs"
)

// FuzzParse: no document breaks the parser, and one that loads decides, explains
// and lints without breaking either. What its decisions are worth, FuzzOracle says.
func FuzzParse(f *testing.F) {
	src, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{string(src), explained, string(Init()), inRole(`{do: [read], paths: ["models/{team}/**"], when: {days: [mon], hours: "22:00-06:00", tz: Asia/Tokyo}}`), "version: 1\ntrust_domain: t.d\n"} {
		f.Add([]byte(s))
	}
	id := certs.MustParseID("spiffe://acme.ai/ns/fraud/job")
	f.Fuzz(func(t *testing.T, src []byte) {
		p, fs := Check("f", src, CheckOptions{Buckets: []string{"models"}})
		if (p == nil) != (fs.Errors() > 0) {
			t.Fatalf("policy %v with %d errors", p != nil, fs.Errors())
		}
		if p == nil {
			return
		}
		who := p.Principal(id)
		for _, r := range p.rules() {
			if len(r.paths) == 0 || r.verbs == 0 || r.id == "" || r.line == 0 {
				t.Fatalf("a rule that does nothing: %+v", r)
			}
			for _, path := range r.paths {
				bucket, key, _ := strings.Cut(strings.TrimPrefix(path.open().example(), "/"), "/")
				for _, v := range r.verbs.verbs() {
					d := who.Decide(Query{Verb: v, Bucket: bucket, Key: key, Now: benchNow})
					if r.kind == guardrailDeny && r.when == nil && d.Allowed() {
						t.Fatalf("guardrail %s does not refuse %s %s/%s", r.id, v, bucket, key)
					}
					if _, err := p.Explain(Question{Who: id.String(), Do: v, Path: bucket + "/" + key, At: benchNow}); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	})
}
