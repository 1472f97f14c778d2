// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"math"
	"sync/atomic"
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

	last atomic.Pointer[period] // that was asked for
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
	return c.period(now).at(c, now.Unix())
}

// period is a stretch of time in which the clocks of a zone are not set, in
// seconds since 1970. A zone is slow to ask, and its answer the same for months.
type period struct {
	start, end int64 // from start on, before end
	offset     int64 // of the wall clock
	// From start to clear and from doubt to end the wall clock does not tell
	// whether the window is open.
	clear, doubt int64
}

// period returns the one that now is in: mostly that of the last question.
func (c *condition) period(now time.Time) *period {
	if p := c.last.Load(); p != nil && p.start <= now.Unix() && now.Unix() < p.end {
		return p
	}
	p := c.periodAt(now.In(c.loc))
	c.last.Store(p)
	return p
}

// periodAt asks the zone. A wall-clock time that happens twice because clocks
// are set back is in doubt if the window begins or ends within the time that does.
func (c *condition) periodAt(local time.Time) *period {
	start, end := local.ZoneBounds()
	_, offset := local.Zone()
	p := &period{math.MinInt64, math.MaxInt64, int64(offset), math.MinInt64, math.MaxInt64}
	if !start.IsZero() {
		p.start = start.Unix()
		_, before := start.Add(-time.Second).Zone()
		if n := c.doubtful(start, before-offset); n > 0 {
			p.clear = p.start + n
		}
	}
	if !end.IsZero() {
		// On the last day of a leap year package time gives the day's beginning.
		p.end = max(end.Unix(), local.Unix()+1)
		_, after := end.Zone()
		if n := c.doubtful(end, offset-after); n > 0 {
			p.doubt = p.end - n
		}
	}
	return p
}

// at evaluates c at a time within p.
func (p *period) at(c *condition, unix int64) verdict {
	if unix < p.clear || unix >= p.doubt {
		return unknown
	}
	const day = 60 * minutesADay
	wall := unix + p.offset
	second := (wall%day + day) % day
	weekday := ((wall-second)/day%7 + 7 + int64(time.Thursday)) % 7 // 1970 began on a Thursday
	if c.inWindow(int(weekday), int(second/60)) {
		return holds
	}
	return holdsNot
}

// inWindow compares the wall clock; windows have no seconds. The day is the one
// on which the window began.
func (c *condition) inWindow(day, minute int) bool {
	if c.from < c.to {
		return c.days[day] && c.from <= minute && minute < c.to
	}
	return c.days[day] && minute >= c.from || c.days[(day+6)%7] && minute < c.to
}

// doubtful returns how many seconds on one side of a change of the zone are in
// doubt, if clocks are set back there by so many.
func (c *condition) doubtful(change time.Time, back int) int64 {
	first := 60*change.Hour() + change.Minute()
	if back > 0 && c.edgeWithin(first, time.Duration(back)*time.Second) {
		return int64(back)
	}
	return 0
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
