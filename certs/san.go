// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

var (
	oidSAN = asn1.ObjectIdentifier{2, 5, 29, 17}
	tagURI = cbasn1.Tag(6).ContextSpecific() // GeneralName uniformResourceIdentifier, RFC 5280 §4.2.1.6
	errSAN = errors.New("the subject alternative names do not parse")
)

// uriSANs returns the URI names of a certificate exactly as they are written in
// it. x509.Certificate.URIs will not do: net/url folds the scheme to lower case
// and drops an empty query, so that it would make a valid ID of an invalid one.
func uriSANs(c *x509.Certificate) ([]string, error) {
	var uris []string
	for _, ext := range c.Extensions {
		if !ext.Id.Equal(oidSAN) {
			continue
		}
		found, err := generalNameURIs(ext.Value)
		if err != nil {
			return nil, err
		}
		uris = append(uris, found...)
	}
	return uris, nil
}

func generalNameURIs(der cryptobyte.String) ([]string, error) {
	var names cryptobyte.String
	if !der.ReadASN1(&names, cbasn1.SEQUENCE) || !der.Empty() {
		return nil, errSAN
	}
	var uris []string
	for !names.Empty() {
		var name cryptobyte.String
		var tag cbasn1.Tag
		if !names.ReadAnyASN1(&name, &tag) {
			return nil, errSAN
		}
		if tag == tagURI {
			uris = append(uris, string(name))
		}
	}
	return uris, nil
}
