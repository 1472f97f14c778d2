// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/state"
)

func (a *app) auditCmd() *cobra.Command {
	return group("audit", "Verify and search the audit log", nil, a.auditVerifyCmd(), a.auditSearchCmd())
}

func (a *app) auditVerifyCmd() *cobra.Command {
	var since string
	c := &cobra.Command{
		Use: "verify [DIR]", Short: "Check that no record is missing or changed", Args: cobra.MaximumNArgs(1),
		Long: `Checks every record, tree hash and signature of the log in DIR, by default the
audit folder of the data directory. It reads files only, takes no lock, and may
run beside the gateway.

Without DIR the log must also be one that the gateway registered in its state
database: a log replaced as a whole is found. With --config that may be
PostgreSQL, which has to answer.`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.auditVerify(cmd.Context(), args, since) },
	}
	c.Flags().StringVar(&since, "since-checkpoint", "", "a checkpoint `file` kept from before, which the log must still contain")
	return c
}

func (a *app) auditVerify(ctx context.Context, args []string, since string) error {
	dir, registered, err := a.auditDir(ctx, args)
	if err != nil {
		return err
	}
	o := audit.VerifyOptions{Registered: registered}
	if since != "" {
		if o.Since, err = os.ReadFile(since); err != nil {
			return usage("", "reading the checkpoint: %w", err)
		}
	}
	report, err := audit.Verify(dir, o)
	if errors.Is(err, fs.ErrNotExist) {
		return fail(exitFailed, fmt.Errorf("verifying %s: there is no audit log", dir), "name its directory, or --data")
	}
	if a.json && (err == nil || report.Fault != nil) {
		if jerr := json.NewEncoder(a.stdout).Encode(report); jerr != nil {
			return jerr
		}
	} else if err == nil {
		fmt.Fprintln(a.stdout, report)
	}
	if errors.Is(err, audit.ErrIntegrity) {
		return fail(exitIntegrity, err, "")
	}
	return err
}

// auditDir gives the log's directory, and what the state database beside it
// knows of its logs, if there is one.
func (a *app) auditDir(ctx context.Context, args []string) (string, []audit.Registration, error) {
	if len(args) == 1 {
		return args[0], nil, nil
	}
	source, err := a.configSource()
	if err != nil {
		return "", nil, err
	}
	cfg, _, err := source.read() // its faults were told above
	if err != nil {
		return "", nil, err
	}
	dir := cfg.AuditDir()
	logs, err := state.ReadLogs(ctx, stateConfig(cfg))
	if errors.Is(err, fs.ErrNotExist) {
		return dir, nil, nil
	}
	if err != nil {
		return "", nil, awayIfSo(fmt.Errorf("reading the registered logs: %w", err))
	}
	registered, err := registrations(logs)
	return dir, registered, err
}

// registrations turns rows of the state database into what a log is checked
// against.
func registrations(logs []state.AuditLog) ([]audit.Registration, error) {
	var out []audit.Registration
	for _, l := range logs {
		key, err := hex.DecodeString(l.PublicKey)
		if err != nil || len(key) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("the registered key of audit log %s is damaged", l.UUID)
		}
		out = append(out, audit.Registration{Log: l.UUID, Epoch: l.Epoch, PublicKey: key})
	}
	return out, nil
}

func (a *app) auditSearchCmd() *cobra.Command {
	var q audit.SearchQuery
	var since string
	var asCSV bool
	c := &cobra.Command{
		Use: "search", Short: "Find audit records", Args: exactly(),
		Long: `Prints the records that match every flag given, oldest first. It reads the
audit folder of the data directory, without a lock, also while the gateway runs;
where those files may not be read, it asks the running gateway.`,
		Example: `  sealgate audit search --path 'models/fraud/**' --decision deny
  sealgate audit search --who 'spiffe://acme.ai/ns/fraud/**' --since 24h --json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if q.Decision != "" && q.Decision != "allow" && q.Decision != "deny" {
				return usage("write allow or deny", "--decision %q", q.Decision)
			}
			var err error
			if asCSV && a.json {
				return usage("give one of them", "--csv and --json are two forms")
			}
			if q.Since, err = parseSince(since, time.Now()); err != nil {
				return err
			}
			return a.auditSearch(cmd.Context(), q, asCSV)
		},
	}
	f := c.Flags()
	f.StringVar(&q.Who, "who", "", "actor, a `pattern` with * and **")
	f.StringVar(&q.Path, "path", "", "BUCKET/KEY, a `pattern` with * and **")
	f.StringVar(&since, "since", "", "a `time` (2027-03-02T09:00:00Z), or how long ago (90m, 24h, 7d)")
	f.StringVar(&q.Event, "event", "", "`kind` of event: artifact.read, artifact.*, key.rotate ...")
	f.StringVar(&q.Decision, "decision", "", "allow or deny")
	f.StringVar(&q.RequestID, "request-id", "", "the `id` that a client was answered")
	f.BoolVar(&asCSV, "csv", false, "print comma-separated values")
	return c
}

func (a *app) auditSearch(ctx context.Context, q audit.SearchQuery, asCSV bool) error {
	data, err := a.dataDir()
	if err != nil {
		return err
	}
	w := bufio.NewWriter(a.stdout)
	show, end := a.recordPrinter(w, asCSV)
	var perr error
	err = audit.Search(filepath.Join(data, "audit"), q, func(m audit.Match) bool {
		perr = show(m)
		return perr == nil && ctx.Err() == nil
	})
	switch {
	case errors.Is(err, fs.ErrPermission):
		err = a.auditSearchRemote(ctx, q, show)
	case errors.Is(err, fs.ErrNotExist):
		return fail(exitFailed, fmt.Errorf("searching %s: there is no audit log", data), "name the data directory with --data")
	}
	return errors.Join(err, perr, end())
}

// recordPrinter gives the function that prints one record in the asked form,
// and the one that ends the output.
func (a *app) recordPrinter(w *bufio.Writer, asCSV bool) (show func(audit.Match) error, end func() error) {
	table := audit.NewCSV(w)
	show = func(m audit.Match) error {
		switch {
		case a.json:
			return audit.WriteJSON(w, m)
		case m.Related: // an outcome of a record that is shown
			return nil
		case asCSV:
			return table.Write(m)
		}
		return audit.WriteText(w, m)
	}
	return show, func() error { return errors.Join(table.Flush(), w.Flush()) }
}

// printable keeps what a client named from acting on a terminal.
func printable(s string) string { return audit.Printable(s) }

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// parseSince reads a time, or how long ago with the units s, m, h and d.
func parseSince(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	if days, ok := cutDays(s); ok {
		return now.AddDate(0, 0, -days), nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return time.Time{}, usage("write 2027-03-02T09:00:00Z, 90m, 24h or 7d", "--since %q is neither a time nor a duration", s)
	}
	return now.Add(-d), nil
}

func cutDays(s string) (int, bool) {
	if len(s) < 2 || s[len(s)-1] != 'd' {
		return 0, false
	}
	n, err := strconv.Atoi(s[:len(s)-1])
	return n, err == nil && n >= 0
}
