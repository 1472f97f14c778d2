// SPDX-License-Identifier: Apache-2.0

package s3api

import "strings"

// hostBucket gives the bucket that a Host header names under the domain of
// virtual-host addressing, "" when it names none (S3.md, "Addressing"). Case
// and one final dot do not count, as in DNS; a port may follow. A host that is
// not under the domain names no bucket and chooses nothing.
func hostBucket(host, domain string) (string, *Error) {
	if domain == "" {
		return "", nil
	}
	name, port, found := strings.Cut(strings.ToLower(host), ":")
	name = strings.TrimSuffix(name, ".")
	bucket, ok := strings.CutSuffix(name, "."+domain)
	switch {
	case !ok:
		return "", nil
	case found && (len(port) > 5 || !isDecimal(port)):
		return "", InvalidRequest("the Host header holds a port that is no number")
	}
	if err := checkBucket(bucket); err != nil {
		return "", err
	}
	return bucket, nil
}
