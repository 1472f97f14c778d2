// SPDX-License-Identifier: Apache-2.0

package policy

import (
	_ "embed" // the documents of this file
	"slices"
	"strings"

	"github.com/sealgate/sealgate/certs"
)

//go:embed presets/init.yaml
var initText []byte

//go:embed presets/seed.yaml
var seedText string

// Init is a commented document with the usual roles, from data scientist to
// admin, to be edited by hand. It loads without errors.
func Init() []byte { return slices.Clone(initText) }

// Seed is the document of an embedded gateway: user may do everything with the
// keys of datasets/** and models/*/dev/**. The trust domain has to be that of
// user.
func Seed(trustDomain string, user certs.ID) []byte {
	return []byte(strings.NewReplacer("TRUST_DOMAIN", trustDomain, "USER", user.String()).Replace(seedText))
}
