// SPDX-License-Identifier: Apache-2.0

package session

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/certs"
)

func TestNarrow(t *testing.T) {
	t.Parallel()
	one := func(statement string) string {
		return `{"Version": "2012-10-17", "Statement": [` + statement + `]}`
	}
	for name, tc := range map[string]struct {
		role, policy string
		want         string // ROLE SCOPES, or what the error says
		err          error
	}{
		"nothing":         {"", "", " []", nil},
		"all roles":       {"arn:sealgate:iam:::role/*", "", " []", nil},
		"a role":          {"arn:sealgate:iam:::role/ml-training_2.x", "", "ml-training_2.x []", nil},
		"AWS's role":      {"arn:aws:iam::123456789012:role/x", "", "arn:sealgate:iam:::role/NAME", ErrRole},
		"a path of roles": {"arn:sealgate:iam:::role/a/b", "", "", ErrRole},
		"no role's name":  {"arn:sealgate:iam:::role/", "", "", ErrRole},
		"a pattern":       {"arn:sealgate:iam:::role/a*", "", "", ErrRole},

		"a prefix":           {"", one(`{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::models/fraud/*"}`), " [read:models/fraud/**]", nil},
		"one statement":      {"", `{"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::models/a.bin"}}`, " [*=models/a.bin]", nil},
		"lists":              {"", one(`{"Sid": "x", "Effect": "Allow", "Action": ["s3:PutObject", "s3:GetObject"], "Resource": ["arn:aws:s3:::a-b/*", "arn:aws:s3:::abc/d/e"]}`), " [read,create,write:a-b/** read,create,write=abc/d/e]", nil},
		"two statements":     {"", one(`{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}, {"Effect": "Allow", "Action": ["s3:DeleteObject", "s3:PutObjectTagging"], "Resource": "arn:aws:s3:::*"}`), " [list:** delete,tag:**]", nil},
		"all actions in one": {"", one(`{"Effect": "Allow", "Action": ["s3:GetObject", "*"], "Resource": "*"}`), " [*:**]", nil},
		"a key with a slash": {"", one(`{"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::models/a//b/*"}`), " [*:models/a//b/**]", nil},

		"deny":                {"", one(`{"Effect": "Deny", "Action": "*", "Resource": "*"}`), "Effect must be Allow", ErrPolicy},
		"no effect":           {"", one(`{"Action": "*", "Resource": "*"}`), "Effect must be Allow", ErrPolicy},
		"a condition":         {"", one(`{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {}}`), `"Condition" is not understood`, ErrPolicy},
		"a principal":         {"", one(`{"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*"}`), `"Principal" is not understood`, ErrPolicy},
		"not an action":       {"", one(`{"Effect": "Allow", "NotAction": "s3:GetObject", "Resource": "*"}`), `"NotAction" is not understood`, ErrPolicy},
		"another case":        {"", one(`{"Effect": "Allow", "Action": "*", "resource": "*"}`), `"resource" is not understood`, ErrPolicy},
		"twice":               {"", one(`{"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::models/a/*", "Resource": "*"}`), `"Resource" is given twice`, ErrPolicy},
		"two documents":       {"", one(`{"Effect": "Allow", "Action": "*", "Resource": "*"}`) + "{}", "not JSON", ErrPolicy},
		"no statement":        {"", `{"Version": "2012-10-17"}`, "the list is empty", ErrPolicy},
		"no statements":       {"", one(""), "the list is empty", ErrPolicy},
		"no resources":        {"", one(`{"Effect": "Allow", "Action": "*", "Resource": []}`), "the list is empty", ErrPolicy},
		"a resource of null":  {"", one(`{"Effect": "Allow", "Action": "*", "Resource": null}`), "write arn:aws:s3:::", ErrPolicy},
		"an old version":      {"", `{"Version": "2008-10-17", "Statement": []}`, "2012-10-17", ErrPolicy},
		"an action of AWS":    {"", one(`{"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}`), `action "s3:Get*"`, ErrPolicy},
		"a bucket":            {"", one(`{"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::models"}`), "write arn:aws:s3:::", ErrPolicy},
		"half a name":         {"", one(`{"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::models/fraud*"}`), "at the end", ErrPolicy},
		"a star within":       {"", one(`{"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::models/*/a/*"}`), "at the end", ErrPolicy},
		"a question mark":     {"", one(`{"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::models/v?"}`), "at the end", ErrPolicy},
		"a variable":          {"", one(`{"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::models/${aws:username}/*"}`), "at the end", ErrPolicy},
		"any bucket":          {"", one(`{"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::*/a"}`), "no bucket", ErrPolicy},
		"a namespace":         {"", one(`{"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::secrets/*"}`), "no bucket", ErrPolicy},
		"another service":     {"", one(`{"Effect": "Allow", "Action": "*", "Resource": "arn:aws:sqs:::x/y"}`), "write arn:aws:s3:::", ErrPolicy},
		"not UTF-8":           {"", one(`{"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::models/` + "\xff" + `/*"}`), "UTF-8", ErrPolicy},
		"a number for a list": {"", one(`7`), "statement 1", ErrPolicy},
		"a list for an array": {"", `[]`, "an object is wanted", ErrPolicy},
	} {
		n, err := Narrow(tc.role, tc.policy)
		got := fmt.Sprintf("%s %v", n.Role, n.Scopes)
		switch {
		case !errors.Is(err, tc.err):
			t.Errorf("%s: got %v, want %v", name, err, tc.err)
		case err != nil && !strings.Contains(err.Error(), tc.want):
			t.Errorf("%s: the error is %q, want %q in it", name, err, tc.want)
		case err == nil && got != tc.want:
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}

func TestTemplates(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{
		"", "spiffe://ci.acme.ai", "spiffe://ci.acme.ai/", "spiffe://ci.acme.ai/ns/x", "https://ci.acme.ai/{claim.sub}", "spiffe://{claim.td}/x",
		"spiffe://ci.acme.ai/{claim.ns}-{claim.sa}", "spiffe://ci.acme.ai/ns-{claim.ns}", "spiffe://ci.acme.ai/{ns}", "spiffe://ci.acme.ai/{claim.}",
		"spiffe://ci.acme.ai/{claim.a}//x", "spiffe://ci.acme.ai/{claim.a}/..", "spiffe://ci.acme.ai/{claim.a}/", "spiffe://ci.acme.ai/{claim.a", "spiffe://CI/{claim.a}",
		"spiffe://ci.acme.ai/{claim.a}}", "spiffe://ci.acme.ai/{kubernetes.pod}",
	} {
		if got, err := ParseTemplate(bad); !errors.Is(err, ErrTemplate) {
			t.Errorf("%q: got %v, %v", bad, got, err)
		}
	}
	ns, err := ParseTemplate("spiffe://ci.acme.ai/ns/{claim.ns}/sa/{claim.https://acme.ai/sa}")
	if err != nil {
		t.Fatal(err)
	}
	k8s, err := ParseTemplate("spiffe://k8s.acme.ai/ns/{kubernetes.namespace}/sa/{kubernetes.serviceaccount}")
	if err != nil || k8s.TrustDomain() != certs.MustParseTrustDomain("k8s.acme.ai") {
		t.Fatal(k8s, err)
	}
	for name, tc := range map[string]struct {
		t      Template
		claims map[string]any
		want   string // "" is none
	}{
		"claims":         {ns, map[string]any{"ns": "fraud", "https://acme.ai/sa": "train.1"}, "spiffe://ci.acme.ai/ns/fraud/sa/train.1"},
		"one is absent":  {ns, map[string]any{"ns": "fraud"}, ""},
		"one is empty":   {ns, map[string]any{"ns": "", "https://acme.ai/sa": "x"}, ""},
		"two segments":   {ns, map[string]any{"ns": "a/b", "https://acme.ai/sa": "x"}, ""},
		"dots":           {ns, map[string]any{"ns": "..", "https://acme.ai/sa": "x"}, ""},
		"a line feed":    {ns, map[string]any{"ns": "a\n", "https://acme.ai/sa": "x"}, ""},
		"an escape":      {ns, map[string]any{"ns": "a%2fb", "https://acme.ai/sa": "x"}, ""},
		"a star":         {ns, map[string]any{"ns": "*", "https://acme.ai/sa": "x"}, ""},
		"a number":       {ns, map[string]any{"ns": 7, "https://acme.ai/sa": "x"}, ""},
		"a list":         {ns, map[string]any{"ns": []any{"fraud"}, "https://acme.ai/sa": "x"}, ""},
		"kubernetes":     {k8s, map[string]any{"sub": "system:serviceaccount:fraud:train"}, "spiffe://k8s.acme.ai/ns/fraud/sa/train"},
		"a user":         {k8s, map[string]any{"sub": "system:node:fraud:train"}, ""},
		"three names":    {k8s, map[string]any{"sub": "system:serviceaccount:fraud:train:x"}, ""},
		"no subject":     {k8s, map[string]any{}, ""},
		"an empty space": {k8s, map[string]any{"sub": "system:serviceaccount::train"}, ""},
	} {
		if id, ok := tc.t.ID(tc.claims); ok != (tc.want != "") || id.String() != tc.want {
			t.Errorf("%s: got %s, %v, want %q", name, id, ok, tc.want)
		}
	}
}

// Two tokens have one identity only if all claims that count are equal.
func FuzzTemplateIsInjective(f *testing.F) {
	f.Add("a", "b", "a", "b")
	f.Add("a/b", "c", "a", "b/c")
	f.Add("", "x", "x", "")
	tmpl, err := ParseTemplate("spiffe://ci.acme.ai/{claim.a}/x/{claim.b}")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, a1, b1, a2, b2 string) {
		one, ok1 := tmpl.ID(map[string]any{"a": a1, "b": b1})
		two, ok2 := tmpl.ID(map[string]any{"a": a2, "b": b2})
		if ok1 && ok2 && one == two && (a1 != a2 || b1 != b2) {
			t.Errorf("%q %q and %q %q are both %s", a1, b1, a2, b2, one)
		}
	})
}
