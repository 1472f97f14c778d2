// SPDX-License-Identifier: Apache-2.0

package s3api

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

// header holds the headers that have a meaning here, by lower-case name, each
// with its one value.
type header map[string]string

// has reports whether the header was sent, empty or not.
func (h header) has(name string) bool { _, ok := h[name]; return ok }

// get gives the header's value, "" when it was not sent. name is lower case.
func (h header) get(name string) string { return h[name] }

// interpreted are the headers beside x-amz-* that an operation reads. What is
// not here and not x-amz-* is dropped unread: forwarding headers and
// x-sealgate-* cannot steer anything (S3.md, "Headers").
var interpreted = []string{
	"authorization", "cache-control", "content-disposition", "content-encoding", "content-language",
	"content-length", "content-md5", "content-type", "expires", "if-match", "if-modified-since",
	"if-none-match", "if-range", "if-unmodified-since", "range",
}

// joined are the headers that are lists by their definition: several lines are
// one list.
var joined = []string{"x-amz-object-attributes", "x-amz-optional-object-attributes"}

const (
	amzPrefix  = "x-amz-"
	metaPrefix = "x-amz-meta-"
)

// readHeader takes the interpreted headers over. Each of them has one value:
// two would be read differently by two readers.
func readHeader(in http.Header) (header, *Error) {
	h := header{}
	for k, values := range in {
		name := strings.ToLower(k)
		if !strings.HasPrefix(name, amzPrefix) && !slices.Contains(interpreted, name) {
			continue
		}
		if slices.Contains(joined, name) && !h.has(name) {
			values = []string{strings.Join(values, ",")}
		}
		if len(values) != 1 || h.has(name) {
			return nil, InvalidArgument(name, "", "the header "+name+" comes more than once")
		}
		value := strings.Trim(values[0], " \t")
		if !utf8.ValidString(value) || strings.ContainsFunc(value, isControlNoTab) {
			return nil, InvalidArgument(name, "", "the header "+name+" holds bytes that are not UTF-8, or control characters")
		}
		h[name] = value
	}
	return h, nil
}

func isControlNoTab(r rune) bool { return r != '\t' && isControl(r) }

// headerRule judges one header of a request.
type headerRule func(name, value string) *Error

func ignored(string, string) *Error { return nil }

func unimplemented(name, _ string) *Error {
	return notImplementedHeader(name)
}

// rulesAlways hold for every operation: to ignore one of these would pretend
// a protection that is not there.
var rulesAlways = map[string]headerRule{
	"x-amz-expected-bucket-owner":                                 expectedOwner,
	"x-amz-source-expected-bucket-owner":                          expectedOwner,
	copySource:                                                    onlyCopies,
	"x-amz-server-side-encryption-customer-algorithm":             ownKey,
	"x-amz-server-side-encryption-customer-key":                   ownKey,
	"x-amz-server-side-encryption-customer-key-md5":               ownKey,
	"x-amz-copy-source-server-side-encryption-customer-algorithm": ownKey,
	"x-amz-copy-source-server-side-encryption-customer-key":       ownKey,
	"x-amz-copy-source-server-side-encryption-customer-key-md5":   ownKey,
}

// rulesOnChange hold for operations that change something, beside rulesAlways.
// An x-amz-* header that is in neither, and not read by the operation, is
// refused there: it could ask for what is not done.
var rulesOnChange = map[string]headerRule{
	"x-amz-acl":                    cannedACL,
	"x-amz-api-version":            ignored,
	"x-amz-checksum-algorithm":     ignored, // read where it means something; else minio-go's announcement
	"x-amz-checksum-type":          ignored, // likewise
	"x-amz-content-sha256":         ignored, // read with the payload
	"x-amz-date":                   ignored,
	"x-amz-decoded-content-length": ignored, // read with the payload
	"x-amz-request-payer":          ignored,
	"x-amz-sdk-checksum-algorithm": ignored, // read with the payload
	"x-amz-security-token":         ignored,
	"x-amz-storage-class":          storageClass,

	"x-amz-object-lock-legal-hold":        onlyWrites,
	"x-amz-object-lock-mode":              onlyWrites,
	"x-amz-object-lock-retain-until-date": onlyWrites,
	"x-amz-trailer":                       ignored, // read with the payload
	"x-amz-user-agent":                    ignored,

	"x-amz-server-side-encryption":                    encryption,
	"x-amz-server-side-encryption-aws-kms-key-id":     ignored,
	"x-amz-server-side-encryption-bucket-key-enabled": ignored,
	"x-amz-server-side-encryption-context":            ignored,
}

