// SPDX-License-Identifier: Apache-2.0

package forward

import (
	"net/http"
	"net/textproto"
	"slices"
	"strings"
)

// hop are headers of one connection (RFC 9110 §7.6.1), never passed on.
var hop = []string{
	"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
	"Http2-Settings",
}

// options are what a client may say of its connection. A Connection header may
// name any header, and a proxy then takes that out: If-None-Match, say, of a
// request whose signature had been found right. So others are refused.
var options = []string{"close", "keep-alive", "te", "upgrade", "http2-settings"}

// knownOptions says whether a request says nothing else of its connection.
func knownOptions(h http.Header) bool {
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			if !slices.Contains(options, strings.ToLower(textproto.TrimString(name))) {
				return false
			}
		}
	}
	return true
}

// notForGateway are headers that end here, by name and by prefix (AGENT.md,
// "What goes on to the gateway"). The gateway believes none of them; that they
// do not arrive is for whatever stands between.
var (
	notForGateway = map[string]bool{
		"Authorization": true, "X-Amz-Security-Token": true, "Forwarded": true, "Via": true, "X-Real-Ip": true,
	}
	notForGatewayPrefixes = []string{"X-Forwarded-", "X-Sealgate-", "X-Ssl-Client-", "X-Client-Cert"}
)

// spelled gives a header of an answer as S3 writes it. Clients make names of
// metadata out of the header's, and S3's are in lower case; net/http's are not.
func spelled(name string) string {
	if strings.HasPrefix(name, "X-Amz-Meta-") {
		return strings.ToLower(name)
	}
	return name
}

// dropHeaders takes out what ends here.
func dropHeaders(h http.Header) {
	dropHop(h)
	for name := range h {
		if notForGateway[name] {
			delete(h, name)
		}
		for _, p := range notForGatewayPrefixes {
			if strings.HasPrefix(name, p) {
				delete(h, name)
			}
		}
	}
}

// dropHop takes out the headers of a hop.
func dropHop(h http.Header) {
	for _, name := range hop {
		h.Del(name)
	}
}
