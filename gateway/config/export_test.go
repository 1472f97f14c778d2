// SPDX-License-Identifier: Apache-2.0

package config

import (
	"strings"

	"github.com/sealgate/sealgate/gateway/internal/strictyaml"
)

// CodecKnown reports whether a tag "as" can be read: its codec is there, and the
// bounds in its argument are values of it.
func CodecKnown(as, arg string) bool {
	lowest, highest, _ := strings.Cut(arg, "..")
	ok := true
	for _, bound := range []string{lowest, highest} {
		switch as {
		case "duration":
			_, _, known := strictyaml.ParseDuration(bound)
			ok = ok && known
		case "size":
			_, _, known := strictyaml.ParseSize(bound)
			ok = ok && known
		case "byte-rate":
			r, _, known := strictyaml.ParseRate(bound)
			ok = ok && known && r.Bytes
		}
	}
	_, known := codecs[as]
	return ok && (known || as == "" || as == "named" || as == "keyrings" || as == "issuers")
}
