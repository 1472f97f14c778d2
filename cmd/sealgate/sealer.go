// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"github.com/sealgate/sealgate/rotation"
)

// ringSealer seals the authority's keys under the gateway's own keyring, so
// that a new KEK version covers them without their being touched.
type ringSealer struct{ keys *rotation.Set }

// Seal implements authority.Sealer.
func (r *ringSealer) Seal(_ context.Context, purpose string, plain []byte) ([]byte, error) {
	return r.keys.Box("identity", "authority").Seal([]byte(purpose), plain)
}

// Open implements authority.Sealer.
func (r *ringSealer) Open(_ context.Context, purpose string, sealed []byte) ([]byte, error) {
	return r.keys.Box("identity", "authority").Open([]byte(purpose), sealed)
}
