// SPDX-License-Identifier: Apache-2.0

// Package doctor finds why an S3 client would fail here: it reads what the
// client reads, asks what the client would ask, and says in one line each what
// is wrong and what to do. Both programs have it as their verb `doctor`.
//
// It changes nothing. It shows names of variables, files and access keys, and
// never a secret.
package doctor

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/sealgate/sealgate/certs"
)

// Config says what to look at.
type Config struct {
	// Client is the name of a client; "" looks at this machine alone.
	Client string
	// Getenv reads the environment that the client would have. Required.
	Getenv func(string) string
	// Home and Dir are where the client would look for its files.
	Home, Dir string
	// Identity asks who this is. Required.
	Identity func(context.Context) (*certs.Material, error)
	// CertFile is where the identity comes from, "" for a Workload API.
	CertFile string
	// Gateway is the address of its mTLS listener, GatewayID whom it must prove
	// to be; zero is /gateway of the own trust domain.
	Gateway   string
	GatewayID certs.ID
	// Probe is a BUCKET/KEY to ask for; "" asks for none.
	Probe string
}

// Finding is one thing that is wrong.
type Finding struct {
	Where string `json:"where"` // a variable, a file, an address
	What  string `json:"what"`
	Fix   string `json:"fix"`
}

// String is one line.
func (f Finding) String() string { return f.Where + ": " + f.What + "; " + f.Fix }

// Report is what was found.
type Report struct {
	Client   string    `json:"client,omitempty"`
	Findings []Finding `json:"items"`
	Next     string    `json:"next"`              // as every list; always the last page
	Seen     []string  `json:"seen"`              // what is as it should be
	Probe    string    `json:"probe,omitempty"`   // what came of it
	Snippet  string    `json:"snippet,omitempty"` // what works
}

// Clients names those that are known, in order.
func Clients() []string {
	var names []string
	for name := range clients {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Known says whether a client is.
func Known(client string) bool { _, ok := clients[client]; return ok }

// patience bounds each question.
const patience = 5 * time.Second

// look is one examination.
type look struct {
	Config
	report   Report
	material *certs.Material // nil: no identity
	skewed   bool            // a clock was found wrong already
}

// Run examines. The context bounds the questions that are asked.
func Run(ctx context.Context, c Config) Report {
	l := &look{Config: c, report: Report{Client: c.Client, Findings: []Finding{}, Seen: []string{}}}
	l.checkIdentity(ctx)
	l.checkGateway(ctx)
	if kind, ok := clients[c.Client]; ok {
		l.checkClient(ctx, kind)
	}
	l.probe(ctx)
	return l.report
}

// wrong adds a finding; the same one is told once.
func (l *look) wrong(where, what, fix string) {
	f := Finding{where, what, fix}
	if !slices.Contains(l.report.Findings, f) {
		l.report.Findings = append(l.report.Findings, f)
	}
}

// right notes what is as it should be.
func (l *look) right(format string, args ...any) {
	l.report.Seen = append(l.report.Seen, fmt.Sprintf(format, args...))
}

// Text writes a report for people.
func (r Report) Text(w io.Writer) error {
	var b strings.Builder
	for _, s := range r.Seen {
		fmt.Fprintf(&b, "ok     %s\n", s)
	}
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "WRONG  %s\n", f)
	}
	if r.Probe != "" {
		fmt.Fprintf(&b, "probe  %s\n", r.Probe)
	}
	if len(r.Findings) == 0 {
		b.WriteString("nothing wrong was found\n")
	}
	if r.Snippet != "" {
		fmt.Fprintf(&b, "\nThis works for %s:\n\n%s", r.Client, indent(r.Snippet))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func indent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString("  " + line)
	}
	return b.String()
}
