// SPDX-License-Identifier: Apache-2.0

package session

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/sealgate/sealgate/certs"
)

// ErrTemplate is wrapped by the errors of [ParseTemplate].
var ErrTemplate = errors.New("not a template of SPIFFE IDs")

// Template makes a SPIFFE ID of the claims of a token (§3). Tokens that differ
// in a claim that it uses have different IDs: a placeholder is a whole segment,
// and what fills it can be nothing but one.
type Template struct {
	domain certs.TrustDomain
	parts  []part
}

// part is one segment: literal text, or what fills it.
type part struct {
	text string
	fill func(claims map[string]any) (string, bool) // nil for text
}

var claimForm = regexp.MustCompile(`^\{claim\.([A-Za-z0-9_.:/-]{1,128})\}$`)

// ParseTemplate reads spiffe://TRUST_DOMAIN/SEGMENT/..., of which at least one
// segment is a placeholder.
func ParseTemplate(text string) (Template, error) {
	rest, ok := strings.CutPrefix(text, "spiffe://")
	domain, path, found := strings.Cut(rest, "/")
	td, err := certs.ParseTrustDomain(domain)
	if !ok || !found || err != nil {
		return Template{}, fmt.Errorf("%w: write spiffe://TRUST_DOMAIN/ and segments behind it", ErrTemplate)
	}
	t := Template{domain: td}
	filled := false
	for _, seg := range segments(path) {
		p, err := parsePart(seg)
		if err != nil {
			return Template{}, err
		}
		t.parts = append(t.parts, p)
		filled = filled || p.fill != nil
	}
	if !filled {
		return Template{}, fmt.Errorf("%w: without a placeholder every token would be one and the same", ErrTemplate)
	}
	return t, nil
}

// segments cuts a path at its slashes; one inside braces belongs to the name of
// a claim.
func segments(path string) []string {
	var all []string
	start, inside := 0, false
	for i := range len(path) {
		switch c := path[i]; {
		case c == '{':
			inside = true
		case c == '}':
			inside = false
		case c == '/' && !inside:
			all = append(all, path[start:i])
			start = i + 1
		}
	}
	return append(all, path[start:])
}

func parsePart(seg string) (part, error) {
	switch m := claimForm.FindStringSubmatch(seg); {
	case m != nil:
		name := m[1]
		return part{fill: func(claims map[string]any) (string, bool) {
			text, ok := claims[name].(string)
			return text, ok
		}}, nil
	case seg == "{kubernetes.namespace}":
		return part{fill: serviceAccount(0)}, nil
	case seg == "{kubernetes.serviceaccount}":
		return part{fill: serviceAccount(1)}, nil
	case strings.ContainsAny(seg, "{}"):
		return part{}, fmt.Errorf("%w: %q; a placeholder is a whole segment: {claim.NAME}, {kubernetes.namespace} or {kubernetes.serviceaccount}", ErrTemplate, seg)
	case !isSegment(seg):
		return part{}, fmt.Errorf("%w: %q is no segment of a SPIFFE ID", ErrTemplate, seg)
	}
	return part{text: seg}, nil
}

// serviceAccount takes one of the two names out of the subject that the API
// server of Kubernetes gives to service accounts.
func serviceAccount(which int) func(map[string]any) (string, bool) {
	return func(claims map[string]any) (string, bool) {
		sub, _ := claims["sub"].(string)
		rest, ok := strings.CutPrefix(sub, "system:serviceaccount:")
		names := strings.Split(rest, ":")
		if !ok || len(names) != 2 {
			return "", false
		}
		return names[which], true
	}
}

// TrustDomain is that of every ID it makes.
func (t Template) TrustDomain() certs.TrustDomain { return t.domain }

// ID fills the template. False when a claim is absent, or cannot be a segment.
func (t Template) ID(claims map[string]any) (certs.ID, bool) {
	var path strings.Builder
	for _, p := range t.parts {
		text := p.text
		if p.fill != nil {
			var ok bool
			if text, ok = p.fill(claims); !ok || !isSegment(text) {
				return certs.ID{}, false
			}
		}
		path.WriteByte('/')
		path.WriteString(text)
	}
	id, err := t.domain.Join(path.String())
	return id, err == nil
}

var segmentForm = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

func isSegment(s string) bool { return segmentForm.MatchString(s) && s != "." && s != ".." }
