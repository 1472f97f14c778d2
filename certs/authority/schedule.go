// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"slices"
	"time"
)

// dropSlack is added to the longest life before a root goes: an issue may be under
// way while its key is being retired.
const dropSlack = time.Minute

// overlap is W of AUTHORITY.md §5.1: how long a key is published before it signs.
func overlap(ttl time.Duration) time.Duration { return max(3*refreshHint, ttl, time.Hour) }

// schedule is the rotation of one kind of key. It is pure: the next transition
// follows from the keys and the clock alone, so that a restart changes nothing.
type schedule struct {
	ttl time.Duration // life of what is signed now
}

// transition is one row of the table in AUTHORITY.md §5.1.
type transition uint8

const (
	none transition = iota
	prepare
	activate
	drop
)

// due returns the next transition at now. key is what it is about; nil for prepare.
func (s schedule) due(keys []*signingKey, now time.Time) (transition, *signingKey) {
	for _, k := range keys {
		if !now.Before(dropAt(k)) {
			return drop, k
		}
	}
	signs, waits := find(keys, active), find(keys, prepared)
	switch {
	case waits == nil && (signs == nil || !now.Before(prepareAt(signs))):
		return prepare, nil
	case waits != nil && (signs == nil || !now.Before(s.activateAt(signs, waits))):
		return activate, waits
	}
	return none, nil
}

// wake returns when due will next have something, if now is before it.
func (s schedule) wake(keys []*signingKey) time.Time {
	signs, waits := find(keys, active), find(keys, prepared)
	var at []time.Time
	for _, k := range keys {
		at = append(at, dropAt(k))
	}
	switch {
	case signs != nil && waits != nil:
		at = append(at, s.activateAt(signs, waits))
	case signs != nil:
		at = append(at, prepareAt(signs))
	}
	if len(at) == 0 {
		return time.Time{}
	}
	return slices.MinFunc(at, time.Time.Compare)
}

// dropAt is when nothing signed by k can be valid any more.
func dropAt(k *signingKey) time.Time {
	if k.state != retired {
		return k.end
	}
	return earlier(k.end, k.retired.Add(k.maxTTL+dropSlack))
}

// prepareAt is half of the key's own life, not of the configured one: a changed
// configuration must not reach back to a key that is in use.
func prepareAt(signs *signingKey) time.Time {
	return signs.created.Add(signs.end.Sub(signs.created) / 2)
}

// activateAt waits until all verifiers know the new key, but not so long that the
// old one could not sign a whole life any more.
func (s schedule) activateAt(signs, waits *signingKey) time.Time {
	return earlier(waits.created.Add(overlap(s.ttl)), signs.end.Add(-s.ttl))
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// advance makes all transitions that are due. mint makes a key for prepare. It
// returns the new keys and how often the published set changed; keys is not changed.
func (s schedule) advance(keys []*signingKey, now time.Time, mint func() (*signingKey, error)) ([]*signingKey, int, error) {
	published := 0
	for {
		what, key := s.due(keys, now)
		switch what {
		case none:
			return keys, published, nil
		case prepare:
			k, err := mint()
			if err != nil {
				return nil, 0, err
			}
			keys = append(slices.Clip(keys), k)
			published++
		case activate:
			keys = activated(keys, key, now)
		case drop:
			keys = slices.DeleteFunc(slices.Clone(keys), func(k *signingKey) bool { return k == key })
			published++
		}
	}
}

// activated returns keys with next as the one that signs. The private key of the
// one before is left out: nothing may be signed with it again.
func activated(keys []*signingKey, next *signingKey, now time.Time) []*signingKey {
	out := slices.Clone(keys)
	for i, k := range out {
		switch {
		case k == next:
			c := *k
			c.state = active
			out[i] = &c
		case k.state == active:
			c := *k
			c.state, c.retired, c.private = retired, now.UTC().Truncate(time.Second), nil
			out[i] = &c
		}
	}
	return out
}

// raise returns keys with maxTTL at least ttl on those that may still sign: a root
// must stay as long as the longest life it was ever used for.
func raise(keys []*signingKey, ttl time.Duration) ([]*signingKey, int) {
	out, n := slices.Clone(keys), 0
	for i, k := range out {
		if k.state != retired && k.maxTTL < ttl {
			c := *k
			c.maxTTL = ttl
			out[i], n = &c, n+1
		}
	}
	return out, n
}
