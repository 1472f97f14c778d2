// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// listing is one line of a listing; a prefix has no size.
type listing struct {
	Path     string    `json:"path"`
	Size     int64     `json:"bytes"`
	ETag     string    `json:"etag,omitempty"`
	Modified time.Time `json:"modified,omitzero"`
	Prefix   bool      `json:"prefix,omitempty"`
}

func (a *app) objectListCmd() *cobra.Command {
	var recursive bool
	c := &cobra.Command{
		Use: "ls [-r] [SCOPE]", Aliases: []string{"list"}, Short: "List buckets, or what lies in BUCKET/PREFIX", Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completePaths(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := a.objects(cmd.Context())
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return a.printListing(client.buckets(cmd.Context()))
			}
			p, err := parsePath(args[0])
			if err != nil {
				return err
			}
			return a.printListing(client.list(cmd.Context(), p, recursive))
		},
	}
	c.Flags().BoolVarP(&recursive, "recursive", "r", false, "list everything below, not one level")
	return c
}

// buckets yields the buckets in which the caller may do something.
func (c *objectClient) buckets(ctx context.Context) iter.Seq2[listing, error] {
	return func(yield func(listing, error) bool) {
		resp, err := c.do(ctx, "ls", http.MethodGet, objectPath{}, "", nil, 0, nil)
		if err != nil {
			yield(listing{}, err)
			return
		}
		defer resp.Body.Close() //nolint:errcheck // read side
		var all struct {
			Buckets []struct{ Name string } `xml:"Buckets>Bucket"`
		}
		if err := xml.NewDecoder(resp.Body).Decode(&all); err != nil {
			yield(listing{}, fmt.Errorf("ls: reading the answer: %w", err))
			return
		}
		for _, b := range all.Buckets {
			if !yield(listing{Path: b.Name + "/", Prefix: true}, nil) {
				return
			}
		}
	}
}

// list yields what lies below a path, page by page.
func (c *objectClient) list(ctx context.Context, p objectPath, recursive bool) iter.Seq2[listing, error] {
	return func(yield func(listing, error) bool) {
		q := url.Values{"list-type": {"2"}, "encoding-type": {"url"}, "prefix": {p.key}}
		if !recursive {
			q.Set("delimiter", "/")
		}
		for {
			page, err := c.listPage(ctx, p, q)
			if err != nil {
				yield(listing{}, err)
				return
			}
			for _, l := range page.lines(p.bucket) {
				if !yield(l, nil) {
					return
				}
			}
			if page.NextContinuationToken == "" {
				return
			}
			q.Set("continuation-token", page.NextContinuationToken)
		}
	}
}

type listResult struct {
	Contents []struct {
		Key          string
		Size         int64
		ETag         string
		LastModified time.Time
	}
	CommonPrefixes        []struct{ Prefix string }
	NextContinuationToken string
}

