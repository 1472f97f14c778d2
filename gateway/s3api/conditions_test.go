// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"errors"
	"net/http"
	"testing"
	"time"
)

var written = time.Date(2026, 11, 21, 9, 0, 0, 500_000_000, time.UTC)

func at(d time.Duration) string { return written.Add(d).Format(http.TimeFormat) }

func TestReadConditions(t *testing.T) {
	t.Parallel()
	const tag, other = `"abc-1"`, `"xyz-1"`
	for _, c := range []struct {
		name    string
		headers []string
		want    string // code of the answer, "" for the object
	}{
		{"none", nil, ""},
		{"match", []string{"If-Match: " + tag}, ""},
		{"match unquoted", []string{"If-Match: abc-1"}, ""},
		{"match one of several", []string{"If-Match: " + other + ", " + tag}, ""},
		{"match anything", []string{"If-Match: *"}, ""},
		{"match another", []string{"If-Match: " + other}, "PreconditionFailed"},
		{"match weakly", []string{"If-Match: W/" + tag}, "PreconditionFailed"},
		{"match the store's own tag", []string{`If-Match: "abc"`}, "PreconditionFailed"},
		{"none match", []string{"If-None-Match: " + tag}, "NotModified"},
		{"none match weakly", []string{"If-None-Match: W/" + tag}, "NotModified"},
		{"none match anything", []string{"If-None-Match: *"}, "NotModified"},
		{"none match another", []string{"If-None-Match: " + other}, ""},
		{"modified since", []string{"If-Modified-Since: " + at(-time.Hour)}, ""},
		{"not modified since", []string{"If-Modified-Since: " + at(time.Hour)}, "NotModified"},
		{"not modified since it was written", []string{"If-Modified-Since: " + at(0)}, "NotModified"},
		{"unmodified since", []string{"If-Unmodified-Since: " + at(time.Hour)}, ""},
		{"unmodified since it was written", []string{"If-Unmodified-Since: " + at(0)}, ""},
		{"modified after all", []string{"If-Unmodified-Since: " + at(-time.Hour)}, "PreconditionFailed"},
		{"no date", []string{"If-Modified-Since: yesterday", "If-Unmodified-Since: yesterday"}, ""},
		{"match wins over unmodified", []string{"If-Match: " + tag, "If-Unmodified-Since: " + at(-time.Hour)}, ""},
		{"none match wins over modified", []string{"If-None-Match: " + other, "If-Modified-Since: " + at(time.Hour)}, ""},
		{"412 before 304", []string{"If-Match: " + other, "If-None-Match: " + tag}, "PreconditionFailed"},
		{"304 after a match", []string{"If-Match: " + tag, "If-None-Match: " + tag}, "NotModified"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			op := parsed[*GetObject](t, append([]string{"GET /models/k"}, c.headers...)...)
			err := op.Conditions.CheckRead(ETag("abc"), written)
			if c.want == "" && err != nil || c.want != "" && !errors.Is(err, NewError(c.want, "")) {
				t.Errorf("CheckRead = %v, want %q", err, c.want)
			}
			head := parsed[*HeadObject](t, append([]string{"HEAD /models/k"}, c.headers...)...)
			if got := head.Conditions.CheckRead(ETag("abc"), written); !errors.Is(got, err) {
				t.Errorf("HEAD answers %v, GET %v", got, err)
			}
		})
	}
}

func TestConditionsThatAreNoTags(t *testing.T) {
	t.Parallel()
	for _, v := range []string{"", `"a`, `a"`, `"a" "b"`, "a b", `"a",`, "*, a", `"a*"`} {
		refused(t, "InvalidArgument", "GET /models/k", "If-Match: "+v)
		refused(t, "InvalidArgument", "GET /models/k", "If-None-Match: "+v)
	}
}

func TestIfRange(t *testing.T) {
	t.Parallel()
	for value, holds := range map[string]bool{
		`"abc-1"`: true, `"xyz-1"`: false, `W/"abc-1"`: false, "*": false, `"abc-1", "xyz-1"`: false,
		at(0): true, at(time.Second): false, at(-time.Second): false, "garbage garbage": false,
	} {
		op := parsed[*GetObject](t, "GET /models/k", "Range: bytes=1-2", "If-Range: "+value)
		if got := op.Conditions.Select(op.Range, ETag("abc"), written).Partial(); got != holds {
			t.Errorf("If-Range: %s: partial %v, want %v", value, got, holds)
		}
	}
	op := parsed[*GetObject](t, "GET /models/k", "Range: bytes=1-2")
	if !op.Conditions.Select(op.Range, ETag("abc"), written).Partial() {
		t.Error("a range without If-Range is lost")
	}
}

func TestETags(t *testing.T) {
	t.Parallel()
	for stored, want := range map[string]string{
		"0123456789abcdef0123456789abcdef":   `"0123456789abcdef0123456789abcdef-1"`,
		`"0123456789abcdef0123456789abcdef"`: `"0123456789abcdef0123456789abcdef-1"`,
		"abcdef-12":                          `"abcdef-12"`,
		`W/"abcdef"`:                         `"abcdef-1"`,
		"CJ+=opaque":                         `"434a2b3d6f7061717565-1"`,
		"ABCDEF":                             `"414243444546-1"`,
		"abc-":                               `"6162632d-1"`,
		"abc-1-2":                            `"6162632d312d32-1"`,
	} {
		if got := ETag(stored); got != want {
			t.Errorf("ETag(%q) = %s, want %s", stored, got, want)
		}
	}
}

// No tag may look like an MD5: rclone would hold it against the content and
// fail every transfer.
func TestETagIsNoMD5(t *testing.T) {
	t.Parallel()
	for _, stored := range []string{"0123456789abcdef0123456789abcdef", "abc", "x"} {
		tag := ETag(stored)
		if n := len(tag); tag[n-3:n-1] != "-1" {
			t.Errorf("ETag(%q) = %s", stored, tag)
		}
	}
}
