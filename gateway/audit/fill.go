// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// Length limits of AUDIT.md "Record", in bytes.
const (
	maxString     = 2048
	maxAgent      = 256
	maxID         = 128
	maxError      = 512
	maxPairs      = 32
	maxPairName   = 64
	maxPairValue  = 1024
	maxDenied     = 32
	maxDeniedSize = 32 << 10 // of all entries of one summary, encoded
)

// fill copies e into r, cut to the limits. Bucket and key are never cut: two
// objects must not look like one.
func (e *Event) fill(r *Record) {
	r.Event = clip(e.Event, maxID)
	r.Actor = clip(e.Actor, maxString)
	r.ActorType = clip(e.ActorType, maxID)
	r.TrustDomain = clip(e.TrustDomain, maxString)
	r.Role = clip(e.Role, maxString)
	r.CertSerial = clip(e.CertSerial, maxID)
	r.CertSHA256 = clip(e.CertSHA256, maxID)
	r.Session = clip(e.Session, maxID)
	r.Action = clip(e.Action, maxID)
	r.Bucket, r.Key, r.KeyHex = e.Bucket, e.Key, exactKey(e.Key)
	r.VersionID = clip(e.VersionID, maxString)
	r.Object = clip(e.Object, maxID)
	r.Range = clip(e.Range, maxString)
	r.BytesPlanned = e.BytesPlanned
	r.AwaitOutcome = e.AwaitOutcome
	r.Decision = clip(e.Decision, maxID)
	r.Rule = clip(e.Rule, maxString)
	r.PolicyDigest = clip(e.PolicyDigest, maxID)
	r.Reason = clip(e.Reason, maxID)
	r.SrcIP = clip(e.SrcIP, maxID)
	r.UserAgent = clip(e.UserAgent, maxAgent)
	r.RequestID = clip(e.RequestID, maxID)
	r.ClientRequestID = clip(e.ClientRequestID, maxID)
	r.TraceID = clip(e.TraceID, maxID)
	r.Detail = clipPairs(e.Detail)
}

func (o *Outcome) fill(r *Record) {
	r.Status = o.Status
	r.S3Error = clip(o.S3Error, maxID)
	r.Abort = clip(o.Abort, maxID)
	r.Error = clip(o.Error, maxError)
	r.BytesSent = o.BytesSent
	r.BytesReceived = o.BytesReceived
	r.Listed = o.Listed
	r.Object = clip(o.Object, maxID)
	r.VersionID = clip(o.VersionID, maxString)
	r.ObjectDigest = clip(o.ObjectDigest, maxID)
	r.Keyring = clip(o.Keyring, maxString)
	r.KeyringVersion = o.KeyringVersion
	r.KEK = clip(o.KEK, maxString)
	r.KEKVersion = clip(o.KEKVersion, maxString)
	r.DurationUS = o.Duration.Microseconds()
	r.TTFBUS = o.TTFB.Microseconds()
	r.Detail = clipPairs(o.Detail)
}

// clipPairs returns m itself when it fits, as it nearly always does. Names
// that are not UTF-8 would be written alike, or in another order than they are
// sorted in, and the record would not decode: they are made valid first.
func clipPairs(m map[string]string) map[string]string {
	fits := len(m) <= maxPairs
	for k, v := range m {
		fits = fits && len(k) <= maxPairName && len(v) <= maxPairValue && utf8.ValidString(k)
	}
	if fits {
		return m
	}
	out := make(map[string]string, maxPairs)
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if len(out) == maxPairs {
			break
		}
		out[clip(strings.ToValidUTF8(k, "\ufffd"), maxPairName)] = clip(m[k], maxPairValue)
	}
	return out
}
