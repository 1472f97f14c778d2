// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"slices"
	"strings"

	"github.com/sealgate/sealgate/envelope"
)

// redirectName is the sealed metadata that holds the location of a website's redirect:
// a name that no client can write or read (S3.md, "Reserved names").
const redirectName = "sealgate-redirect"

// withRedirect is a with that location in place of its own, "" for none. A copy has
// the one of its request, not its source's.
func withRedirect(a envelope.Attr, to string) envelope.Attr {
	a.User = slices.DeleteFunc(slices.Clone(a.User), isRedirect)
	if to != "" {
		a.User = append(a.User, envelope.UserMeta{Name: redirectName, Value: to})
		slices.SortFunc(a.User, func(a, b envelope.UserMeta) int { return strings.Compare(a.Name, b.Name) })
	}
	return a
}

func redirectOf(a envelope.Attr) string {
	if i := slices.IndexFunc(a.User, isRedirect); i >= 0 {
		return a.User[i].Value
	}
	return ""
}

func isRedirect(m envelope.UserMeta) bool { return m.Name == redirectName }
