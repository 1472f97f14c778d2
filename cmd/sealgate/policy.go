// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealgate/sealgate/gateway/control"
	"github.com/sealgate/sealgate/gateway/policy"
)

func (a *app) policyCmd() *cobra.Command {
	return group("policy", "Write, check and ask the access policy", []string{"policies"},
		a.policyInitCmd(), a.policyCheckCmd(), a.policyExplainCmd(), a.policyTestCmd())
}

func (a *app) policyInitCmd() *cobra.Command {
	return &cobra.Command{
		Use: "init", Short: "Print a policy with the usual roles, to be edited", Args: exactly(),
		Example: "  sealgate policy init > policy.yaml",
		RunE: func(*cobra.Command, []string) error {
			_, err := a.stdout.Write(policy.Init())
			return err
		},
	}
}

func (a *app) policyCheckCmd() *cobra.Command {
	var ci bool
	c := &cobra.Command{
		Use: "check FILE", Short: "Report every fault of a policy, and what looks like a mistake", Args: exactly("a policy file"),
		RunE: func(_ *cobra.Command, args []string) error {
			p, faults, err := readPolicy(args[0])
			if err != nil {
				return err
			}
			if err := a.printFaults(faults); err != nil {
				return err
			}
			if p == nil || ci && len(faults) > 0 {
				return reported{Code: exitUsage}
			}
			if !a.json {
				fmt.Fprintf(a.stdout, "%s: good; digest %s\n", args[0], p.Digest()[:16])
			}
			return nil
		},
	}
	c.Flags().BoolVar(&ci, "ci", false, "fail on warnings too")
	return c
}

func readPolicy(file string) (*policy.Policy, []fault, error) {
	src, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, usage("", "reading the policy: %w", err)
	}
	p, faults := policy.Check(file, src, policy.CheckOptions{})
	return p, faultsOf(faults), nil
}

func (a *app) policyExplainCmd() *cobra.Command {
	var at, id, file string
	var with []string
	c := &cobra.Command{
		Use: "explain [WHO DO PATH]", Short: "Say what the policy decides, by which line, and what came close", Args: cobra.MaximumNArgs(3),
		Long: `Decides whether WHO (a SPIFFE ID, local:uid/NAME, or the name of an identity) may
DO (read, list, create, write, delete, tag ...) PATH (BUCKET/KEY), and shows the
deciding line and the near misses.

With --policy it reads that file, with --config the policy that the config names;
without either it asks the running gateway. With --request-id it explains the
request that the gateway answered with that id.`,
		Example: `  sealgate policy explain spiffe://acme.ai/ns/fraud/train/churn/j1 write models/fraud/prod/v7.bin
  sealgate policy explain --request-id 01JD6QK3W8Z5V9T0N4X7B2M1RC`,
		RunE: func(cmd *cobra.Command, args []string) error {
			q, err := explainQuery(args, at, id, with)
			if err != nil {
				return err
			}
			if file == "" && a.config != "" && id == "" {
				if file, err = a.configuredPolicy(); err != nil {
					return err
				}
			}
			if file == "" {
				return a.explainRemote(cmd.Context(), q)
			}
			return a.explainFile(file, q)
		},
	}
	f := c.Flags()
	f.StringVar(&at, "at", "", "decide as of this `time` (2027-03-02T09:00:00Z); default now")
	f.StringVar(&id, "request-id", "", "explain the request with this `id`")
	f.StringVar(&file, "policy", "", "policy `file` to ask, instead of the running gateway")
	f.StringSliceVar(&with, "with", nil, "`name=value` of a capture of the identity, if WHO is a name")
	return c
}

// configuredPolicy gives the policy file that --config names.
func (a *app) configuredPolicy() (string, error) {
	source, err := a.configSource()
	if err != nil {
		return "", err
	}
	cfg, err := source.load(a)
	if err != nil {
		return "", err
	}
	return cfg.Policy.File, nil
}

func explainQuery(args []string, at, id string, with []string) (control.ExplainQuery, error) {
	q := control.ExplainQuery{RequestID: id, At: time.Now(), With: map[string]string{}}
	switch {
	case id != "" && len(args) == 0:
	case id == "" && len(args) == 3:
		q.Who, q.Do, q.Path = args[0], args[1], args[2]
	default:
		return q, usage("as in: sealgate policy explain spiffe://acme.ai/ci write models/a", "policy explain wants WHO DO PATH, or --request-id")
	}
	if at != "" {
		t, err := time.Parse(time.RFC3339, at)
		if err != nil {
			return q, usage("write 2027-03-02T09:00:00Z", "--at %q is not a time", at)
		}
		q.At = t
	}
	for _, w := range with {
		name, value, ok := strings.Cut(w, "=")
		if !ok {
			return q, usage("write name=value", "--with %q", w)
		}
		q.With[name] = value
	}
	return q, nil
}

func (a *app) explainRemote(ctx context.Context, q control.ExplainQuery) error {
	c, err := a.controlClient(ctx)
	if err != nil {
		return err
	}
	var e control.Explanation
	if err := c.do(ctx, http.MethodPost, "/v1/policy:explain", q, &e); err != nil {
		return err
	}
	if a.json {
		return a.printJSON(e)
	}
	for _, line := range e.Lines {
		fmt.Fprintln(a.stdout, line)
	}
	return nil
}

func (a *app) explainFile(file string, q control.ExplainQuery) error {
	p, faults, err := readPolicy(file)
	if err != nil {
		return err
	}
	if p == nil {
		return a.unusable(faults)
	}
	e, err := control.Explain(p, q)
	if err != nil {
		return usage("", "%w", err)
	}
	if a.json {
		return a.printJSON(e)
	}
	for _, line := range e.Lines {
		fmt.Fprintln(a.stdout, line)
	}
	return nil
}

func (a *app) policyTestCmd() *cobra.Command {
	return &cobra.Command{
		Use: "test FILE", Short: "Ask a policy every question of a table and compare the answers", Args: exactly("a table file"),
		Long: `Runs the rows of FILE ({who, do, path, expect} and more, see POLICY.md) against the
policy that it names, by default policy.yaml beside it. Exits with 6 if a row
comes out otherwise.`,
		RunE: func(_ *cobra.Command, args []string) error { return a.policyTest(args[0]) },
	}
}

func (a *app) policyTest(file string) error {
	src, err := os.ReadFile(file)
	if err != nil {
		return usage("", "reading the table: %w", err)
	}
	table, faults := policy.ParseTable(file, src)
	if table == nil {
		return a.unusable(faultsOf(faults))
	}
	p, more, err := readPolicy(filepath.Join(filepath.Dir(file), table.Policy))
	if err != nil {
		return err
	}
	if p == nil {
		return a.unusable(more)
	}
	failures := p.Run(table)
	if a.json {
		if err := a.printJSON(map[string]any{"rows": table.Len(), "failures": failures}); err != nil {
			return err
		}
	} else {
		for _, f := range failures {
			fmt.Fprintln(a.stdout, f)
		}
		fmt.Fprintf(a.stdout, "%d of %d rows as expected\n", table.Len()-len(failures), table.Len())
	}
	if len(failures) > 0 {
		return reported{Code: exitFound}
	}
	return nil
}
