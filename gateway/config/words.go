// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sealgate/sealgate/gateway/internal/strictyaml"
)

var (
	nameForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	// An S3 bucket name, but for the forms that checkBucket refuses besides.
	bucketForm = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	hostForm   = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$`)
)

// reserved are bucket names that the policy uses for other things.
var reserved = []string{"gateway", "secrets", "audit"}

func checkText(s string) complaint {
	if s == "" {
		return complaint{"E502", "is empty", ""}
	}
	return complaint{}
}

// checkName: a name stands in NAME@VERSION, in file names and in messages.
func checkName(s string) complaint {
	if !nameForm.MatchString(s) {
		return complaint{"E502", "is not a name", "a name has 1 to 63 of a-z 0-9 -, and begins and ends with a letter or digit"}
	}
	return complaint{}
}

func checkBucket(s string) complaint {
	if _, err := netip.ParseAddr(s); err == nil || !bucketForm.MatchString(s) || strings.Contains(s, "..") {
		return complaint{"E506", "is not a bucket name", "it has 3 to 63 of a-z 0-9 . -, and begins and ends with a letter or digit"}
	}
	return complaint{}
}

// checkLogical is checkBucket for the names that clients see.
func checkLogical(s string) complaint {
	if slices.Contains(reserved, s) {
		return complaint{"E506", "is reserved: the policy names other things so", "take another name; clients see it, the backend need not"}
	}
	return checkBucket(s)
}

// IsBucketName reports whether clients can see a bucket under this name.
func IsBucketName(s string) bool { return checkLogical(s) == complaint{} }

func checkAddress(s string) complaint {
	const hint = "write HOST:PORT, as in 127.0.0.1:9443"
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return complaint{"E504", "is not an address", hint}
	}
	if host == "" {
		return complaint{"E504", "does not say where", "write 0.0.0.0:" + port + " to listen everywhere"}
	}
	if !isHost(host) || !isPort(port) {
		return complaint{"E504", "is not an address", hint}
	}
	return complaint{}
}

func isHost(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil || hostForm.MatchString(s)
}

// isPort accepts the one spelling of each port.
func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && strconv.FormatUint(n, 10) == s
}

// checkSocket accepts the addresses of the SPIFFE Workload Endpoint standard §4.
func checkSocket(s string) complaint {
	bad := complaint{"E504", "is not the address of a Workload API", "write unix:///PATH or tcp://IP:PORT"}
	u, err := url.Parse(s)
	if err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return bad
	}
	if u.Scheme == "unix" && u.Host == "" && strings.HasPrefix(u.Path, "/") && len(u.Path) > 1 {
		return complaint{}
	}
	if _, err := netip.ParseAddrPort(u.Host); u.Scheme == "tcp" && err == nil && u.Path == "" {
		return complaint{}
	}
	return bad
}

// readEndpoint reads a URL of nothing but scheme, host and port. It never repeats
// what it was given: people put credentials there.
func readEndpoint(d *decoder, n *strictyaml.Node, v reflect.Value, _ string) {
	s, ok := d.text(n)
	if !ok {
		return
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || !isHost(u.Hostname()) || u.Port() != "" && !isPort(u.Port()) {
		d.fault(n, "E504", "this is not an endpoint", "write https://HOST or https://HOST:PORT")
		return
	}
	if bare := u.Scheme + "://" + u.Host; s != bare {
		d.fault(n, "E504", "this is more than an endpoint", fmt.Sprintf("write %s; the bucket stands under buckets, the credential in a file", bare))
		return
	}
	v.SetString(s)
}

// readPath reads a path; a relative one starts from the file's directory.
func readPath(d *decoder, n *strictyaml.Node, v reflect.Value, _ string) {
	s, ok := d.text(n)
	if !ok {
		return
	}
	switch {
	case s == "":
		d.fault(n, "E505", "the path is empty", "")
	case strings.ContainsRune(s, 0):
		d.fault(n, "E505", fmt.Sprintf("%q is not a path", s), "")
	case s == "~" || strings.HasPrefix(s, "~/"):
		d.fault(n, "E505", fmt.Sprintf("%q: ~ means nothing here", s), "write the whole path")
	case filepath.IsAbs(s):
		v.SetString(filepath.Clean(s))
	default:
		v.SetString(filepath.Join(d.dir, s))
	}
}
