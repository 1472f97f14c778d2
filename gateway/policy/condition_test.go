// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"testing"
	"time"
)

// window parses a when for both tiers: what it allows under can, and whether a
// guardrail with it refuses.
func window(t *testing.T, when string) (can, deny *Principal) {
	t.Helper()
	can = jobWith(t, "    can: {do: [read], paths: [\"models/**\"], when: "+when+"}\n", "")
	deny = jobWith(t, canRead("models/**"), "guardrails:\n  - {name: g, deny: [read], paths: [\"models/**\"], when: "+when+"}\n")
	return can, deny
}

func TestConditions(t *testing.T) {
	t.Parallel()
	const paris = ", tz: Europe/Paris}"
	for _, tc := range []struct {
		when string
		at   string // UTC
		want verdict
	}{
		{`{days: mon-fri, hours: "08:00-19:00"` + paris, "2027-03-05T07:00:00Z", holds}, // Friday 08:00
		{`{days: mon-fri, hours: "08:00-19:00"` + paris, "2027-03-05T06:59:59Z", holdsNot},
		{`{days: mon-fri, hours: "08:00-19:00"` + paris, "2027-03-05T17:59:59Z", holds},
		{`{days: mon-fri, hours: "08:00-19:00"` + paris, "2027-03-05T18:00:00Z", holdsNot},
		{`{days: mon-fri, hours: "08:00-19:00"` + paris, "2027-03-06T11:00:00Z", holdsNot}, // Saturday
		{`{days: fri, hours: "22:00-06:00"` + paris, "2027-03-05T22:00:00Z", holds},        // Friday 23:00
		{`{days: fri, hours: "22:00-06:00"` + paris, "2027-03-06T04:59:59Z", holds},        // the same night, Saturday 05:59
		{`{days: fri, hours: "22:00-06:00"` + paris, "2027-03-06T05:00:00Z", holdsNot},     // Saturday 06:00
		{`{days: fri, hours: "22:00-06:00"` + paris, "2027-03-05T04:00:00Z", holdsNot},     // Friday 05:00 is Thursday's night
		{`{days: fri, hours: "22:00-06:00"` + paris, "2027-03-06T22:00:00Z", holdsNot},     // Saturday 23:00
		{`{days: sun, hours: "22:00-06:00"` + paris, "2027-03-08T04:00:00Z", holds},        // Monday 05:00, over the end of the week
		{`{hours: "19:00-08:00"` + paris, "2027-03-02T02:00:00Z", holds},
		{`{hours: "19:00-00:00"` + paris, "2027-03-02T22:59:59Z", holds},
		{`{hours: "19:00-00:00"` + paris, "2027-03-02T23:00:00Z", holdsNot}, // Wednesday 00:00
		{`{hours: "19:00-24:00"` + paris, "2027-03-02T22:59:59Z", holds},
		{`{hours: "19:00-24:00"` + paris, "2027-03-02T23:00:00Z", holdsNot},
		{`{days: fri-mon` + paris, "2027-03-07T12:00:00Z", holds},
		{`{days: fri-mon` + paris, "2027-03-09T12:00:00Z", holdsNot},
		{`{days: [mon, wed-thu]` + paris, "2027-03-03T12:00:00Z", holds},
		{`{days: [mon, wed-thu]` + paris, "2027-03-02T12:00:00Z", holdsNot},
		{`{days: mon` + paris, "2027-02-28T23:30:00Z", holds},            // Sunday in UTC, Monday in Paris
		{`{hours: "08:00-09:00"` + paris, "2027-07-05T06:30:00Z", holds}, // summer time

		// Clocks go back on 2027-10-31 at 01:00 UTC: 02:00-03:00 happens twice in Paris.
		{`{hours: "01:00-02:30"` + paris, "2027-10-30T23:59:59Z", holds},    // 01:59, once only
		{`{hours: "01:00-02:30"` + paris, "2027-10-31T00:00:00Z", unknown},  // 02:00, first time
		{`{hours: "01:00-02:30"` + paris, "2027-10-31T00:45:00Z", unknown},  // 02:45, first time
		{`{hours: "01:00-02:30"` + paris, "2027-10-31T01:15:00Z", unknown},  // 02:15, second time
		{`{hours: "01:00-02:30"` + paris, "2027-10-31T01:59:59Z", unknown},  // 02:59, second time
		{`{hours: "01:00-02:30"` + paris, "2027-10-31T02:00:00Z", holdsNot}, // 03:00
		{`{hours: "02:30-05:00"` + paris, "2027-10-31T00:10:00Z", unknown},
		{`{hours: "20:00-06:00"` + paris, "2027-10-31T00:30:00Z", holds}, // open all through: no doubt
		{`{hours: "08:00-19:00"` + paris, "2027-10-31T01:30:00Z", holdsNot},
		{`{hours: "02:00-03:00"` + paris, "2027-10-31T00:30:00Z", holds}, // both times, and its edges are no doubt
		{`{hours: "01:00-02:30"` + paris, "2027-10-30T00:15:00Z", holds}, // the day before: 02:15, once
		// In Havana they go back from 01:00 to 00:00.
		{`{days: sun, tz: America/Havana}`, "2027-11-07T04:30:00Z", holds},
		{`{days: sat, tz: America/Havana}`, "2027-11-07T04:30:00Z", holdsNot},
		{`{hours: "00:30-05:00", tz: America/Havana}`, "2027-11-07T04:30:00Z", unknown},
		// Clocks go forward on 2027-03-28: 02:00-03:00 does not happen in Paris.
		{`{hours: "02:00-03:00"` + paris, "2027-03-28T00:59:59Z", holdsNot}, // 01:59
		{`{hours: "02:00-03:00"` + paris, "2027-03-28T01:00:00Z", holdsNot}, // 03:00
		{`{hours: "01:30-03:30"` + paris, "2027-03-28T01:10:00Z", holds},    // 03:10
	} {
		at, err := time.Parse(time.RFC3339, tc.at)
		if err != nil {
			t.Fatal(err)
		}
		can, deny := window(t, tc.when)
		d := can.Decide(Query{VerbRead, "models", "a", at})
		if d.Allowed() != (tc.want == holds) || !d.Allowed() && d.Reason() != OutsideHours {
			t.Errorf("can %s at %s: %v (%q), want verdict %d", tc.when, tc.at, d.Allowed(), d.Reason(), tc.want)
		}
		if got := deny.Decide(Query{VerbRead, "models", "a", at}); got.Allowed() != (tc.want == holdsNot) {
			t.Errorf("deny %s at %s: allowed %v, want verdict %d", tc.when, tc.at, got.Allowed(), tc.want)
		}
	}
}

