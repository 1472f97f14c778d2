// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// TestPeriods: a condition that remembers the period it was asked for last says
// the same, in whatever order it is asked, as the clock of the zone.
func TestPeriods(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 7))
	asked, doubts := 0, 0
	for _, zone := range []string{"UTC", "Europe/Paris", "America/Havana", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca"} {
		loc, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		for range 40 {
			c := randomWindow(r, loc)
			for _, now := range randomTimes(r, loc) {
				want := clockVerdict(c, now)
				if got := c.at(now); got != want {
					t.Fatalf("%s %v %d-%d at %s: %v, want %v", zone, c.days, c.from, c.to, now.In(loc), got, want)
				}
				asked++
				if want == unknown {
					doubts++
				}
			}
		}
	}
	if doubts == 0 {
		t.Errorf("none of %d times was in doubt", asked)
	}
}

func randomWindow(r *rand.Rand, loc *time.Location) *condition {
	c := &condition{loc: loc, timed: true, from: r.IntN(minutesADay), to: 1 + r.IntN(minutesADay)}
	if r.IntN(2) == 0 { // near the hours at which clocks are set
		c.from = r.IntN(240)
	}
	for i := range c.days {
		c.days[i] = r.IntN(3) > 0
	}
	return c
}

// randomTimes are some of all years and some within hours of a change of clocks.
func randomTimes(r *rand.Rand, loc *time.Location) []time.Time {
	var times []time.Time
	for range 30 {
		at := time.Date(1850+r.IntN(250), 1, 1, 0, 0, r.IntN(366*86400), r.IntN(1e9), time.UTC)
		times = append(times, at, time.Date(at.Year(), 12, 31, r.IntN(24), r.IntN(60), 0, 0, loc))
		if _, end := at.In(loc).ZoneBounds(); !end.IsZero() {
			times = append(times, end.Add(time.Duration(r.IntN(6*3600)-3*3600)*time.Second), end, end.Add(-1))
		}
	}
	return times
}

// clockVerdict is what [condition.at] says, by the calendar of package time.
func clockVerdict(c *condition, now time.Time) verdict {
	local := now.In(c.loc)
	start, end := local.ZoneBounds()
	_, offset := local.Zone()
	if !start.IsZero() {
		_, before := start.Add(-time.Second).Zone()
		if local.Before(start.Add(time.Duration(before-offset)*time.Second)) && edgeRepeats(c, start, before-offset) {
			return unknown
		}
	}
	if !end.IsZero() {
		_, after := end.Zone()
		if !local.Before(end.Add(time.Duration(after-offset)*time.Second)) && edgeRepeats(c, end, offset-after) {
			return unknown
		}
	}
	day, m := local.Weekday(), 60*local.Hour()+local.Minute()
	open := c.days[day] && c.from <= m && m < c.to
	if c.from >= c.to {
		open = c.days[day] && m >= c.from || c.days[(day+6)%7] && m < c.to
	}
	if open {
		return holds
	}
	return holdsNot
}

// edgeRepeats: clocks are set back by so many seconds to change, and the window
// begins or ends within what then happens twice.
func edgeRepeats(c *condition, change time.Time, back int) bool {
	for m := 1; m < back/60; m++ {
		if at := (60*change.Hour() + change.Minute() + m) % minutesADay; at == c.from || at == c.to%minutesADay {
			return true
		}
	}
	return false
}

// TestPeriodsAtOnce: decisions may be made by many at the same time.
func TestPeriodsAtOnce(t *testing.T) {
	t.Parallel()
	can, _ := window(t, `{hours: "08:00-19:00", tz: Europe/Paris}`)
	for i := range 8 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			for day := range 1000 {
				at := time.Date(2027, 1, 1+(day*97+i*31)%730, 8+4*(i%2), 0, 0, 0, time.UTC)
				if !can.Decide(Query{VerbRead, "models", "a", at}).Allowed() {
					t.Fatalf("refused at %s", at)
				}
			}
		})
	}
}

// TestDotSegments compares with a split at every slash.
func TestDotSegments(t *testing.T) {
	t.Parallel()
	var check func(key string)
	check = func(key string) {
		want := false
		for seg := range strings.SplitSeq(key, "/") {
			want = want || seg == "." || seg == ".."
		}
		if got := hasDotSegment(key); got != want {
			t.Errorf("%q: %v, want %v", key, got, want)
		}
		if len(key) < 8 {
			for _, b := range []string{".", "/", "a"} {
				check(key + b)
			}
		}
	}
	check("")
}