// checksums counts the checksum headers, whatever their algorithm.
func (h header) checksums() int {
	n := 0
	for name := range h {
		switch rest, ok := strings.CutPrefix(name, checksumPrefix); {
		case !ok, rest == "algorithm", rest == "type", rest == "mode":
		default:
			n++
		}
	}
	return n
}

// check judges every header of a request to the route's operation.
func (h header) check(rt route) *Error {
	if rt.changes() && h.checksums() > 1 {
		return InvalidRequest(multipleChecksums)
	}
	for _, name := range slices.Sorted(maps.Keys(h)) {
		rule := rulesAlways[name]
		if rule == nil && rt.changes() {
			rule = ruleOnChange(name)
		}
		if rule == nil || rt.reads(name) {
			continue
		}
		if err := rule(name, h[name]); err != nil {
			return err
		}
	}
	return nil
}

func ruleOnChange(name string) headerRule {
	switch rule, ok := rulesOnChange[name]; {
	case ok:
		return rule
	case strings.HasPrefix(name, "x-amz-grant-"):
		return grant
	case strings.HasPrefix(name, metaPrefix):
		return metadata
	case strings.HasPrefix(name, checksumPrefix):
		return knownChecksum
	case strings.HasPrefix(name, amzPrefix):
		return unimplemented
	}
	return nil
}

// expectedOwner keeps the promise of the header: all buckets have one owner,
// and who expects another one gets nothing done.
func expectedOwner(_, value string) *Error {
	if value == owner.ID {
		return nil
	}
	return NewError("AccessDenied", "")
}

func ownKey(string, string) *Error {
	return InvalidRequest("keys of the client's own (SSE-C) are not used here: the gateway owns the keys, every object is sealed with one of them")
}

func cannedACL(_, value string) *Error {
	if value == "private" || value == "bucket-owner-full-control" {
		return nil
	}
	return NewError("AccessControlListNotSupported", "")
}

func grant(string, string) *Error { return NewError("AccessControlListNotSupported", "") }

func encryption(name, value string) *Error {
	if value == "AES256" || value == "aws:kms" {
		return nil
	}
	return InvalidArgument(name, value, "objects are always sealed by the gateway; leave the header out, or send AES256 or aws:kms")
}

func storageClass(_, value string) *Error {
	if value == "STANDARD" {
		return nil
	}
	return NewError("InvalidStorageClass", "")
}

// onlyWrites refuses a lock that would be ignored.
func onlyWrites(name, value string) *Error {
	return InvalidArgument(name, value, "an object is locked by what creates it, or by PutObjectRetention")
}

func knownChecksum(name, _ string) *Error {
	if _, ok := algorithmOf(strings.TrimPrefix(name, checksumPrefix)); ok {
		return nil
	}
	return InvalidRequest("The algorithm type you specified in x-amz-checksum- header is invalid.")
}

// metadata refuses the names that the gateway keeps for itself in the store.
func metadata(name, value string) *Error {
	key := strings.TrimPrefix(name, metaPrefix)
	if key == "" || key == "sg1" || strings.HasPrefix(key, "sealgate-") {
		return InvalidArgument(name, value, "this metadata name is reserved")
	}
	return nil
}
