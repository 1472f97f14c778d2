// SPDX-License-Identifier: Apache-2.0

package envelope

import "crypto/subtle"

// wrapKey derives the key that wraps one object's DEK (FORMAT §4). One key
// per object keeps random nonces far from their bound.
func wrapKey(k *KeyringKey, object ID) []byte {
	info := appendLP(nil, labelWrap)
	info = append(info, formatVersion, suiteFLOE)
	info = appendLP(info, string(k.deployment[:]))
	info = append(info, k.ring[:]...)
	info = appendU32(info, k.version)
	return expand(k.key(), append(info, object[:]...), 32)
}

// commitment derives the value that pins the DEK to its object (FORMAT §4).
func commitment(dek secret, object ID) [32]byte {
	info := appendLP(nil, labelCommit)
	info = append(info, formatVersion, suiteFLOE)
	return [32]byte(expand(dek(), append(info, object[:]...), 32))
}

// attrKey derives the key of the sealed attributes, and attrAAD what they are
// bound to besides (FORMAT §4).
func attrKey(dek secret) []byte { return expand(dek(), appendLP(nil, labelMeta), 32) }

func attrAAD(h *header) []byte { return append(h.object[:len(h.object):len(h.object)], byte(h.kind)) }

// wrap completes a header whose other fields are set.
func (h *header) wrap(k *KeyringKey, dek secret, loc Location) {
	sealed := seal(wrapKey(k, h.object), dek()[:], h.wrapAAD(k.deployment, loc))
	h.wrapped = [wrappedSize]byte(sealed)
}

// unwrap returns the DEK, once wrap and commitment have been checked: from
// here on every field of h is authentic.
func (h *header) unwrap(k *KeyringKey, loc Location) (secret, error) {
	plain, err := open(wrapKey(k, h.object), h.wrapped[:], h.wrapAAD(k.deployment, loc), ruleWrap)
	if err != nil {
		return nil, err
	}
	dek := keep(Key(plain))
	clear(plain)
	want := commitment(dek, h.object)
	if subtle.ConstantTimeCompare(want[:], h.commitment[:]) != 1 {
		return nil, &authError{ruleCommitment}
	}
	return dek, nil
}
