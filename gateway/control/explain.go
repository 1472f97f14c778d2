// SPDX-License-Identifier: Apache-2.0

package control

import (
	"fmt"

	"github.com/sealgate/sealgate/gateway/policy"
)

// Explain asks a policy. An error says what about the question is wrong.
func Explain(p *policy.Policy, q ExplainQuery) (Explanation, error) {
	verb, ok := policy.ParseVerb(q.Do)
	if !ok {
		return Explanation{}, fmt.Errorf("no action %q; the verbs are read, list, create, write, delete and tag", q.Do)
	}
	e, err := p.Explain(policy.Question{Who: q.Who, Do: verb, Path: q.Path, At: q.At, With: q.With})
	if err != nil {
		return Explanation{}, err
	}
	out := Explanation{Allowed: e.Verdict == policy.Allow}
	for _, l := range e.Lines {
		out.Lines = append(out.Lines, l.String())
	}
	return out, nil
}
