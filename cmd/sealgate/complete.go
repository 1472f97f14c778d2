// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// completionPatience is how long a completion may ask the gateway; after it,
// it offers nothing.
const completionPatience = 300 * time.Millisecond

// completePaths offers buckets, and what lies in them, for the argument at
// position nth; files are offered for the others.
func (a *app) completePaths(at ...int) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if !slices.Contains(at, len(args)) {
			return nil, cobra.ShellCompDirectiveDefault
		}
		if a.environment(cmd) != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionPatience)
		defer cancel()
		return a.pathsBelow(ctx, typed), cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
	}
}

// pathsBelow gives the paths that begin with what was typed, as far as the
// gateway lists them in time.
func (a *app) pathsBelow(ctx context.Context, typed string) []string {
	client, err := a.objects(ctx)
	if err != nil {
		return nil
	}
	p := objectPath{}
	if at := strings.IndexByte(typed, '/'); at >= 0 {
		p = objectPath{bucket: typed[:at], key: typed[at+1:]}
	}
	lines := client.list(ctx, p, false)
	if p.bucket == "" {
		lines = client.buckets(ctx)
	}
	var out []string
	for l, err := range lines {
		if err != nil {
			return out
		}
		if strings.HasPrefix(l.Path, typed) {
			out = append(out, l.Path)
		}
	}
	return out
}
