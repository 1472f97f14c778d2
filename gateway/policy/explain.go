// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/gateway/internal/strictyaml"
)

// Question is what [Policy.Explain] answers (§10).
type Question struct {
	Who  string            // a SPIFFE ID, local:uid/NAME, or the name of an identity
	Do   Verb              // what
	Path string            // BUCKET/KEY; with VerbList also BUCKET or BUCKET/PREFIX/
	At   time.Time         // zero: unknown, days and hours do not hold
	With map[string]string // the captures of an identity given by name
}

// Verdict is the answer to a question or the expectation of a test.
type Verdict string

// The verdicts. NeedsApproval is a refusal as well (§8).
const (
	Allow         Verdict = "allow"
	Deny          Verdict = "deny"
	NeedsApproval Verdict = "needs-approval"
)

// Explanation says what a decision would be and why. It names rules and is for
// operators only.
type Explanation struct {
	Who     string  `json:"who"` // the identity that was asked for, with its captures filled
	Do      string  `json:"do"`
	Path    string  `json:"path"`
	At      string  `json:"at,omitempty"` // RFC 3339
	Verdict Verdict `json:"verdict"`
	Reason  Reason  `json:"reason,omitempty"`
	Rule    string  `json:"rule,omitempty"` // as on the audit record
	Lines   []Line  `json:"lines"`          // the deciding one first, then the near misses
}

// Line is one line of an explanation.
type Line struct {
	Mark string `json:"mark"` // ALLOW, DENY, HOLD, skip or note
	File string `json:"file"`
	Line int    `json:"line,omitempty"` // 0 if it is not about one rule
	Text string `json:"text"`
}

// String is MARK FILE:LINE TEXT.
func (l Line) String() string {
	if l.Line == 0 {
		return fmt.Sprintf("%-5s %s %s", l.Mark, l.File, l.Text)
	}
	return fmt.Sprintf("%-5s %s:%d %s", l.Mark, l.File, l.Line, l.Text)
}

// String is all lines.
func (e Explanation) String() string {
	var b strings.Builder
	for _, l := range e.Lines {
		fmt.Fprintln(&b, l)
	}
	return b.String()
}

// ErrQuestion is wrapped by the errors of [Policy.Explain]: the question itself
// cannot be understood under this policy.
var ErrQuestion = errors.New("cannot answer")

// Explain decides q and says by which rule, and which others came close. Errors
// wrap [ErrQuestion].
func (p *Policy) Explain(q Question) (Explanation, error) {
	who, err := p.resolve(q)
	if err != nil {
		return Explanation{}, err
	}
	t, err := parseTarget(q)
	if err != nil {
		return Explanation{}, err
	}
	x := &explainer{p: p, q: q, who: who, target: t, held: p.held(who.subject)}
	return x.explain(), nil
}

// asked is whom a question is about.
type asked struct {
	subject subject
	name    string    // as shown
	ident   *identity // if asked by name
}

// resolve finds out who is asked about.
func (p *Policy) resolve(q Question) (asked, error) {
	switch {
	case strings.HasPrefix(q.Who, localScheme):
		return asked{subject: subject{local: q.Who}, name: q.Who}, noCapturesFor(q)
	case strings.Contains(q.Who, "://"):
		id, err := certs.ParseID(q.Who)
		if err != nil {
			return asked{}, fmt.Errorf("%w: who %q: %w", ErrQuestion, q.Who, err)
		}
		return asked{subject: subject{id: id}, name: q.Who}, noCapturesFor(q)
	}
	for _, i := range p.identities {
		if i.name == q.Who {
			return i.example(q.With)
		}
	}
	return asked{}, fmt.Errorf("%w: who: no identity %q%s", ErrQuestion, q.Who, or(strictyaml.DidYouMean(q.Who, p.identityNames())))
}

func or(hint string) string {
	if hint == "" {
		return ""
	}
	return "; " + hint
}

func noCapturesFor(q Question) error {
	if len(q.With) > 0 {
		return fmt.Errorf("%w: with: %q holds its own captures; with is for the name of an identity", ErrQuestion, q.Who)
	}
	return nil
}

// example is somebody whom i matches: captures as given, "x" for wildcards.
func (i *identity) example(with map[string]string) (asked, error) {
	a := asked{name: i.name, ident: i}
	for _, k := range slices.Sorted(maps.Keys(with)) {
		if !slices.Contains(i.path.captures(), k) {
			return a, fmt.Errorf("%w: with: identity %s captures no {%s}%s", ErrQuestion, i.name, k, or(strictyaml.DidYouMean(k, i.path.captures())))
		}
	}
	switch i.kind {
	case localUser:
		a.subject.local = i.text
		return a, nil
	case group:
		return a, nil
	}
	bound, ok := i.path.bind(with)
	if !ok {
		return a, fmt.Errorf("%w: identity %s needs a value for each of its captures {%s}, as in --with %s=VALUE",
			ErrQuestion, i.name, strings.Join(i.path.captures(), "} {"), i.path.captures()[0])
	}
	id, err := i.trustDomain.Join(bound.example())
	if err != nil {
		return a, fmt.Errorf("%w: with: %w", ErrQuestion, err)
	}
	a.subject.id, a.name = id, id.String()
	return a, nil
}

// example is a path of the bound pattern p, with a slash in front.
func (p pattern) example() string {
	var b strings.Builder
	for _, s := range p.segs {
		b.WriteByte('/')
		if s.kind == anyOne {
			b.WriteByte('x')
		}
		b.WriteString(s.text)
	}
	if p.rest {
		b.WriteString("/x")
	}
	return b.String()
}

// target is the path of a question.
type target struct {
	bucket, key string
	listing     bool // key is a prefix
	segs        []string
}

func parseTarget(q Question) (target, error) {
	if q.Do.bit() == 0 {
		return target{}, fmt.Errorf("%w: no such action", ErrQuestion)
	}
	if strings.Contains(q.Path, "://") || strings.HasPrefix(q.Path, "/") {
		return target{}, fmt.Errorf("%w: path %q: a path is BUCKET/KEY", ErrQuestion, q.Path)
	}
	bucket, key, _ := strings.Cut(q.Path, "/")
	t := target{bucket: bucket, key: key, segs: strings.Split(q.Path, "/")}
	t.listing = q.Do == VerbList && (key == "" || strings.HasSuffix(key, "/"))
	if bucket == "" || key == "" && !t.listing {
		return target{}, fmt.Errorf("%w: path %q: a path is BUCKET/KEY", ErrQuestion, q.Path)
	}
	return t, nil
}

// decide asks the compiled policy: an explanation never decides by itself.
func (t target) decide(r *Principal, q Question) Decision {
	if t.listing {
		return r.DecideList(t.bucket, t.key, q.At)
	}
	return r.Decide(Query{Verb: q.Do, Bucket: t.bucket, Key: t.key, Now: q.At})
}

// touches reports whether the bound pattern p stands for the target, or for
// something below a prefix that is to be listed.
func (t target) touches(p pattern) bool {
	if !t.listing {
		return p.matches(t.segs)
	}
	dir := pattern{rest: true}
	for _, s := range t.segs {
		dir.segs = append(dir.segs, segment{literal, s})
	}
	if strings.HasSuffix(t.key, "/") {
		dir.segs = dir.segs[:len(dir.segs)-1]
	}
	return p.overlaps(dir)
}
