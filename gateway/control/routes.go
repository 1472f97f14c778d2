// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sealgate/sealgate/gateway/policy"
)

// route is one row of the API. A path that ends in a slash, or holds {name},
// takes an argument there.
type route struct {
	method, path string
	action       string      // on the record
	event        string      // kind of event, on the record
	verb         policy.Verb // with bucket and key: the right it needs
	bucket, key  string
	change       bool // recorded durably before and after
	maxBody      int64
	timeout      time.Duration
	do           func(context.Context, *call, []byte) (any, error)
}

const (
	noBody   = 0
	smallDoc = 64 << 10
	quick    = 5 * time.Second
	long     = 2 * time.Minute
)

// table gives the rows. Every verb here is checked before anything of the
// request but its path is looked at.
func table() []route {
	return []route{
		{"GET", "/openapi.json", "openapi", "config.read", policy.VerbStatusRead, "gateway", "status", false, noBody, quick, openapi},
		{"POST", "/v1/config:reload", "config-reload", "config.reload", policy.VerbConfigReload, "gateway", "config", true, noBody, long, reload},
		{"GET", "/v1/keks", "kek-list", "key.read", policy.VerbStatusRead, "gateway", "keks", false, noBody, quick, keks},
		{"GET", "/v1/keyrings", "keyring-list", "key.read", policy.VerbStatusRead, "gateway", "keyrings", false, noBody, quick, keyrings},
		{"POST", "/v1/keks/{name}:rotate", "kek-rotate", "key.rotate", policy.VerbKeyRotate, "gateway", "keks/", true, noBody, long, rotate},
		{"GET", "/v1/certs", "cert-read", "cert.read", policy.VerbStatusRead, "gateway", "certs", false, noBody, quick, certificates},
		{"GET", "/v1/certs/entries", "entry-list", "cert.read", policy.VerbStatusRead, "gateway", "certs/entries", false, noBody, quick, entries},
		{"POST", "/v1/certs/entries", "entry-add", "cert.entry", policy.VerbCertRotate, "gateway", "certs/entries", true, smallDoc, quick, addEntry},
		{"DELETE", "/v1/certs/entries/{name}", "entry-delete", "cert.entry", policy.VerbCertRotate, "gateway", "certs/entries/", true, noBody, quick, deleteEntry},
		{"POST", "/v1/policy:explain", "policy-explain", "policy.read", policy.VerbStatusRead, "gateway", "policy", false, smallDoc, quick, explain},
		{"GET", "/v1/audit/records", "audit-search", "audit.query", policy.VerbRead, "audit", "records", false, noBody, long, records},
	}
}

// match finds the row of a request and what stands for {name} in its path.
func match(routes []route, method, path string) (route, string, bool) {
	for _, r := range routes {
		before, after, named := strings.Cut(r.path, "{name}")
		if r.method != method || !named && r.path != path {
			continue
		}
		if !named {
			return r, "", true
		}
		arg, ok := strings.CutPrefix(path, before)
		arg, tail := strings.CutSuffix(arg, after)
		if ok && tail && arg != "" && !strings.ContainsAny(arg, "/:") {
			return r, arg, true
		}
	}
	return route{}, "", false
}

func reload(ctx context.Context, c *call, _ []byte) (any, error) {
	return c.s.config.Backend.Reload(ctx)
}

// list is the shape of every answer that lists.
func list[T any](items []T, err error) (any, error) {
	if items == nil {
		items = []T{}
	}
	return map[string]any{"items": items, "next": ""}, err
}

func keks(ctx context.Context, c *call, _ []byte) (any, error) {
	return list(c.s.config.Backend.KEKs(ctx))
}

func keyrings(ctx context.Context, c *call, _ []byte) (any, error) {
	return list(c.s.config.Backend.Keyrings(ctx))
}

func rotate(ctx context.Context, c *call, _ []byte) (any, error) {
	return c.s.config.Backend.RotateKEK(ctx, c.arg)
}

func certificates(ctx context.Context, c *call, _ []byte) (any, error) {
	return c.s.config.Backend.Certs(ctx)
}

func entries(ctx context.Context, c *call, _ []byte) (any, error) {
	return list(c.s.config.Backend.Entries(ctx))
}

func addEntry(ctx context.Context, c *call, body []byte) (any, error) {
	var e Entry
	if err := decode(body, &e); err != nil {
		return nil, err
	}
	return c.s.config.Backend.AddEntry(ctx, e)
}

func deleteEntry(ctx context.Context, c *call, _ []byte) (any, error) {
	return struct{}{}, c.s.config.Backend.DeleteEntry(ctx, c.arg)
}

func explain(ctx context.Context, c *call, body []byte) (any, error) {
	var q ExplainQuery
	if err := decode(body, &q); err != nil {
		return nil, err
	}
	return c.s.config.Backend.Explain(ctx, q)
}

// recordLimits bound one answer of a search.
const (
	defaultRecords = 100
	maxRecords     = 1000
)

// filters reads a query that holds these names alone, each once: a mistyped
// filter must not select everything.
func filters(query string, names ...string) (url.Values, error) {
	v, err := url.ParseQuery(query)
	if err != nil {
		return nil, Fail(Invalid, "the query does not parse")
	}
	for name, values := range v {
		if !slices.Contains(names, name) || len(values) != 1 {
			return nil, Fail(Invalid, fmt.Sprintf("%q is no filter, or is given twice; there are %s", name, strings.Join(names, ", ")))
		}
	}
	return v, nil
}

func records(ctx context.Context, c *call, _ []byte) (any, error) {
	v, err := filters(c.r.URL.RawQuery, "who", "path", "event", "decision", "request_id", "limit", "since", "page")
	if err != nil {
		return nil, err
	}
	q := RecordQuery{
		Who: v.Get("who"), Path: v.Get("path"), Event: v.Get("event"), Decision: v.Get("decision"),
		RequestID: v.Get("request_id"), Limit: defaultRecords,
	}
	if s := v.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > maxRecords {
			return nil, Fail(Invalid, "limit is not a number from 1 to "+strconv.Itoa(maxRecords))
		}
		q.Limit = n
	}
	scope := c.pageScope(v)
	if s := v.Get("page"); s != "" {
		if q.Skip, err = c.s.pages.open(scope, s); err != nil {
			return nil, err
		}
	}
	if s := v.Get("since"); s != "" {
		t, err := time.Parse(time.RFC3339, s)
		if err != nil {
			return nil, Fail(Invalid, "since is not a time as in 2027-03-02T09:14:31Z")
		}
		q.Since = t
	}
	found, err := c.s.config.Backend.Records(ctx, q)
	if found.More {
		found.Next = c.s.pages.seal(scope, q.Skip+len(found.Items))
	}
	return found, err
}
