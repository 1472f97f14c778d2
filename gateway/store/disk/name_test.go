// SPDX-License-Identifier: Apache-2.0

package disk

import (
	"math/rand/v2"
	"path"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sealgate/sealgate/gateway/store"
)

// The examples of the package comment, and the borders of a piece.
func TestPathOf(t *testing.T) {
	t.Parallel()
	s := func(n int) string { return strings.Repeat("s", n) }
	for key, want := range map[string]string{
		"a":                       "a=",
		"a/":                      "a+/=",
		"a/b":                     "a+/b=",
		"a//b":                    "a+/+/b=",
		"/a":                      "+/a=",
		"/":                       "+/=",
		"\u00e9 x":                "%C3%A9%20x=",
		".":                       ".=",
		"../x":                    "..+/x=",
		"a=+~%":                   "a%3D%2B%7E%25=",
		"a%3D":                    "a%253D=",
		"\x00":                    "%00=",
		s(200):                    s(200) + "=",
		s(201):                    s(200) + "~/s=",
		s(200) + "/x":             s(200) + "+/x=",
		s(401) + "/":              s(200) + "~/" + s(200) + "~/s+/=",
		s(199) + " ":              s(199) + "~/%20=",
		s(198) + " ":              s(198) + "~/%20=",
		s(197) + " ":              s(197) + "%20=",
		"d/" + s(201) + "/" + "e": "d+/" + s(200) + "~/s+/e=",
	} {
		if got := pathOf(key); got != want {
			t.Errorf("pathOf(%.20q) = %q, want %q", key, got, want)
		}
		if got, ok := keyOf(want); !ok || got != key {
			t.Errorf("keyOf(%.20q) = %q, %t", want, got, ok)
		}
	}
}

// Names that this package does not write are no keys: one key must not have two
// names, and no name may lead out of the store.
func TestKeyOfRefuses(t *testing.T) {
	t.Parallel()
	s := strings.Repeat("s", 200)
	for _, p := range []string{
		"", "=/", "/=", "a", "a+", "a~", "a+/", "a~/b=", "a=/b=", "a+/b", "..", "../a=", "a+/../b=", "./a=", "a+//b=",
		"%61=", "%2F=", "%c3%a9=", "%C=", "%=", "%GG=", " =", "a+b=", "a==", "\u00e9=", ".tmp", ".format", ".tmp/x",
		s + "s=", s + "~/=", s + "~", s[:199] + "~/s=", s + "~/" + s + "=/x=", s[:198] + "%20=",
	} {
		if key, ok := keyOf(p); ok {
			t.Errorf("keyOf(%.40q) = %.40q", p, key)
		}
	}
}

// The same for single names: a listing decodes them before it knows the path.
func TestParseNameRefuses(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "a", "%61=", "%2F+", "%2D~", "%c3=", "%C=", "%=", "a b=", "a+b=", strings.Repeat("s", 201) + "="} {
		if p, ok := parseName(name); ok {
			t.Errorf("parseName(%.20q) = %+v", name, p)
		}
	}
}

// checkName holds what must be true of every key.
func checkName(t *testing.T, key string) {
	t.Helper()
	p := pathOf(key)
	if got, ok := keyOf(p); !ok || got != key {
		t.Fatalf("keyOf(pathOf(%q)) = %q, %t (path %q)", key, got, ok, p)
	}
	if path.Clean(p) != p || path.IsAbs(p) || strings.HasPrefix(p, "../") || strings.HasPrefix(p, ".tmp/") {
		t.Fatalf("pathOf(%q) = %q leads elsewhere", key, p)
	}
	for name := range strings.SplitSeq(p, "/") {
		if len(name) > maxPiece+1 || strings.ContainsFunc(name, func(r rune) bool { return r >= utf8.RuneSelf }) {
			t.Fatalf("pathOf(%q) has the name %q", key, name)
		}
	}
	if dir := dirOf(key + "/"); dir+"/=" != pathOf(key+"/") {
		t.Fatalf("dirOf(%q) = %q", key+"/", dir)
	}
}

// Random keys up to the longest, of bytes that need escapes and bytes that do
// not, each distinct key with a distinct path.
func TestNamesAreInjective(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	runes := []rune("ab/=+~%._-\u00e9\u20ac\U0001f600 \x00\x7f")
	seen := make(map[string]string)
	for range 20_000 {
		var b strings.Builder
		for n := 1 + r.IntN(1<<r.IntN(11)); b.Len() < n; {
			b.WriteRune(runes[r.IntN(len(runes))])
		}
		key := b.String()
		if store.CheckKey(key) != nil {
			continue
		}
		checkName(t, key)
		if other, ok := seen[pathOf(key)]; ok && other != key {
			t.Fatalf("%q and %q have one path", key, other)
		}
		seen[pathOf(key)] = key
	}
}

func FuzzKey(f *testing.F) {
	for _, key := range []string{"a", "a/b", "//", "\u00e9", strings.Repeat("x", 1024), strings.Repeat("\u20ac", 341), "a=+~%."} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if store.CheckKey(key) == nil {
			checkName(t, key)
		}
	})
}

// FuzzPath: a path that is a key's is the only one of that key.
func FuzzPath(f *testing.F) {
	for _, p := range []string{"a=", "a+/b=", "%C3%A9=", strings.Repeat("s", 200) + "~/s=", "+/+/=", "a~/b=", "..+/x="} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p string) {
		if key, ok := keyOf(p); ok && pathOf(key) != p {
			t.Fatalf("keyOf(%q) = %q, whose path is %q", p, key, pathOf(key))
		}
	})
}