// TestUnknownTime: without a time, windows are closed under can and refuse under
// deny.
func TestUnknownTime(t *testing.T) {
	t.Parallel()
	for _, when := range []string{`{hours: "00:00-24:00", tz: UTC}`, `{days: mon-sun, tz: UTC}`, `{days: sat, tz: Asia/Kolkata}`, `{mfa: true}`, `{login_within: 1h}`} {
		can, deny := window(t, when)
		q := Query{Verb: VerbRead, Bucket: "models", Key: "a"}
		if can.Decide(q).Allowed() || deny.Decide(q).Allowed() {
			t.Errorf("%s: can allows %v, deny lets pass %v", when, can.Decide(q).Allowed(), deny.Decide(q).Allowed())
		}
	}
}

// TestTiers: a lower tier never overrides a higher one, whatever the order and
// however narrow the pattern.
func TestTiers(t *testing.T) {
	t.Parallel()
	const can, cannot = "    can: {do: [read], paths: [\"models/a/b\"]}\n", "    cannot: {do: [read], paths: [\"models/**\"]}\n"
	const guard = "guardrails:\n  - {name: g, deny: [read], paths: [\"models/*/*\"]}\n"
	q := Query{Verb: VerbRead, Bucket: "models", Key: "a/b"}
	for name, tc := range map[string]struct {
		rules, more string
		want        Reason
	}{
		"can": {can, "", ""}, "can, cannot": {can + cannot, "", RoleCannot}, "cannot, can": {cannot + can, "", RoleCannot}, "guardrail": {can, guard, Guardrail}, "all": {cannot + can, guard, Guardrail},
	} {
		if got := jobWith(t, tc.rules, tc.more).Decide(q).Reason(); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}
