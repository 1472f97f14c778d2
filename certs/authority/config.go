// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/sealgate/sealgate/certs"
)

// Lives, AUTHORITY.md §4.2, §5.1 and §6.
const (
	DefaultSVIDTTL    = time.Hour
	DefaultJWTTTL     = 5 * time.Minute
	DefaultCALifetime = 30 * 24 * time.Hour

	minTTL      = time.Minute
	maxSVIDTTL  = 24*time.Hour - backdate
	maxJWTTTL   = time.Hour
	backdate    = time.Minute     // a verifier's clock may be this far behind
	refreshHint = 5 * time.Minute // how often verifiers are asked to fetch the bundle
)

// Sealer keeps secrets at rest. What is sealed under one purpose must not open
// under another. Both methods may be called by several goroutines.
type Sealer interface {
	Seal(ctx context.Context, purpose string, plain []byte) ([]byte, error)
	Open(ctx context.Context, purpose string, sealed []byte) ([]byte, error)
}

// Config is what an authority needs.
type Config struct {
	// Dir holds keys.json and entries.json. It is made with mode 0700 if absent and
	// belongs to one process at a time. Required.
	Dir string
	// Socket is the absolute path of the Workload API socket, at most 107 bytes.
	// Only [Authority.Listen] uses it.
	Socket string
	// TrustDomain is the one domain that is issued for. Required; it never changes
	// for one Dir.
	TrustDomain certs.TrustDomain
	// Sealer seals the keys. Required.
	Sealer Sealer

	// SVIDTTL is the life of an X.509-SVID, JWTTTL that of a JWT-SVID, CALifetime
	// that of a CA certificate and of a JWT key. 0 is the default.
	SVIDTTL, JWTTTL, CALifetime time.Duration

	// GatewayDNS and GatewayIPs are in the gateway's own SVID. Nil is "localhost",
	// and 127.0.0.1 with ::1.
	GatewayDNS []string
	GatewayIPs []netip.Addr

	// Limits bound what callers can use. A zero field is its default.
	Limits Limits

	// Record is called with each issue before it leaves, and awaited. An error keeps
	// it back. It must not call Step, AddEntry or DeleteEntry for the gateway's own
	// issues (those without a Caller): they are made in the midst of one. Nil
	// records nothing.
	Record func(context.Context, Issue) error
	// Fault is told of errors that no caller gets to see whole: failed rotation,
	// failed issue. It must not block. Nil drops them.
	Fault func(error)
	// Persist is called before each durable step with a name of [PersistPoints].
	Persist func(point string)
	// Now is the clock. Nil is time.Now.
	Now func() time.Time
}

// Limits are the caps of AUTHORITY.md §3.5.
type Limits struct {
	Conns, ConnsPerUID     int
	Streams, StreamsPerUID int
	// RatePerUID is calls per second, Burst how many may come at once.
	RatePerUID float64
	Burst      int
}

var defaultLimits = Limits{Conns: 1024, ConnsPerUID: 256, Streams: 1024, StreamsPerUID: 256, RatePerUID: 20, Burst: 100}

// withDefaults returns c with its zero fields filled in, or what is wrong with it.
func (c Config) withDefaults() (Config, error) {
	setDefault(&c.SVIDTTL, DefaultSVIDTTL)
	setDefault(&c.JWTTTL, DefaultJWTTTL)
	setDefault(&c.CALifetime, DefaultCALifetime)
	setDefault(&c.Limits.Conns, defaultLimits.Conns)
	setDefault(&c.Limits.ConnsPerUID, defaultLimits.ConnsPerUID)
	setDefault(&c.Limits.Streams, defaultLimits.Streams)
	setDefault(&c.Limits.StreamsPerUID, defaultLimits.StreamsPerUID)
	setDefault(&c.Limits.RatePerUID, defaultLimits.RatePerUID)
	setDefault(&c.Limits.Burst, defaultLimits.Burst)
	if c.GatewayDNS == nil {
		c.GatewayDNS = []string{"localhost"}
	}
	if c.GatewayIPs == nil {
		c.GatewayIPs = []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()}
	}
	c.setHooks()
	return c, c.check()
}

// setHooks puts something callable in the place of what is absent, so that no call
// has to ask.
func (c *Config) setHooks() {
	if c.Record == nil {
		c.Record = func(context.Context, Issue) error { return nil }
	}
	if c.Fault == nil {
		c.Fault = func(error) {}
	}
	if c.Persist == nil {
		c.Persist = func(string) {}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
}

// check refuses what could not work for the whole life of a CA: a rotation that does
// not fit into it would show only weeks later.
func (c Config) check() error {
	switch {
	case c.Dir == "":
		return errors.New("no folder is set")
	case c.TrustDomain.IsZero():
		return errors.New("no trust domain is set")
	case c.Sealer == nil:
		return errors.New("nothing to seal keys with is set")
	}
	if err := checkRange("SVID TTL", c.SVIDTTL, minTTL, maxSVIDTTL); err != nil {
		return err
	}
	if err := checkRange("JWT-SVID TTL", c.JWTTTL, minTTL, maxJWTTTL); err != nil {
		return err
	}
	if least := 4 * overlap(c.SVIDTTL); c.CALifetime < least {
		return fmt.Errorf("the CA lifetime is %s; with an SVID TTL of %s it must be at least %s", c.CALifetime, c.SVIDTTL, least)
	}
	for _, name := range c.GatewayDNS {
		if err := checkDNS(name); err != nil {
			return fmt.Errorf("gateway's DNS name: %w", err)
		}
	}
	return nil
}

func checkRange(what string, d, low, high time.Duration) error {
	if d < low || d > high {
		return fmt.Errorf("the %s is %s; it must be %s to %s", what, d, low, high)
	}
	return nil
}

func setDefault[T int | float64 | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}
