// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"errors"
	"testing"
	"time"
)

// Credentials follow what Read gives; what cannot be used does not replace what
// works, and at the start it is an error.
func TestReread(t *testing.T) {
	t.Parallel()
	var give Credentials
	var fail error
	p := &reread{read: func() (Credentials, error) { return give, fail }}
	for _, tt := range []struct {
		name string
		give Credentials
		fail error
		want string // access key; "" for an error
	}{
		{"empty at the start", Credentials{}, nil, ""},
		{"unreadable at the start", Credentials{}, errors.New("no file"), ""},
		{"no secret at the start", Credentials{AccessKey: "one"}, nil, ""},
		{"first", Credentials{AccessKey: "one", SecretKey: "s", SessionToken: "t"}, nil, "one"},
		{"second", Credentials{AccessKey: "two", SecretKey: "s"}, nil, "two"},
		{"half written", Credentials{AccessKey: "three"}, nil, "two"},
		{"unreadable", Credentials{}, errors.New("no file"), "two"},
	} {
		give, fail = tt.give, tt.fail
		got, err := p.Retrieve()
		if got.AccessKeyID != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s: %q, %v, want %q", tt.name, got.AccessKeyID, err, tt.want)
		}
	}
	if p.IsExpired() {
		t.Error("credentials are read again at once")
	}
	p.at = p.at.Add(-rereadAfter - time.Millisecond)
	if !p.IsExpired() {
		t.Errorf("credentials older than %v are not read again", rereadAfter)
	}
}
