// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/gateway/control"
)

func (a *app) certsCmd() *cobra.Command {
	return group("certs", "Identities: the gateway's own, this process's, and who gets which", []string{"cert"},
		a.certsStatusCmd(), a.certsFetchCmd(), a.entriesCmd())
}

func (a *app) certsStatusCmd() *cobra.Command {
	var watch bool
	c := &cobra.Command{
		Use: "status", Short: "Show the gateway's SVID and its trust bundles", Args: exactly(),
		Long: `Shows the gateway's SVID and its trust bundles. With --watch it stays, asks again
every few seconds, and prints them whenever they have changed: one JSON document a
line with --json.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if watch {
				return a.watchCerts(cmd.Context())
			}
			s, err := a.certs(cmd.Context())
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(s)
			}
			return a.printCerts(s)
		},
	}
	c.Flags().BoolVar(&watch, "watch", false, "stay, and print again whenever something has changed")
	return c
}

// certs asks with an identity of this moment: a watch outlives an SVID.
func (a *app) certs(ctx context.Context) (control.Certs, error) {
	var s control.Certs
	c, err := a.controlClient(ctx)
	if err != nil {
		return s, err
	}
	defer c.http.CloseIdleConnections()
	err = c.do(ctx, http.MethodGet, "/v1/certs", nil, &s)
	return s, err
}

func (a *app) printCerts(s control.Certs) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  serial %s  expires in %s\n", s.ID, s.Serial, remaining(s.NotAfter))
	for _, t := range s.Bundles {
		fmt.Fprintf(&b, "bundle %s  %s, the last expires in %s\n", t.TrustDomain, counted(t.Authorities, "certificate"), remaining(t.NotAfter))
	}
	_, err := io.WriteString(a.stdout, b.String())
	return err
}

// watchEvery is how often a watch asks again.
const watchEvery = 5 * time.Second

// watchCerts prints what certs answers, and again whenever that has changed,
// until the context ends. A gateway that is away for a while, as in a restart,
// is waited for; one that was never there is an error.
func (a *app) watchCerts(ctx context.Context) error {
	var last *control.Certs
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		s, err := a.certs(ctx)
		switch away, _ := errors.AsType[*exitError](err); {
		case err == nil && (last == nil || !reflect.DeepEqual(s, *last)):
			last = &s
			if err := a.printChange(s); err != nil {
				return err
			}
		case err != nil && ctx.Err() == nil && (last == nil || away == nil || away.Code != exitUnavailable):
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// printChange prints one state of a watch: with --json a line of a stream.
func (a *app) printChange(s control.Certs) error {
	if a.json {
		return json.NewEncoder(a.stdout).Encode(s)
	}
	return a.printCerts(s)
}

// remaining prints how long until t.
func remaining(t time.Time) string {
	d := time.Until(t)
	if d <= 0 {
		return "0s (expired)"
	}
	if d < 2*time.Hour {
		return fmt.Sprintf("%dm", int(d.Minutes()))
	}
	return age(int64(d / time.Second))
}

func (a *app) certsFetchCmd() *cobra.Command {
	var out string
	var watch bool
	c := &cobra.Command{
		Use: "fetch --out DIR", Short: "Write this process's SVID, key and trust bundle as PEM", Args: exactly(),
		Long: `Asks the Workload API who this process is and writes svid.pem, key.pem and
bundle.pem to DIR, each whole or not at all. The Workload API is the one at
$SPIFFE_ENDPOINT_SOCKET, or the gateway's own in the data directory.

With --watch it stays and writes again at every rotation.`,
		Example: `  sealgate certs fetch --out me
  curl --cert me/svid.pem --key me/key.pem --cacert me/bundle.pem https://localhost:9443/`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if out == "" {
				return usage("", "certs fetch wants --out DIR")
			}
			if watch {
				return a.watchSVID(cmd.Context(), out)
			}
			return a.fetchSVID(cmd.Context(), out)
		},
	}
	c.Flags().StringVar(&out, "out", "", "`directory` to write to; made if it is not there")
	c.Flags().BoolVar(&watch, "watch", false, "stay, and write again at every rotation")
	return c
}

func (a *app) fetchSVID(ctx context.Context, out string) error {
	socket, err := a.workloadSocket()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	m, err := fetchMaterial(ctx, socket)
	if err != nil {
		return err
	}
	return a.writeSVID(out, m)
}

func (a *app) writeSVID(out string, m *certs.Material) error {
	if err := writeMaterial(out, m, killPoints(a.getenv)); err != nil {
		return err
	}
	if a.json {
		return a.printJSON(map[string]any{"id": m.ID.String(), "dir": out, "not_after": m.NotAfter})
	}
	_, err := fmt.Fprintf(a.stdout, "wrote %s/svid.pem %s/key.pem %s/bundle.pem  %s  expires in %s\n", out, out, out, m.ID, remaining(m.NotAfter))
	return err
}

