// SPDX-License-Identifier: Apache-2.0

package control

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
)

// nextOf reads the token of an answer.
func nextOf(t *testing.T, r reply) string {
	t.Helper()
	var a struct{ Next string }
	if err := json.Unmarshal([]byte(r.body), &a); err != nil || r.status != http.StatusOK {
		t.Fatalf("got %d %s", r.status, r.body)
	}
	return a.Next
}

func TestPageTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t, auditorPolicy(t))
	w.backend.found = Records{Items: []map[string]any{{"seq": 1}, {"seq": 2}}, More: true}
	next := nextOf(t, w.do(http.MethodGet, "/v1/audit/records?who=a&limit=2", ""))
	if next == "" || next == "2" {
		t.Fatalf("next is %q, want a sealed token", next)
	}
	if again := nextOf(t, w.do(http.MethodGet, "/v1/audit/records?who=a&limit=2", "")); again == next {
		t.Error("the same token twice: it is not sealed with a fresh nonce")
	}
	second := nextOf(t, w.do(http.MethodGet, "/v1/audit/records?who=a&limit=5&page="+next, ""))
	if w.backend.query.Skip != 2 || w.backend.query.Limit != 5 {
		t.Errorf("the second page asked for %+v, want to skip 2", w.backend.query)
	}
	w.backend.found.More = false
	if end := nextOf(t, w.do(http.MethodGet, "/v1/audit/records?who=a&page="+second, "")); end != "" || w.backend.query.Skip != 4 {
		t.Errorf("the last page: next %q after skipping %d, want none after 4", end, w.backend.query.Skip)
	}

	calls := len(w.backend.asked())
	raw, _ := base64.RawURLEncoding.DecodeString(next)
	raw[len(raw)-1] ^= 1
	for name, query := range map[string]string{
		"a plain number":   "who=a&page=2",
		"another query":    "who=b&page=" + next,
		"a query more":     "who=a&event=x&page=" + next,
		"a query less":     "page=" + next,
		"a changed token":  "who=a&page=" + base64.RawURLEncoding.EncodeToString(raw),
		"a cut token":      "who=a&page=" + next[:8],
		"another encoding": "who=a&page=" + next + "%3D",
	} {
		if r := w.do(http.MethodGet, "/v1/audit/records?"+query, ""); r.problem.Code != Invalid {
			t.Errorf("%s: got %d %s, want invalid", name, r.status, r.body)
		}
	}
	if n := len(w.backend.asked()); n != calls {
		t.Errorf("the log was searched %d times for tokens that do not open", n-calls)
	}
}

func TestPageTokensAreBoundToTheCaller(t *testing.T) {
	t.Parallel()
	p := newPages()
	scope := func(actor, action string, q url.Values) []byte {
		return (&call{who: caller{actor: actor}, row: route{action: action}}).pageScope(q)
	}
	q := url.Values{"who": {"x"}}
	token := p.seal(scope("local:uid/ana", "audit-search", q), 7)
	if n, err := p.open(scope("local:uid/ana", "audit-search", url.Values{"who": {"x"}, "limit": {"9"}, "page": {token}}), token); err != nil || n != 7 {
		t.Errorf("its own caller: got %d, %v, want 7", n, err)
	}
	for name, s := range map[string][]byte{
		"another caller": scope("local:uid/bob", "audit-search", q),
		"another route":  scope("local:uid/ana", "kek-list", q),
		"names shifted":  scope("local:uid/ana", "audit-search", url.Values{"whox": {""}}),
	} {
		if _, err := p.open(s, token); err == nil {
			t.Errorf("%s: the token opens", name)
		}
	}
	other := newPages()
	if _, err := other.open(scope("local:uid/ana", "audit-search", q), token); err == nil {
		t.Error("the token of another process opens")
	}
}
