// SPDX-License-Identifier: Apache-2.0

package session

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sealgate/sealgate/gateway/policy"
)

var (
	// ErrRole tells that a role's name cannot be read.
	ErrRole = errors.New("the role is not arn:sealgate:iam:::role/NAME, or arn:sealgate:iam:::role/* for all of them")
	// ErrPolicy is wrapped by the errors about a session's policy.
	ErrPolicy = errors.New("the policy of the session")
)

const (
	roleARN   = "arn:sealgate:iam:::role/"
	bucketARN = "arn:aws:s3:::"
)

// roleName is what the policy allows as a role's name (POLICY.md §1).
var roleName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)

// Narrow reads role and policy of a call, each "" when it was not sent (§5).
// The error is [ErrRole] or wraps [ErrPolicy]; its text may be shown to whoever
// sent them.
func Narrow(role, document string) (policy.Narrowing, error) {
	var n policy.Narrowing
	if role != "" {
		name, ok := strings.CutPrefix(role, roleARN)
		if !ok || name != "*" && !roleName.MatchString(name) {
			return n, ErrRole
		}
		if name != "*" {
			n.Role = name
		}
	}
	if document == "" {
		return n, nil
	}
	scopes, err := readPolicy(document)
	if err != nil {
		return n, fmt.Errorf("%w: %w", ErrPolicy, err)
	}
	n.Scopes = scopes
	return n, nil
}

// RoleARN is the name of a role as clients spell it; "" is all roles.
func RoleARN(role string) string {
	if role == "" {
		role = "*"
	}
	return roleARN + role
}

// object is a JSON object with each key once and spelled as it stands: neither
// folded nor overwritten, as encoding/json would.
type object map[string]json.RawMessage

// UnmarshalJSON implements json.Unmarshaler.
func (o *object) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errors.New("an object is wanted")
	}
	*o = object{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		name, _ := key.(string) // keys of an object are strings
		if _, twice := (*o)[name]; twice {
			return fmt.Errorf("%q is given twice", name)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return err
		}
		(*o)[name] = value
	}
	return nil
}

// only refuses keys that are not in the list: each could mean less than what
// would be made of the rest.
func (o object) only(what string, keys ...string) error {
	for name := range o {
		if !slices.Contains(keys, name) {
			return fmt.Errorf("%s: %q is not understood; known are %s", what, name, strings.Join(keys, " "))
		}
	}
	return nil
}

// oneOrMore reads a value or a list of them.
func oneOrMore[T any](raw json.RawMessage) ([]T, error) {
	if t := bytes.TrimSpace(raw); len(t) == 0 || t[0] != '[' {
		raw = slices.Concat([]byte("["), raw, []byte("]"))
	}
	var all []T
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, errors.New("it is not what is wanted, or a list of that")
	}
	if len(all) == 0 {
		return nil, errors.New("the list is empty")
	}
	return all, nil
}

// readPolicy reads the document of §5.
func readPolicy(document string) ([]policy.Scope, error) {
	if !utf8.ValidString(document) {
		return nil, errors.New("it is not UTF-8")
	}
	var doc object
	if err := json.Unmarshal([]byte(document), &doc); err != nil {
		return nil, fmt.Errorf("it is not JSON as it should be: %w", err)
	}
	if err := doc.only("the document", "Version", "Id", "Statement"); err != nil {
		return nil, err
	}
	if v := doc["Version"]; v != nil && string(v) != `"2012-10-17"` {
		return nil, errors.New(`its Version must be "2012-10-17"`)
	}
	raws, err := oneOrMore[json.RawMessage](doc["Statement"])
	if err != nil {
		return nil, fmt.Errorf("its Statement: %w", err)
	}
	var scopes []policy.Scope
	for i, raw := range raws {
		more, err := readStatement(raw)
		if err != nil {
			return nil, fmt.Errorf("statement %d: %w", i+1, err)
		}
		scopes = append(scopes, more...)
	}
	return scopes, nil
}

// readStatement gives the scopes of one statement, one a resource.
func readStatement(raw json.RawMessage) ([]policy.Scope, error) {
	var s object
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, fmt.Errorf("it is not an object as it should be: %w", err)
	}
	if err := s.only("it", "Sid", "Effect", "Action", "Resource"); err != nil {
		return nil, err
	}
	if string(s["Effect"]) != `"Allow"` {
		return nil, errors.New("its Effect must be Allow: what is not allowed is refused")
	}
	actions, err := oneOrMore[string](s["Action"])
	if err != nil {
		return nil, fmt.Errorf("its Action: %w", err)
	}
	verbs, err := readActions(actions)
	if err != nil {
		return nil, err
	}
	resources, err := oneOrMore[string](s["Resource"])
	if err != nil {
		return nil, fmt.Errorf("its Resource: %w", err)
	}
	var scopes []policy.Scope
	for _, r := range resources {
		scope, err := readResource(r, verbs)
		if err != nil {
			return nil, err
		}
		scopes = append(scopes, scope)
	}
	return scopes, nil
}

var actionVerbs = map[string]policy.Verb{
	"s3:GetObject": policy.VerbRead, "s3:ListBucket": policy.VerbList, "s3:PutObject": policy.VerbWrite,
	"s3:DeleteObject": policy.VerbDelete, "s3:PutObjectTagging": policy.VerbTag,
}

// readActions gives the verbs of actions; none is all of them.
func readActions(actions []string) ([]policy.Verb, error) {
	var verbs []policy.Verb
	for _, a := range actions {
		if a == "*" || a == "s3:*" {
			return nil, nil
		}
		v, ok := actionVerbs[a]
		if !ok {
			return nil, fmt.Errorf("action %q is not understood; known are s3:GetObject s3:ListBucket s3:PutObject s3:DeleteObject s3:PutObjectTagging s3:*", a)
		}
		verbs = append(verbs, v)
	}
	return verbs, nil
}

// readResource gives the scope of verbs on one resource.
func readResource(r string, verbs []policy.Verb) (policy.Scope, error) {
	if r == "*" || r == bucketARN+"*" {
		return policy.NewScope(verbs, "", "", true)
	}
	path, ok := strings.CutPrefix(r, bucketARN)
	bucket, key, inside := strings.Cut(path, "/")
	dir, below := strings.CutSuffix(key, "/*")
	if key == "*" {
		dir, below = "", true
	}
	switch {
	case !ok || !inside:
		return policy.Scope{}, fmt.Errorf("resource %q: write %sBUCKET/KEY, %sBUCKET/PREFIX/* or %sBUCKET/*", r, bucketARN, bucketARN, bucketARN)
	case strings.ContainsAny(dir, "*?") || strings.Contains(dir, "${"):
		return policy.Scope{}, fmt.Errorf("resource %q: a * may only stand for everything below a slash, at the end", r)
	}
	scope, err := policy.NewScope(verbs, bucket, dir, below)
	if err != nil {
		return policy.Scope{}, fmt.Errorf("resource %q: %w", r, err)
	}
	return scope, nil
}
