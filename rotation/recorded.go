// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"context"
	"fmt"

	"github.com/sealgate/sealgate/gateway/audit"
)

// Events that this package records.
const (
	eventCreate  = "key.keyring.create"
	eventRestore = "key.record.restore"
	eventMarker  = "key.marker.write"
	eventRotate  = "key.kek.rotate"
)

// recorded makes a change between its intent and its outcome. The intent is on
// stable storage before do runs, or do does not run; the outcome is before
// recorded returns nil. do fills in the outcome.
func (k *Keyrings) recorded(ctx context.Context, e audit.Event, do func(*audit.Outcome) error) error {
	e.Actor, e.ActorType, e.Decision, e.AwaitOutcome = k.c.Actor, "system", "allow", true
	p, err := k.c.Audit.Begin(ctx, e)
	if err != nil {
		return fmt.Errorf("recording %s: %w", e.Event, err)
	}
	start := k.c.Now()
	var o audit.Outcome
	err = do(&o)
	o.Duration = k.c.Now().Sub(start)
	if err != nil {
		o.Error = err.Error()
	}
	// The outcome matters most when the caller has gone.
	if endErr := p.End(context.WithoutCancel(ctx), o); endErr != nil && err == nil {
		err = fmt.Errorf("recording the outcome of %s: %w", e.Event, endErr)
	}
	return err
}
