// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"time"
)

// progress shows how far a transfer has come: a line that is drawn over on a
// terminal, one line every 30 s elsewhere, nothing with --json.
type progress struct {
	w        io.Writer
	what     string
	total    int64
	moved    int64
	start    time.Time
	next     time.Time
	every    time.Duration
	terminal bool
	silent   bool
}

func (a *app) progress(what string, total int64) *progress {
	p := &progress{w: a.stderr, what: what, total: total, start: time.Now(), every: 30 * time.Second, silent: a.json}
	if terminal(a.stderr) && a.getenv("SEALGATE_NO_PROGRESS") == "" {
		p.terminal, p.every = true, 200*time.Millisecond
	}
	p.next = p.start.Add(p.every)
	return p
}

// Write counts bytes that moved.
func (p *progress) Write(b []byte) (int, error) {
	p.moved += int64(len(b))
	if now := time.Now(); !p.silent && now.After(p.next) {
		p.next = now.Add(p.every)
		p.draw(now)
	}
	return len(b), nil
}

func (p *progress) draw(now time.Time) {
	rate := float64(p.moved) / now.Sub(p.start).Seconds()
	line := fmt.Sprintf("%s  %s of %s  %s/s", p.what, bytesText(p.moved), bytesText(p.total), bytesText(int64(rate)))
	if rate > 0 && p.total > p.moved {
		line += fmt.Sprintf("  %s left", (time.Duration(float64(p.total-p.moved)/rate) * time.Second).Round(time.Second))
	}
	if p.terminal {
		fmt.Fprintf(p.w, "\r\x1b[K%s", line)
		return
	}
	fmt.Fprintln(p.w, line)
}

// done clears the line; it may be called again.
func (p *progress) done() {
	if p != nil && p.terminal && !p.silent {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.silent = true
	}
}

// bytesText prints a size in the unit that reads best.
func bytesText(n int64) string {
	const units = "KMGT"
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	v, unit := float64(n)/1024, 0
	for v >= 1024 && unit < len(units)-1 {
		v, unit = v/1024, unit+1
	}
	return fmt.Sprintf("%.1f %ciB", v, units[unit])
}
