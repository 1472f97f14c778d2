// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/control"
)

// controlClient talks to the control listener: the socket of the data
// directory, or an address over mTLS.
type controlClient struct {
	http *http.Client
	base string
	name string // for messages
}

func (a *app) controlClient(ctx context.Context) (*controlClient, error) {
	if addr := a.client.control; addr != "" && !strings.HasPrefix(addr, "unix:") && !strings.HasPrefix(addr, "/") {
		source, err := a.identity(ctx)
		if err != nil {
			return nil, err
		}
		id, err := a.gatewayID(source)
		if err != nil {
			return nil, err
		}
		t := &http.Transport{TLSClientConfig: certs.ClientTLS(source, id)}
		return &controlClient{http: &http.Client{Transport: t}, base: "https://" + strings.TrimPrefix(addr, "https://"), name: addr}, nil
	}
	socket := strings.TrimPrefix(a.client.control, "unix:")
	if socket == "" {
		data, err := a.dataDir()
		if err != nil {
			return nil, err
		}
		socket = filepath.Join(data, "run", "control.sock")
	}
	t := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialPatiently(ctx, socket)
	}}
	return &controlClient{http: &http.Client{Transport: t}, base: "http://control", name: socket}, nil
}

// patience is how long clients wait for a gateway that is just starting.
const patience = 3 * time.Second

func dialPatiently(ctx context.Context, socket string) (net.Conn, error) {
	var d net.Dialer
	until := time.Now().Add(patience)
	for {
		c, err := d.DialContext(ctx, "unix", socket)
		if err == nil || time.Now().After(until) || ctx.Err() != nil {
			return c, err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// do sends one request and decodes its answer into out, if that is not nil.
func (c *controlClient) do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return &exitError{
			Code: exitUnavailable, Err: fmt.Errorf("asking the gateway at %s: %w", c.name, rootCause(err)),
			Hint: "is `sealgate serve` running with this data directory?", Where: c.name,
		}
	}
	defer resp.Body.Close() //nolint:errcheck // read side
	if resp.StatusCode != http.StatusOK {
		return problemError(resp)
	}
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("reading the gateway's answer: %w", err)
	}
	return nil
}

// problemExit maps the closed codes of the API to exit codes.
var problemExit = map[control.Code]int{
	control.Invalid: exitUsage, control.Denied: exitDenied, control.Integrity: exitIntegrity,
	control.Throttled: exitUnavailable, control.Unavailable: exitUnavailable,
}

func problemError(resp *http.Response) error {
	var p control.Problem
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&p); err != nil || p.Detail == "" {
		return fail(exitFailed, fmt.Errorf("the gateway answered %s", resp.Status), "")
	}
	code, ok := problemExit[p.Code]
	if !ok {
		code = exitFailed
	}
	return &exitError{Code: code, Err: errors.New(p.Detail), RequestID: p.RequestID}
}

// auditSearchRemote asks the running gateway, page by page.
func (a *app) auditSearchRemote(ctx context.Context, q audit.SearchQuery, show func(audit.Match) error) error {
	c, err := a.controlClient(ctx)
	if err != nil {
		return err
	}
	v := url.Values{"limit": {"1000"}}
	for name, value := range map[string]string{"who": q.Who, "path": q.Path, "event": q.Event, "decision": q.Decision, "request_id": q.RequestID} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if !q.Since.IsZero() {
		v.Set("since", q.Since.UTC().Format(time.RFC3339))
	}
	for {
		var found struct {
			Items []json.RawMessage
			Next  string
		}
		if err := c.do(ctx, http.MethodGet, "/v1/audit/records?"+v.Encode(), nil, &found); err != nil {
			return err
		}
		if err := printRecords(found.Items, show); err != nil || found.Next == "" {
			return err
		}
		v.Set("page", found.Next)
	}
}

// printRecords prints what the gateway found as if it had been read here.
func printRecords(items []json.RawMessage, show func(audit.Match) error) error {
	for _, raw := range items {
		m := audit.Match{Raw: raw}
		if err := json.Unmarshal(raw, &m.Record); err != nil {
			return fmt.Errorf("reading the gateway's answer: %w", err)
		}
		m.Related = m.Record.Phase == audit.PhaseOutcome || m.Record.Phase == audit.PhaseProgress
		if err := show(m); err != nil {
			return err
		}
	}
	return nil
}
