// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"
)

// openFiles opens the door of SVID files.
func (g *agent) openFiles() (*door, error) {
	d := &door{name: doorFiles, listen: g.settings.SVIDFiles.Dir, about: "svid.pem key.pem bundle.pem"}
	d.run = func(ctx context.Context) error { g.keepFiles(ctx, d); return nil }
	return d, nil
}

// The waits between attempts at writing files or telling of them.
const (
	firstRetry = time.Second
	lastRetry  = time.Minute
)

// keepFiles writes the identity whenever it has changed, and tells of it. What
// fails is tried again until there is something newer.
func (g *agent) keepFiles(ctx context.Context, d *door) {
	var written uint64 // generation on disk
	told := true
	wait := firstRetry
	for {
		updated := g.id.Updated()
		m, none := g.id.Current()
		var err error
		if none == nil && m.Generation != written {
			if err = writeIdentity(g.settings.SVIDFiles.Dir, m); err == nil {
				written, told, wait = m.Generation, false, firstRetry
				d.say(fmt.Sprintf("written %s, %s", time.Now().UTC().Format(time.RFC3339), m.ID), "")
			}
		}
		if err == nil && !told {
			if err = reloadNow(ctx, g.settings.SVIDFiles.Reload); err == nil {
				told, wait = true, firstRetry
				d.say("", "")
			}
		}
		var again <-chan time.Time
		if err != nil {
			d.say("", err.Error())
			g.log.Warn("svid files", "error", err.Error(), "again_in", wait.String())
			again = time.After(wait)
			wait = min(2*wait, lastRetry)
		}
		select {
		case <-ctx.Done():
			return
		case <-updated:
		case <-again:
		}
	}
}
