// SPDX-License-Identifier: Apache-2.0

package strictyaml

import (
	"fmt"
	"math"
	"math/bits"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Rate is an amount per second.
type Rate struct {
	PerSecond int64
	Bytes     bool // the amount is bytes, else a count
}

const day = 24 * time.Hour

var (
	durationForm = regexp.MustCompile(`^(?:([0-9]+)d)?(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?$`)
	sizeForm     = regexp.MustCompile(`^([0-9]+)(B|KiB|MiB|GiB|TiB)$`)
	looseForm    = regexp.MustCompile(`^([0-9]+)\s*([A-Za-z]*)$`)
)

// ParseDuration reads whole numbers with the units d (24 h), h, m and s, each at
// most once and in this order: "90d", "1h30m", "0s". When text is none, ok is
// false and hint may say what to write instead.
func ParseDuration(text string) (_ time.Duration, hint string, ok bool) {
	m := durationForm.FindStringSubmatch(text)
	if text == "" || m == nil {
		return 0, durationHint(text), false
	}
	var sum uint64
	for i, unit := range []time.Duration{day, time.Hour, time.Minute, time.Second} {
		if m[i+1] == "" {
			continue
		}
		v, err := strconv.ParseUint(m[i+1], 10, 64)
		hi, lo := bits.Mul64(v, uint64(unit))
		if err != nil || hi != 0 || lo > math.MaxInt64 || sum+lo > math.MaxInt64 {
			return 0, "it is too long", false
		}
		sum += lo
	}
	return time.Duration(sum), "", true
}

// durationHint guesses what was meant by a duration in another spelling.
func durationHint(text string) string {
	if d, err := time.ParseDuration(text); err == nil && d >= 0 && d%time.Second == 0 {
		return "write " + FormatDuration(d)
	}
	m := looseForm.FindStringSubmatch(text)
	if m == nil {
		return "write a whole number with s, m, h or d, as in 1h30m"
	}
	units := map[string]string{"": "s", "s": "s", "sec": "s", "second": "s", "m": "m", "min": "m", "minute": "m", "h": "h", "hour": "h", "hr": "h", "d": "d", "day": "d"}
	word := strings.ToLower(m[2])
	if len(word) > 2 {
		word = strings.TrimSuffix(word, "s")
	}
	if word == "w" || word == "week" {
		return "weeks are not a unit; write days, as in 7d"
	}
	if u, ok := units[word]; ok {
		return "write " + m[1] + u
	}
	return "the units are s, m, h and d"
}

// FormatDuration spells a whole number of seconds as [ParseDuration] reads it.
func FormatDuration(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	var b strings.Builder
	for _, u := range []struct {
		size time.Duration
		name string
	}{{day, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if v := d / u.size; v > 0 {
			fmt.Fprintf(&b, "%d%s", v, u.name)
			d %= u.size
		}
	}
	return b.String()
}

var sizeUnits = map[string]int64{"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}

// ParseSize reads a whole number with one of the units B, KiB, MiB, GiB and TiB
// and returns bytes. When text is none, ok is false and hint may say what to
// write instead.
func ParseSize(text string) (_ int64, hint string, ok bool) {
	m := sizeForm.FindStringSubmatch(text)
	if m == nil {
		return 0, sizeHint(text), false
	}
	v, err := strconv.ParseUint(m[1], 10, 64)
	hi, lo := bits.Mul64(v, uint64(sizeUnits[m[2]]))
	if err != nil || hi != 0 || lo > math.MaxInt64 {
		return 0, "it is too large", false
	}
	return int64(lo), "", true
}

// sizeHint guesses what was meant by a size in another spelling.
func sizeHint(text string) string {
	m := looseForm.FindStringSubmatch(text)
	if m == nil {
		return "write a whole number with B, KiB, MiB, GiB or TiB"
	}
	units := map[string]string{"": "B", "b": "B", "k": "KiB", "kb": "KiB", "kib": "KiB", "m": "MiB", "mb": "MiB", "mib": "MiB", "g": "GiB", "gb": "GiB", "gib": "GiB", "t": "TiB", "tb": "TiB", "tib": "TiB"}
	if u, ok := units[strings.ToLower(m[2])]; ok {
		return "write " + m[1] + u
	}
	return "the units are B, KiB, MiB, GiB and TiB"
}

// FormatSize spells bytes as [ParseSize] reads them, in the largest unit that
// leaves a whole number.
func FormatSize(bytes int64) string {
	for _, u := range []string{"TiB", "GiB", "MiB", "KiB"} {
		if bytes != 0 && bytes%sizeUnits[u] == 0 {
			return strconv.FormatInt(bytes/sizeUnits[u], 10) + u
		}
	}
	return strconv.FormatInt(bytes, 10) + "B"
}

// ParseRate reads a size or a whole number, per second: "200MiB/s", "20/s".
func ParseRate(text string) (_ Rate, hint string, ok bool) {
	const form = "write an amount per second, as in 200MiB/s or 20/s"
	amount, found := strings.CutSuffix(text, "/s")
	if !found {
		return Rate{}, form, false
	}
	if n, err := strconv.ParseInt(amount, 10, 64); err == nil && decimal.MatchString(amount) && n >= 0 {
		return Rate{PerSecond: n}, "", true
	}
	n, hint, ok := ParseSize(amount)
	if !ok {
		if m := looseForm.FindStringSubmatch(amount); m != nil && m[2] != "" && strings.HasPrefix(hint, "write ") {
			return Rate{}, hint + "/s", false
		}
		return Rate{}, form, false
	}
	return Rate{PerSecond: n, Bytes: true}, "", true
}

// Duration returns a duration as [ParseDuration] reads it; anything else is a
// fault with the given code.
func (n *Node) Duration(fs *Faults, code string) time.Duration {
	return measure(n, fs, code, "a duration", ParseDuration)
}

// Size returns bytes as [ParseSize] reads them; anything else is a fault with the
// given code.
func (n *Node) Size(fs *Faults, code string) int64 {
	return measure(n, fs, code, "a size", ParseSize)
}

// Rate returns a rate as [ParseRate] reads it; anything else is a fault with the
// given code.
func (n *Node) Rate(fs *Faults, code string) Rate {
	return measure(n, fs, code, "a rate", ParseRate)
}

// measure reads a number with a unit. A bare number is the usual mistake, so it
// gets the same hint as any other text instead of "quote it".
func measure[T any](n *Node, fs *Faults, code, what string, parse func(string) (T, string, bool)) T {
	var zero T
	if n == nil || !n.want(fs, Scalar) {
		return zero
	}
	v, hint, ok := parse(n.Value)
	if !ok {
		n.Fault(fs, code, fmt.Sprintf("%s%q is not %s", n.label(), n.Value, what), hint)
		return zero
	}
	return v
}
