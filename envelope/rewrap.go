// SPDX-License-Identifier: Apache-2.0

package envelope

import "fmt"

// RewrapConfig says what the header of a copy is to be.
type RewrapConfig struct {
	// Key is the active key of the keyring whose scope holds Location. It
	// must be of the keyring that wraps the source's DEK.
	Key *KeyringKey
	// Location is where clients will find the copy; it is bound into it.
	Location Location
	// Attr is the client's metadata of the copy. Nil keeps the source's. The
	// checksum is the source's either way: it belongs to the bytes.
	Attr *Attr
}

// Rewrap returns the value of x-amz-meta-sg1 of a copy whose body is that of o,
// unchanged (FORMAT §5, "Copies"). The copy has o's object id. It returns
// ErrKeyring if Key is of another keyring than o's, where a copy must be sealed
// anew, and ErrAttrTooLarge or ErrAttrInvalid for an Attr that cannot be stored.
func (o *Object) Rewrap(c RewrapConfig) (string, error) {
	if c.Key.ring != o.header.ring {
		return "", fmt.Errorf("copying object %s under keyring %s: %w", o.object, c.Key.ring, ErrKeyring)
	}
	h := *o.header
	h.ringVersion = c.Key.version
	if c.Attr != nil {
		attr := *c.Attr
		attr.Checksum = o.attr.Checksum
		plain, err := attr.encode()
		if err != nil {
			return "", fmt.Errorf("sealing metadata: %w", err)
		}
		h.attr = seal(attrKey(o.dek), plain, attrAAD(&h))
	}
	h.wrap(c.Key, o.dek, c.Location)
	return h.encode(), nil
}
