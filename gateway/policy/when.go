// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sealgate/sealgate/gateway/internal/strictyaml"
)

// when reads a condition (§6). A fault leaves a condition that never holds, which
// does not matter since the policy then does not load.
func (b *builder) when(n *strictyaml.Node) *condition {
	if n == nil {
		return nil
	}
	f := n.Fields(b.fs, "days", "hours", "tz", "mfa", "login_within")
	if len(f) == 0 && n.Kind == strictyaml.Map {
		b.fault(n, "E018", "a when without conditions", "leave it out, or give days, hours, mfa or login_within")
	}
	c := &condition{text: describe(f), to: minutesADay}
	c.timed = f["days"].Present() || f["hours"].Present()
	c.unenforced = b.unenforced(f)
	b.days(c, f["days"])
	b.hours(c, f["hours"])
	b.tz(c, n, f["tz"])
	return c
}

// describe spells a condition for explanations.
func describe(f map[string]*strictyaml.Node) string {
	var parts []string
	for _, k := range []string{"days", "hours", "tz", "mfa", "login_within"} {
		if n := f[k]; n != nil && n.Kind == strictyaml.Scalar {
			parts = append(parts, k+": "+n.Value)
		} else if n != nil {
			parts = append(parts, k)
		}
	}
	return strings.Join(parts, ", ")
}

// unenforced reads what this version cannot evaluate.
func (b *builder) unenforced(f map[string]*strictyaml.Node) bool {
	if mfa := f["mfa"]; mfa != nil {
		b.requiredTrue(mfa, "E018")
		b.warn(mfa, "W060", "mfa is not enforced yet: this condition is false under can and true under cannot and deny")
	}
	if login := f["login_within"]; login != nil {
		login.Duration(b.fs, "E018")
		b.warn(login, "W060", "login_within is not enforced yet: this condition is false under can and true under cannot and deny")
	}
	return f["mfa"] != nil || f["login_within"] != nil
}

// requiredTrue reads a switch that can only be on.
func (b *builder) requiredTrue(n *strictyaml.Node, code string) bool {
	before := len(*b.fs)
	on := n.Bool(b.fs)
	if !on && len(*b.fs) == before {
		b.fault(n, code, n.Path+": false has no meaning", "leave it out")
	}
	return on
}

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// days reads one range of days or a list of them; absent is every day.
func (b *builder) days(c *condition, n *strictyaml.Node) {
	if n == nil {
		c.days = [7]bool{true, true, true, true, true, true, true}
		return
	}
	nodes := []*strictyaml.Node{n}
	if n.Kind == strictyaml.List {
		nodes = b.filled(n)
	}
	for _, item := range nodes {
		b.dayRange(c, item)
	}
}

// dayRange reads "mon" or "mon-fri"; "fri-mon" goes round the week.
func (b *builder) dayRange(c *condition, n *strictyaml.Node) {
	text, ok := b.text(n)
	if !ok {
		return
	}
	first, last, isRange := strings.Cut(text, "-")
	if !isRange {
		last = first
	}
	from, to := slices.Index(weekdays, first), slices.Index(weekdays, last)
	if from < 0 || to < 0 {
		b.fault(n, "E018", quote(text)+" names no days", "write mon tue wed thu fri sat sun, or a range such as mon-fri")
		return
	}
	for d := from; ; d = (d + 1) % 7 {
		c.days[d] = true
		if d == to {
			return
		}
	}
}

var hoursForm = regexp.MustCompile(`^([01][0-9]|2[0-4]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])$`)

// hours reads "HH:MM-HH:MM". It has to be quoted: other YAML readers take such
// words for numbers to base 60.
func (b *builder) hours(c *condition, n *strictyaml.Node) {
	if n == nil {
		return
	}
	m := hoursForm.FindStringSubmatch(n.Value)
	if n.Kind != strictyaml.Scalar || m == nil {
		b.fault(n, "E018", "hours have to be \"HH:MM-HH:MM\"", `for example hours: "08:00-19:00"`)
		return
	}
	if !n.Quoted {
		b.fault(n, "E018", "hours have to be quoted", "write "+quote(n.Value))
		return
	}
	c.from, c.to = minutes(m[1], m[2]), minutes(m[3], m[4])
	if c.from >= minutesADay || c.to > minutesADay || c.from == c.to {
		b.fault(n, "E018", fmt.Sprintf("%q is no window of a day", n.Value), "it begins before 24:00, ends by 24:00 and is not empty")
	}
}

// minutes reads what hoursForm has checked.
func minutes(hour, minute string) int {
	h, _ := strconv.Atoi(hour)   // two digits, by hoursForm
	m, _ := strconv.Atoi(minute) // two digits, by hoursForm
	return 60*h + m
}

var zoneForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$`)

// tz loads the zone of a condition, which is needed with days or hours: without
// one they would mean another time on each machine.
func (b *builder) tz(c *condition, when, n *strictyaml.Node) {
	switch {
	case n == nil && c.timed:
		b.fault(when, "E018", "days and hours need a time zone", "add tz, for example tz: Europe/Paris")
		return
	case n == nil:
		return
	case !c.timed:
		b.fault(n, "E018", "tz without days or hours", "")
		return
	}
	name, ok := b.text(n)
	if !ok {
		return
	}
	if c.loc = b.loadZone(name); c.loc == nil {
		b.fault(n, "E018", "no time zone "+quote(name)+" is known here", "write an IANA name such as Europe/Paris, or UTC")
	}
}

// loadZone returns nil for what is no zone. "Local" is none: it would depend on
// the machine.
func (b *builder) loadZone(name string) *time.Location {
	loc, ok := b.zones[name]
	if ok {
		return loc
	}
	if zoneForm.MatchString(name) && name != "Local" {
		if l, err := b.zone(name); err == nil {
			loc = l
		}
	}
	b.zones[name] = loc
	return loc
}
