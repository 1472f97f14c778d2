// SPDX-License-Identifier: Apache-2.0

package forward

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// hosts are the names under which a forwarder may be called. Any other name in
// a Host header was resolved by somebody who wanted it to lead here.
type hosts struct {
	port    string   // "" for a unix socket: any port, or none
	own     []string // names of the agent itself
	domains []string // BUCKET.domain names a bucket
}

func newHosts(a net.Addr, domain string) (hosts, error) {
	h := hosts{own: []string{"localhost", "127.0.0.1", "::1"}, domains: []string{"localhost"}}
	if domain != "" {
		h.own, h.domains = append(h.own, domain), append(h.domains, domain)
	}
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return h, nil
	}
	ip := tcp.AddrPort().Addr().Unmap()
	if !ip.IsLoopback() {
		return hosts{}, fmt.Errorf("%s can be reached from other machines; listen on 127.0.0.1", a)
	}
	h.port = strconv.Itoa(tcp.Port)
	h.own = append(h.own, ip.String())
	return h, nil
}

// bucketForm is what a bucket in a Host may look like; the gateway knows which
// there are.
var bucketForm = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// bucket says whether a Host is one of h, and which bucket it names; "" for
// path style.
func (h hosts) bucket(host string) (string, bool) {
	name, port := splitHost(strings.ToLower(host))
	// The C runtime of AWS leaves the port out when it asks for the length of the
	// source of a copy. It is the name that says whether somebody led it here.
	if h.port != "" && port != "" && port != h.port {
		return "", false
	}
	name = strings.TrimSuffix(name, ".")
	if slices.Contains(h.own, name) {
		return "", true
	}
	for _, d := range h.domains {
		if b, ok := strings.CutSuffix(name, "."+d); ok && bucketForm.MatchString(b) {
			return b, true
		}
	}
	return "", false
}

// splitHost takes the port off a Host and the brackets off an IPv6 address.
func splitHost(host string) (name, port string) {
	if a, err := netip.ParseAddrPort(host); err == nil {
		return a.Addr().String(), strconv.Itoa(int(a.Port()))
	}
	if bare, ok := strings.CutPrefix(host, "["); ok {
		if bare, ok = strings.CutSuffix(bare, "]"); ok {
			return bare, ""
		}
	}
	name, port, _ = strings.Cut(host, ":")
	return name, port
}
