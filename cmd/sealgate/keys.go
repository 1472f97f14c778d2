// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealgate/sealgate/gateway/control"
)

func (a *app) keysCmd() *cobra.Command {
	return group("keys", "Manage key encryption keys and keyrings", []string{"key"},
		a.keysInitCmd(), a.keysPassphraseCmd(), a.keysRotateKEKCmd(), a.keysStatusCmd())
}

func (a *app) keysRotateKEKCmd() *cobra.Command {
	return &cobra.Command{
		Use: "rotate-kek [KEK]", Short: "Make a new KEK version and rewrap the keyring records", Args: cobra.MaximumNArgs(1),
		Long: `Makes a new version of the KEK and wraps every keyring record again under it.
No object is touched. Needs a running gateway. Without KEK, the only one there is.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.controlClient(cmd.Context())
			if err != nil {
				return err
			}
			name, err := theKEK(cmd.Context(), c, args)
			if err != nil {
				return err
			}
			var r control.Rotation
			if err := c.do(cmd.Context(), http.MethodPost, "/v1/keks/"+url.PathEscape(name)+":rotate", nil, &r); err != nil {
				return err
			}
			if a.json {
				return a.printJSON(r)
			}
			_, err = fmt.Fprintf(a.stdout, "%s: version %s -> %s, %d keyring records rewrapped, 0 objects touched, %d ms\n",
				r.KEK, r.From, r.To, r.Records, r.DurationUS/1000)
			return err
		},
	}
}

// theKEK gives the KEK that args name, or the only one there is.
func theKEK(ctx context.Context, c *controlClient, args []string) (string, error) {
	if len(args) == 1 {
		return args[0], nil
	}
	var all struct{ Items []control.KEK }
	if err := c.do(ctx, http.MethodGet, "/v1/keks", nil, &all); err != nil {
		return "", err
	}
	if len(all.Items) != 1 {
		return "", usage("name one of them", "this gateway has %d KEKs", len(all.Items))
	}
	return all.Items[0].Name, nil
}

func (a *app) keysStatusCmd() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show every KEK and keyring version with its age and state", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.controlClient(cmd.Context())
			if err != nil {
				return err
			}
			var keks struct{ Items []control.KEK }
			var rings struct{ Items []control.Keyring }
			if err := c.do(cmd.Context(), http.MethodGet, "/v1/keks", nil, &keks); err != nil {
				return err
			}
			if err := c.do(cmd.Context(), http.MethodGet, "/v1/keyrings", nil, &rings); err != nil {
				return err
			}
			if a.json {
				return a.printJSON(map[string]any{"keks": keks.Items, "keyrings": rings.Items})
			}
			return a.printKeys(keks.Items, rings.Items)
		},
	}
}

func (a *app) printKeys(keks []control.KEK, rings []control.Keyring) error {
	w := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "KEK\tPROVIDER\tSTATE\tAGE\tKEYRING RECORDS")
	for _, k := range keks {
		for _, v := range k.Versions {
			state := "opens"
			if v.Version == k.Version {
				state = "current"
			}
			fmt.Fprintf(w, "%s@%s\t%s\t%s\t%s\t%d\n", k.Name, v.Version, k.Provider, state, age(v.AgeSeconds), v.Records)
		}
	}
	fmt.Fprintln(w, "\nKEYRING\tSTATE\tAGE\tWRAPPED BY")
	for _, r := range rings {
		fmt.Fprintf(w, "%s@%d\t%s\t%s\t%s@%s\n", r.Scope, r.Version, r.State, age(r.AgeSeconds), r.KEK, r.KEKVersion)
	}
	return w.Flush()
}

// age prints seconds as people say them.
func age(seconds int64) string {
	d := time.Duration(seconds) * time.Second
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", seconds)
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", seconds/60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", seconds/3600)
	}
	return fmt.Sprintf("%dd", seconds/86400)
}
