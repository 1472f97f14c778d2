// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"errors"
	"time"
)

// runKeeper signs checkpoints and writes summaries until the committer ends.
func (l *Log) runKeeper() {
	checkpoints := time.NewTicker(l.cfg.CheckpointEvery)
	defer checkpoints.Stop()
	seconds := time.NewTicker(time.Second)
	defer seconds.Stop()
	for {
		select {
		case <-checkpoints.C:
			l.checkpoint()
		case <-seconds.C:
			l.flushSummaries()
		case <-l.stopped:
			return
		}
	}
}

// checkpoint signs what is new. A full disk is a warning: the records are
// durable, and the log closes when it cannot write those. Any other error
// means that this disk cannot be trusted with the records either.
func (l *Log) checkpoint() {
	if errors.Is(l.cond.check(), ErrPoisoned) {
		return
	}
	err := l.signer.sign()
	switch {
	case err == nil:
		l.cond.warn("checkpoint", "")
	case transient(err):
		l.cond.warn("checkpoint", "no checkpoint since "+l.State().Checkpoint.UTC().Format(time.RFC3339)+": "+err.Error())
	default:
		l.poison(err)
	}
}
