// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"time"
	_ "time/tzdata" // the zones of a machine without a database: a window must never depend on that
)

// verdict is what evaluating a condition gave.
type verdict uint8

const (
	holdsNot verdict = iota
	holds
	unknown // cannot be evaluated: false under can, true under cannot and deny (§6)
)

// minutesADay is the end of the last window of a day, "24:00".
const minutesADay = 24 * 60

// condition is a when (§6). Zero fields do not restrict.
type condition struct {
	text       string // as explanations show it
	days       [7]bool
	from, to   int // minutes of the day; to may be smaller (over midnight) and is up to minutesADay
	loc        *time.Location
	timed      bool // days or hours are given; the fields above are set
	unenforced bool // names something that this version cannot evaluate
}

// at evaluates c at the given time. A nil condition holds.
func (c *condition) at(now time.Time) verdict {
	switch {
	case c == nil:
		return holds
	case c.unenforced:
		return unknown
	case now.IsZero():
		return unknown
	}
	local := now.In(c.loc)
	if c.cutByRepeat(local) {
		return unknown
	}
	if c.inWindow(local) {
		return holds
	}
	return holdsNot
}

// inWindow compares the wall clock. The day is the one on which the window began.
func (c *condition) inWindow(local time.Time) bool {
	day, m := local.Weekday(), minuteOfDay(local)
	if c.from < c.to {
		return c.days[day] && c.from <= m && m < c.to
	}
	return c.days[day] && m >= c.from || c.days[(day+6)%7] && m < c.to
}

// minuteOfDay: windows have no seconds, so neither has their comparison.
func minuteOfDay(t time.Time) int { return 60*t.Hour() + t.Minute() }

// cutByRepeat reports whether local is a wall-clock time that happens twice
// because clocks are set back, and the window begins or ends within the time
// that does: then the wall clock does not tell whether it is open.
func (c *condition) cutByRepeat(local time.Time) bool {
	start, end := local.ZoneBounds()
	_, offset := local.Zone()
	if !start.IsZero() {
		_, before := start.Add(-time.Second).Zone()
		back := time.Duration(before-offset) * time.Second
		if back > 0 && local.Before(start.Add(back)) {
			return c.edgeWithin(minuteOfDay(start), back)
		}
	}
	if !end.IsZero() {
		_, after := end.Zone()
		back := time.Duration(offset-after) * time.Second
		if back > 0 && !local.Before(end.Add(-back)) {
			return c.edgeWithin(minuteOfDay(end), back)
		}
	}
	return false
}

// edgeWithin reports whether the window begins or ends strictly within the given
// length after the minute first of the day.
func (c *condition) edgeWithin(first int, length time.Duration) bool {
	n := int(length / time.Minute)
	for _, edge := range [...]int{c.from, c.to} {
		if d := (edge - first + minutesADay) % minutesADay; d > 0 && d < n {
			return true
		}
	}
	return false
}
