// SPDX-License-Identifier: Apache-2.0

package certs_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sealgate/sealgate/certs"
)

func TestParseID(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, in, td, path string }{
		{"root", "spiffe://acme.ai", "acme.ai", ""},
		{"path", "spiffe://acme.ai/ns/fraud/train", "acme.ai", "/ns/fraud/train"},
		{"every byte of a trust domain", "spiffe://abcxyz019.-_", "abcxyz019.-_", ""},
		{"every byte of a path", "spiffe://a/AZaz09.-_", "a", "/AZaz09.-_"},
		{"three dots are a name", "spiffe://a/...", "a", "/..."},
		{"longest trust domain", "spiffe://" + strings.Repeat("a", 255), strings.Repeat("a", 255), ""},
		{"longest", "spiffe://a/" + strings.Repeat("b", 2037), "a", "/" + strings.Repeat("b", 2037)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			id, err := certs.ParseID(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if id.String() != tt.in || id.TrustDomain().String() != tt.td || id.Path() != tt.path || id.IsZero() {
				t.Errorf("got %q, domain %q, path %q", id, id.TrustDomain(), id.Path())
			}
		})
	}
}

func TestParseIDRefuses(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]string{
		"empty":                    "",
		"scheme alone":             "spiffe://",
		"no trust domain":          "spiffe:///a",
		"upper-case scheme":        "SPIFFE://acme.ai/a",
		"another scheme":           "https://acme.ai/a",
		"no scheme":                "acme.ai/a",
		"one slash":                "spiffe:/acme.ai/a",
		"upper-case trust domain":  "spiffe://Acme.ai/a",
		"port":                     "spiffe://acme.ai:443/a",
		"user":                     "spiffe://u@acme.ai/a",
		"user and password":        "spiffe://u:p@acme.ai/a",
		"query":                    "spiffe://acme.ai/a?b",
		"empty query":              "spiffe://acme.ai/a?",
		"query without path":       "spiffe://acme.ai?b",
		"fragment":                 "spiffe://acme.ai/a#b",
		"trailing slash":           "spiffe://acme.ai/a/",
		"only a slash":             "spiffe://acme.ai/",
		"empty segment":            "spiffe://acme.ai/a//b",
		"dot":                      "spiffe://acme.ai/a/.",
		"dot-dot":                  "spiffe://acme.ai/../a",
		"escaped slash":            "spiffe://acme.ai/a%2fb",
		"escaped letter":           "spiffe://acme.ai/%61",
		"star":                     "spiffe://acme.ai/*",
		"space":                    "spiffe://acme.ai/a b",
		"newline":                  "spiffe://acme.ai/a\n",
		"NUL":                      "spiffe://acme.ai/a\x00",
		"letter beyond ASCII":      "spiffe://acme.ai/é",
		"look-alike trust domain":  "spiffe://аcme.ai/a",
		"trust domain of 256":      "spiffe://" + strings.Repeat("a", 256),
		"2049 bytes":               "spiffe://a/" + strings.Repeat("b", 2038),
		"leading space":            " spiffe://acme.ai/a",
		"brace of a capture":       "spiffe://acme.ai/{project}",
		"backslash":                `spiffe://acme.ai/a\b`,
		"IPv6 as the trust domain": "spiffe://[::1]/a",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id, err := certs.ParseID(in)
			if !errors.Is(err, certs.ErrID) {
				t.Errorf("ParseID(%q) = %q, %v; want ErrID", in, id, err)
			}
			if !id.IsZero() {
				t.Errorf("a refused ID is %q, want nobody", id)
			}
		})
	}
}

// Every single byte at each place: the two charsets hold for all 256.
func TestParseIDBytes(t *testing.T) {
	t.Parallel()
	for c := range 256 {
		for _, form := range []string{"spiffe://a?b/x", "spiffe://a/x?y", "spiffe://a/x?", "spiffe://?/x", "spiffe://a/?"} {
			compareWithOracle(t, strings.ReplaceAll(form, "?", string([]byte{byte(c)})))
		}
	}
}

func TestZeroIDIsNobody(t *testing.T) {
	t.Parallel()
	var nobody certs.ID
	if !nobody.IsZero() || nobody.String() != "" || nobody.Path() != "" || !nobody.TrustDomain().IsZero() {
		t.Errorf("the zero ID is somebody: %q", nobody)
	}
	if id, err := (certs.TrustDomain{}).Join("/a"); err == nil {
		t.Errorf("no trust domain has the workload %q", id)
	}
}

func TestIDText(t *testing.T) {
	t.Parallel()
	want := certs.MustParseID("spiffe://acme.ai/a")
	text, err := want.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	got := certs.MustParseID("spiffe://other/b")
	if err := got.UnmarshalText(text); err != nil || got != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	if err := got.UnmarshalText([]byte("spiffe://acme.ai/%61")); err == nil || got != want {
		t.Errorf("a refused text changed the ID to %q", got)
	}
	if err := got.UnmarshalText(nil); err != nil || !got.IsZero() {
		t.Errorf("empty text is %q, %v; want nobody", got, err)
	}
}

func TestTrustDomainJoin(t *testing.T) {
	t.Parallel()
	td := certs.MustParseTrustDomain("acme.ai")
	if id, err := td.Join("/a/b"); err != nil || id != certs.MustParseID("spiffe://acme.ai/a/b") {
		t.Errorf("got %q, %v", id, err)
	}
	for _, path := range []string{"a", ".evil/x", "-evil/x", "/../x"} {
		id, err := td.Join(path)
		if err == nil && id.TrustDomain() != td {
			t.Errorf("Join(%q) left the trust domain: %q", path, id)
		}
	}
	if td.ID().String() != "spiffe://acme.ai" || td.ID().TrustDomain() != td {
		t.Errorf("ID of the domain is %q", td.ID())
	}
}

// FuzzParseID: our parser and go-spiffe's agree on every input, and what parses has one
// spelling.
func FuzzParseID(f *testing.F) {
	for _, s := range []string{
		"spiffe://acme.ai", "spiffe://acme.ai/a/b", "spiffe://acme.ai/", "spiffe://a/..", "SPIFFE://a/b",
		"spiffe://a:1/b", "spiffe://a/b?c#d", "spiffe://a/%2f", "spiffe://" + strings.Repeat("x", 256), "",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { compareWithOracle(t, s) })
}

// compareWithOracle: ours refuses what go-spiffe refuses, and accepts what it
// accepts but for the length bounds, which go-spiffe does not have.
func compareWithOracle(t *testing.T, s string) {
	t.Helper()
	id, err := certs.ParseID(s)
	want, oracleErr := spiffeid.FromString(s)
	if tooLong := len(s) > 2048 || len(want.TrustDomain().Name()) > 255; tooLong {
		if err == nil {
			t.Errorf("ParseID accepts %d bytes", len(s))
		}
		return
	}
	if (err == nil) != (oracleErr == nil) {
		t.Fatalf("ParseID(%q): %v; go-spiffe: %v", s, err, oracleErr)
	}
	if err != nil {
		return
	}
	if id.String() != s || id.Path() != want.Path() || id.TrustDomain().String() != want.TrustDomain().Name() {
		t.Errorf("ParseID(%q) = %q %q %q", s, id, id.TrustDomain(), id.Path())
	}
	again, err := certs.ParseID(id.String())
	if err != nil || again != id {
		t.Errorf("%q does not parse back to itself: %q, %v", id, again, err)
	}
}
