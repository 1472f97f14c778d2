// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// The encoder appends by hand: it runs once or twice for every request, and
// reflection would triple its cost. What it writes is, byte for byte, what
// encoding/json would write, except for the escapes in AUDIT.md "Record".

// line is a record under construction. Its methods leave out zero values.
type line struct{ b []byte }

// appendLine appends the whole record without newline.
func appendLine(b []byte, r *Record) []byte {
	b = appendHead(b, r.Log, r.Seq, r.Batch)
	return appendBody(b, r)
}

// appendHead appends what only the committer knows. It must stay a pure
// prefix of the line: bodies are encoded before their number is known.
func appendHead(b []byte, log string, seq uint64, batch int) []byte {
	b = append(b, `{"v":1,"log":`...)
	b = appendString(b, log)
	b = append(b, `,"seq":`...)
	b = strconv.AppendUint(b, seq, 10)
	if batch != 0 {
		b = append(b, `,"batch":`...)
		b = strconv.AppendInt(b, int64(batch), 10)
	}
	return b
}

// appendBody appends everything after the head, with the closing brace.
func appendBody(b []byte, r *Record) []byte {
	l := line{b}
	l.b = append(l.b, `,"time":"`...)
	l.b = r.Time.UTC().AppendFormat(l.b, time.RFC3339Nano)
	l.b = append(l.b, '"')
	l.num(`,"mono_ns":`, r.MonoNS)
	l.b = append(l.b, `,"phase":`...)
	l.b = appendString(l.b, string(r.Phase))
	l.uint(`,"of":`, r.Of)
	l.str(`,"event":`, r.Event)
	l.who(r)
	l.what(r)
	l.why(r)
	l.where(r)
	l.result(r)
	l.recovery(r)
	l.opening(r)
	l.pairs(`,"detail":`, r.Detail)
	l.str(`,"session":`, r.Session)
	return append(l.b, '}')
}

func (l *line) who(r *Record) {
	l.str(`,"actor":`, r.Actor)
	l.str(`,"actor_type":`, r.ActorType)
	l.str(`,"trust_domain":`, r.TrustDomain)
	l.str(`,"role":`, r.Role)
	l.str(`,"cert_serial":`, r.CertSerial)
	l.str(`,"cert_sha256":`, r.CertSHA256)
}

func (l *line) what(r *Record) {
	l.str(`,"action":`, r.Action)
	l.str(`,"bucket":`, r.Bucket)
	l.str(`,"key":`, r.Key)
	l.str(`,"key_hex":`, r.KeyHex)
	l.str(`,"version_id":`, r.VersionID)
	l.str(`,"object":`, r.Object)
	l.str(`,"range":`, r.Range)
	l.num(`,"bytes_planned":`, r.BytesPlanned)
	if r.AwaitOutcome {
		l.b = append(l.b, `,"await_outcome":true`...)
	}
}

func (l *line) why(r *Record) {
	l.str(`,"decision":`, r.Decision)
	l.str(`,"rule":`, r.Rule)
	l.str(`,"policy_digest":`, r.PolicyDigest)
	l.str(`,"reason":`, r.Reason)
}

func (l *line) where(r *Record) {
	l.str(`,"src_ip":`, r.SrcIP)
	l.str(`,"user_agent":`, r.UserAgent)
	l.str(`,"request_id":`, r.RequestID)
	l.str(`,"client_request_id":`, r.ClientRequestID)
	l.str(`,"trace_id":`, r.TraceID)
}

func (l *line) result(r *Record) {
	l.num(`,"status":`, int64(r.Status))
	l.str(`,"s3_error":`, r.S3Error)
	l.str(`,"abort":`, r.Abort)
	l.str(`,"error":`, r.Error)
	l.num(`,"bytes_sent":`, r.BytesSent)
	l.num(`,"bytes_received":`, r.BytesReceived)
	l.num(`,"listed":`, r.Listed)
	l.str(`,"object_digest":`, r.ObjectDigest)
	l.str(`,"keyring":`, r.Keyring)
	l.uint(`,"keyring_version":`, uint64(r.KeyringVersion))
	l.str(`,"kek":`, r.KEK)
	l.str(`,"kek_version":`, r.KEKVersion)
	l.num(`,"duration_us":`, r.DurationUS)
	l.num(`,"ttfb_us":`, r.TTFBUS)
}

