// SPDX-License-Identifier: Apache-2.0

package s3api

// Options say where a request came in.
type Options struct {
	// Domain is the one domain of virtual-host addressing, in lower case:
	// a request to BUCKET.Domain names BUCKET by its Host. "" is path style
	// only (S3.md, "Addressing").
	Domain string
	// Listener says who vouches for the caller. The zero value is MTLS.
	Listener Listener
}

// Listener is the way in that a request took.
type Listener uint8

// The listeners (S3.md, "Signatures").
const (
	MTLS        Listener = iota // the client certificate says who asks
	SessionKeys                 // the signature says who asks
)