func (a *app) watchSVID(ctx context.Context, out string) error {
	socket, err := a.workloadSocket()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	source, err := watchMaterial(ctx, socket)
	if err != nil {
		return err
	}
	for {
		updated := source.Updated()
		if m, err := source.Current(); err == nil {
			if err := a.writeSVID(out, m); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-updated:
		}
	}
}

func (a *app) entriesCmd() *cobra.Command {
	return group("entries", "Registration entries of the built-in authority: who gets which SVID", nil,
		a.entriesListCmd(), a.entriesAddCmd(), a.entriesDeleteCmd())
}

func (a *app) entriesListCmd() *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the entries", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.controlClient(cmd.Context())
			if err != nil {
				return err
			}
			var all struct {
				Items []control.Entry `json:"items"`
				Next  string          `json:"next"`
			}
			if err := c.do(cmd.Context(), http.MethodGet, "/v1/certs/entries", nil, &all); err != nil {
				return err
			}
			if a.json {
				return a.printJSON(all)
			}
			w := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
			fmt.Fprintln(w, "ENTRY\tSPIFFE ID\tSELECTORS")
			for _, e := range all.Items {
				fmt.Fprintf(w, "%s\t%s\t%s\n", e.ID, e.SPIFFE, selectors(e))
			}
			return w.Flush()
		},
	}
}

func selectors(e control.Entry) string {
	var s []string
	if e.UID != nil {
		s = append(s, fmt.Sprintf("uid:%d", *e.UID))
	}
	if e.GID != nil {
		s = append(s, fmt.Sprintf("gid:%d", *e.GID))
	}
	if e.Unit != "" {
		s = append(s, "unit:"+e.Unit)
	}
	if e.Exec != "" {
		s = append(s, "exec:"+e.Exec)
	}
	return strings.Join(s, " ")
}

func (a *app) entriesAddCmd() *cobra.Command {
	var e control.Entry
	var uid, gid uint32
	c := &cobra.Command{
		Use: "add SPIFFE-ID", Short: "Give a SPIFFE ID to processes that match every selector named", Args: exactly("a SPIFFE ID"),
		Long: `Registers an entry: a process that matches all the selectors given gets an SVID
for SPIFFE-ID. The user or the systemd unit is the boundary; an executable path
only narrows an entry that has one of those.`,
		Example: `  sealgate certs entries add spiffe://sealgate.local/ci/deployer --uid 1001
  sealgate certs entries add spiffe://sealgate.local/train/fraud --uid 1002 --exec /opt/train/run`,
		RunE: func(cmd *cobra.Command, args []string) error {
			e.SPIFFE = args[0]
			if cmd.Flags().Changed("uid") {
				e.UID = &uid
			}
			if cmd.Flags().Changed("gid") {
				e.GID = &gid
			}
			c, err := a.controlClient(cmd.Context())
			if err != nil {
				return err
			}
			var added control.Entry
			if err := c.do(cmd.Context(), http.MethodPost, "/v1/certs/entries", e, &added); err != nil {
				return err
			}
			if a.json {
				return a.printJSON(added)
			}
			_, err = fmt.Fprintf(a.stdout, "added %s  %s  %s\n", added.ID, added.SPIFFE, selectors(added))
			return err
		},
	}
	f := c.Flags()
	f.Uint32Var(&uid, "uid", 0, "the process runs as this user `id`")
	f.Uint32Var(&gid, "gid", 0, "the process runs with this primary group `id`")
	f.StringVar(&e.Unit, "unit", "", "the process runs in this systemd `unit`, such as train.service")
	f.StringVar(&e.Exec, "exec", "", "the process runs this executable (absolute `path`)")
	f.StringSliceVar(&e.DNS, "dns", nil, "DNS `names` to put into the SVID, for servers")
	return c
}

func (a *app) entriesDeleteCmd() *cobra.Command {
	return &cobra.Command{
		Use: "delete ENTRY", Aliases: []string{"rm"}, Short: "End an entry", Args: exactly("an entry, as `list` shows it"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.ContainsAny(args[0], "/:") {
				return usage("name the ENTRY that `sealgate certs entries list` shows", "%q is no entry", args[0])
			}
			c, err := a.controlClient(cmd.Context())
			if err != nil {
				return err
			}
			if err := c.do(cmd.Context(), http.MethodDelete, "/v1/certs/entries/"+url.PathEscape(args[0]), nil, nil); err != nil {
				return err
			}
			_, err = fmt.Fprintf(a.stdout, "deleted %s\n", args[0])
			return err
		},
	}
}