func (l *line) recovery(r *Record) {
	l.str(`,"result":`, r.Result)
	l.str(`,"reconciled":`, r.Reconciled)
	l.num(`,"bytes_max":`, r.BytesMax)
	l.str(`,"range_max":`, r.RangeMax)
	l.uint(`,"count":`, r.Count)
	l.list(`,"denied":`, r.Denied)
}

func (l *line) opening(r *Record) {
	l.str(`,"uuid":`, r.UUID)
	l.uint(`,"epoch":`, r.Epoch)
	l.str(`,"public_key":`, r.PublicKey)
	l.str(`,"replica":`, r.Replica)
	l.str(`,"version":`, r.BinaryVersion)
	l.str(`,"config_digest":`, r.ConfigDigest)
	l.str(`,"tree_root":`, r.TreeRoot)
	l.uint(`,"checkpoint_size":`, r.CheckpointSize)
	l.num(`,"torn_bytes":`, r.TornBytes)
	l.str(`,"torn_sha256":`, r.TornSHA256)
}

// The name arguments carry comma, quotes and colon: constants, never input.

func (l *line) str(name, s string) {
	if s == "" {
		return
	}
	l.b = append(l.b, name...)
	l.b = appendString(l.b, s)
}

func (l *line) num(name string, n int64) {
	if n == 0 {
		return
	}
	l.b = append(l.b, name...)
	l.b = strconv.AppendInt(l.b, n, 10)
}

func (l *line) uint(name string, n uint64) {
	if n == 0 {
		return
	}
	l.b = append(l.b, name...)
	l.b = strconv.AppendUint(l.b, n, 10)
}

func (l *line) list(name string, items []string) {
	if len(items) == 0 {
		return
	}
	l.b = append(l.b, name...)
	sep := byte('[')
	for _, s := range items {
		l.b = append(l.b, sep)
		l.b = appendString(l.b, s)
		sep = ','
	}
	l.b = append(l.b, ']')
}

// pairs sorts, so that the same pairs have one spelling.
func (l *line) pairs(name string, m map[string]string) {
	if len(m) == 0 {
		return
	}
	l.b = append(l.b, name...)
	sep := byte('{')
	for _, k := range slices.Sorted(maps.Keys(m)) {
		l.b = append(l.b, sep)
		l.b = appendString(l.b, k)
		l.b = append(l.b, ':')
		l.b = appendString(l.b, m[k])
		sep = ','
	}
	l.b = append(l.b, '}')
}

const hexDigits = "0123456789abcdef"

// plain marks the ASCII bytes that stand for themselves in a JSON string.
var plain = func() (t [utf8.RuneSelf]bool) {
	for c := byte(0x20); c < 0x7f; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// appendString appends s as a JSON string: no raw control byte, no byte
// sequence that is not UTF-8, and exactly one way to write each string.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			if plain[c] {
				i++
				continue
			}
			b = append(b, s[start:i]...)
			b = appendEscape(b, c)
			i++
			start = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if mustEscape(r, n) {
			b = append(b, s[start:i]...)
			b = appendRune(b, r)
			start = i + n
		}
		i += n
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

// mustEscape reports whether a rune of n bytes cannot stand for itself:
// invalid UTF-8, C1 controls (terminals obey them), line separators.
func mustEscape(r rune, n int) bool {
	return r == utf8.RuneError && n == 1 || r < 0xa0 || r == '\u2028' || r == '\u2029'
}

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\b':
		return append(b, '\\', 'b')
	case '\f':
		return append(b, '\\', 'f')
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

// appendRune writes a rune that mustEscape named. U+FFFD is written raw, so
// that what is decoded encodes to the same bytes again.
func appendRune(b []byte, r rune) []byte {
	if r == utf8.RuneError {
		return append(b, "\ufffd"...)
	}
	return append(b, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}

// clip cuts s to n bytes at a rune boundary and marks the cut.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	const mark = "…"
	cut := n - len(mark)
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + mark
}

// exactKey returns the hex of a key that no JSON string can hold exactly.
func exactKey(key string) string {
	if utf8.ValidString(key) {
		return ""
	}
	return hex.EncodeToString([]byte(key))
}