func (c *objectClient) listPage(ctx context.Context, p objectPath, q url.Values) (*listResult, error) {
	resp, err := c.do(ctx, "ls "+p.String(), http.MethodGet, objectPath{bucket: p.bucket}, q.Encode(), nil, 0, nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // read side
	var page listResult
	if err := xml.NewDecoder(resp.Body).Decode(&page); err != nil {
		return nil, fmt.Errorf("ls %s: reading the answer: %w", p, err)
	}
	return &page, nil
}

// lines merges keys and prefixes in byte order.
func (r *listResult) lines(bucket string) []listing {
	var out []listing
	prefixes := r.CommonPrefixes
	flush := func(before string) {
		for len(prefixes) > 0 && (before == "" || unescape(prefixes[0].Prefix) < before) {
			out = append(out, listing{Path: bucket + "/" + unescape(prefixes[0].Prefix), Prefix: true})
			prefixes = prefixes[1:]
		}
	}
	for _, o := range r.Contents {
		key := unescape(o.Key)
		flush(key)
		out = append(out, listing{Path: bucket + "/" + key, Size: o.Size, ETag: o.ETag, Modified: o.LastModified})
	}
	flush("")
	return out
}

func unescape(s string) string {
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}

func (a *app) printListing(lines iter.Seq2[listing, error]) error {
	items := []listing{}
	w := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', tabwriter.AlignRight)
	for l, err := range lines {
		switch {
		case err != nil:
			return err
		case a.json:
			items = append(items, l)
		case l.Prefix:
			fmt.Fprintf(w, "-\t-\t  %s\n", printable(l.Path))
		default:
			fmt.Fprintf(w, "%d\t%s\t  %s\n", l.Size, l.Modified.Format(time.RFC3339), printable(l.Path))
		}
	}
	if a.json {
		return a.printJSON(map[string]any{"items": items, "next": ""})
	}
	return w.Flush()
}

func (a *app) objectStatCmd() *cobra.Command {
	return &cobra.Command{
		Use: "stat PATH", Short: "Show size, ETag, metadata and audit receipt of an object", Args: exactly("BUCKET/KEY"),
		ValidArgsFunction: a.completePaths(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := parseObject(args[0])
			if err != nil {
				return err
			}
			client, err := a.objects(cmd.Context())
			if err != nil {
				return err
			}
			resp, err := client.do(cmd.Context(), "stat "+p.String(), http.MethodHead, p, "", nil, 0, http.Header{"X-Amz-Checksum-Mode": {"ENABLED"}})
			if err != nil {
				return err
			}
			_ = resp.Body.Close() // a HEAD has none
			return a.printStat(p, resp)
		},
	}
}

func (a *app) printStat(p objectPath, resp *http.Response) error {
	meta, sums := map[string]string{}, map[string]string{}
	for name, v := range resp.Header {
		lower := strings.ToLower(name)
		if m, ok := strings.CutPrefix(lower, "x-amz-meta-"); ok {
			meta[m] = v[0]
		}
		if s, ok := strings.CutPrefix(lower, "x-amz-checksum-"); ok && s != "type" {
			sums[s] = v[0]
		}
	}
	h := resp.Header
	if a.json {
		return a.printJSON(map[string]any{
			"path": p.String(), "bytes": resp.ContentLength, "etag": h.Get("ETag"), "modified": h.Get("Last-Modified"),
			"content_type": h.Get("Content-Type"), "object": h.Get("X-Sealgate-Object"), "audit": h.Get("X-Sealgate-Audit"),
			"metadata": meta, "checksums": sums,
		})
	}
	w := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	for _, row := range [][2]string{
		{"path", p.String()},
		{"bytes", fmt.Sprint(resp.ContentLength)},
		{"etag", h.Get("ETag")},
		{"modified", h.Get("Last-Modified")},
		{"type", h.Get("Content-Type")},
		{"object", h.Get("X-Sealgate-Object")},
		{"audit", h.Get("X-Sealgate-Audit")},
	} {
		fmt.Fprintf(w, "%s\t%s\n", row[0], row[1])
	}
	for name, sum := range sums {
		fmt.Fprintf(w, "%s\t%s\n", name, sum)
	}
	for name, v := range meta {
		fmt.Fprintf(w, "meta %s\t%s\n", printable(name), printable(v))
	}
	return w.Flush()
}

func (a *app) objectRemoveCmd() *cobra.Command {
	var recursive, dry bool
	var confirm string
	c := &cobra.Command{
		Use: "rm [-r] PATH", Aliases: []string{"delete"}, Short: "Delete an object, or with -r all below BUCKET/PREFIX", Args: exactly("BUCKET/KEY"),
		ValidArgsFunction: a.completePaths(0),
		Long: `Deletes one object. With -r it shows how many objects lie below PATH and asks for
PATH to be typed; without a terminal it wants --confirm PATH.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := parsePath(args[0])
			if err != nil {
				return err
			}
			client, err := a.objects(cmd.Context())
			if err != nil {
				return err
			}
			if recursive {
				return a.removeAll(cmd.Context(), client, p, confirm, dry)
			}
			if p.key == "" {
				return usage("name a key, or use -r", "%q names no key", args[0])
			}
			if dry {
				_, err := fmt.Fprintf(a.stdout, "would delete %s\n", p)
				return err
			}
			return a.remove(cmd.Context(), client, p)
		},
	}
	f := c.Flags()
	f.BoolVarP(&recursive, "recursive", "r", false, "delete everything below")
	f.BoolVar(&dry, "dry-run", false, "show what would be deleted")
	f.StringVar(&confirm, "confirm", "", "the `PATH` again, instead of typing it")
	return c
}

func (a *app) remove(ctx context.Context, client *objectClient, p objectPath) error {
	resp, err := client.do(ctx, "rm "+p.String(), http.MethodDelete, p, "", nil, 0, nil)
	if err != nil {
		return err
	}
	_ = resp.Body.Close() // a 204 has none
	if a.json {
		return a.printJSON(map[string]string{"path": p.String(), "audit": resp.Header.Get("X-Sealgate-Audit")})
	}
	_, err = fmt.Fprintf(a.stdout, "rm %s  audit %s\n", p, resp.Header.Get("X-Sealgate-Audit"))
	return err
}

func (a *app) removeAll(ctx context.Context, client *objectClient, p objectPath, confirm string, dry bool) error {
	var all []objectPath
	var size int64
	for l, err := range client.list(ctx, p, true) {
		if err != nil {
			return err
		}
		all = append(all, objectPath{p.bucket, strings.TrimPrefix(l.Path, p.bucket+"/")})
		size += l.Size
	}
	what := fmt.Sprintf("%d objects, %s, below %s", len(all), bytesText(size), p)
	if dry {
		_, err := fmt.Fprintf(a.stdout, "would delete %s\n", what)
		return err
	}
	if err := a.confirmed("delete "+what, p.String(), confirm); err != nil {
		return err
	}
	for _, o := range all {
		if err := a.remove(ctx, client, o); err != nil {
			return err
		}
	}
	return nil
}

// confirmed asks for name to be typed, unless it was given already.
func (a *app) confirmed(what, name, given string) error {
	if given == name {
		return nil
	}
	if given != "" || !terminalIn(a.stdin) {
		return usage("add --confirm "+name, "this would %s", what)
	}
	fmt.Fprintf(a.stderr, "This will %s. Type %s to go on: ", what, name)
	typed, err := io.ReadAll(io.LimitReader(&lineReader{a.stdin}, 4096))
	if err != nil || strings.TrimSpace(string(typed)) != name {
		return usage("", "not confirmed; nothing was deleted")
	}
	return nil
}
