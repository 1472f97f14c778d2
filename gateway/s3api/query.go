// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// query holds the decoded parameters of a request; each stands there once.
type query map[string]string

func (q query) has(key string) bool { _, ok := q[key]; return ok }

// parseQuery reads a raw query. Unlike net/url it has one answer to each
// query: a parameter that comes twice, a broken escape or a byte that is not
// UTF-8 is refused, and a semicolon is a byte like any other.
func parseQuery(raw string) (query, *Error) {
	q := query{}
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		k, v, _ := strings.Cut(part, "=")
		key, err := decodeParam(k)
		if err != nil {
			return nil, err
		}
		value, err := decodeParam(v)
		if err != nil {
			return nil, err
		}
		if q.has(key) {
			return nil, InvalidArgument(key, "", "the query parameter "+strconv.Quote(key)+" comes twice") // its value may be a signature
		}
		q[key] = value
	}
	return q, nil
}

// decodeParam resolves escapes once; "+" is a space, as in every HTML form.
func decodeParam(s string) (string, *Error) {
	out, err := decode(strings.ReplaceAll(s, "+", "%20"))
	if err != nil {
		return "", invalidURI("the query holds a broken escape or a byte that must be escaped")
	}
	if !utf8.ValidString(out) || strings.ContainsRune(out, 0) {
		return "", invalidURI("the query holds bytes that are not UTF-8, or NUL")
	}
	return out, nil
}

// checkParams refuses every parameter that the operation does not know:
// ignoring a sub-resource of tomorrow would carry out another operation than
// the one that was asked for (S3.md, "Queries").
func (q query) checkParams(rt route) *Error {
	for _, k := range slices.Sorted(maps.Keys(q)) {
		switch {
		case k == rt.sub, k == "x-id":
		case strings.HasPrefix(k, "x-") && !strings.HasPrefix(k, "x-amz-"): // S3 leaves these to the client's own logs
		case rt.knows(k):
		default:
			return notUnderstood("the query parameter " + strconv.Quote(k) + " of " + rt.name)
		}
	}
	return nil
}

func itoa(n int) string { return strconv.Itoa(n) }
