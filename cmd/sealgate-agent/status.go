// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/cmd/internal/cli"
	"github.com/sealgate/sealgate/cmd/internal/rundir"
	"github.com/sealgate/sealgate/cmd/sealgate-agent/internal/forward"
)

// statusJSON is what a running agent says of itself. It holds no secret.
type statusJSON struct {
	Version     string       `json:"version"`
	PID         int          `json:"pid"`
	Started     time.Time    `json:"started"`
	Identity    identityJSON `json:"identity"`
	Gateway     gatewayJSON  `json:"gateway"`
	Doors       []doorJSON   `json:"doors"`
	LastRefusal *refused     `json:"last_refusal"`
}

type identityJSON struct {
	ID       string     `json:"id,omitempty"`
	Serial   string     `json:"serial,omitempty"`
	NotAfter *time.Time `json:"not_after,omitempty"`
	From     string     `json:"from"`
	Error    string     `json:"error,omitempty"`
}

type gatewayJSON struct {
	S3          string `json:"s3"`
	SessionKeys string `json:"session_keys,omitempty"`
	ID          string `json:"id,omitempty"`
}

type doorJSON struct {
	Door      string `json:"door"`
	Listen    string `json:"listen"`
	About     string `json:"about"`          // what lies there
	Note      string `json:"note,omitempty"` // how it fares
	TokenFile string `json:"token_file,omitempty"`
	Error     string `json:"error,omitempty"`
	Served    int64  `json:"served"`
	Refused   int64  `json:"refused"`
}

// refused is the last request that was not served.
type refused struct {
	Door string `json:"door"`
	forward.Refusal
}

func (g *agent) note(door string, r forward.Refusal) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last = &refused{door, r}
}

func (g *agent) status() statusJSON {
	s := statusJSON{
		Version: cli.Version, PID: os.Getpid(), Started: g.started.UTC().Truncate(time.Second), Identity: identityJSON{From: g.id.from},
		Gateway: gatewayJSON{S3: g.settings.gateway, SessionKeys: g.settings.Gateway.SessionKeys, ID: g.settings.gatewayID.String()},
	}
	if m, err := g.id.Current(); err != nil {
		s.Identity.Error = err.Error()
	} else {
		end := m.NotAfter.UTC()
		s.Identity.ID, s.Identity.Serial, s.Identity.NotAfter = m.ID.String(), certs.SerialHex(m.Chain[0].SerialNumber), &end
		if s.Gateway.ID == "" {
			s.Gateway.ID = m.ID.TrustDomain().ID().String() + "/gateway"
		}
	}
	for _, d := range g.doors {
		note, fault := d.state()
		j := doorJSON{Door: d.name, Listen: d.listen, About: d.about, Note: note, TokenFile: d.tokenFile, Error: fault}
		if d.served != nil {
			j.Served, j.Refused = d.served()
		}
		s.Doors = append(s.Doors, j)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	s.LastRefusal = g.last
	return s
}

// serveStatus answers the other verbs of this user, and root.
func (g *agent) serveStatus(ctx context.Context) error {
	l, err := listenSocket(g.state.path(rundir.Socket), 0o600)
	if err != nil {
		return err
	}
	s := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(g.status()) // who asked and went away asks again
	})}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		_ = s.Close() // its answers are short
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	}
}

func (a *app) statusCmd() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show the running agent: SVID, doors, last refusal", Args: cli.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.askStatus(cmd.Context())
			if err != nil {
				return err
			}
			if a.json {
				return cli.PrintJSON(a.stdout, s)
			}
			_, err = io.WriteString(a.stdout, s.text())
			return err
		},
	}
}

// askStatus asks the running agent of this user. The directory must be this
// user's: what answers there is believed.
func (a *app) askStatus(ctx context.Context) (*statusJSON, error) {
	dir := a.stateDir()
	none := func(err error) error {
		return cli.Fail(cli.Unavailable, fmt.Errorf("asking the agent in %s: %w", dir, err), "is `sealgate-agent serve` running as this user, with the same XDG_RUNTIME_DIR?")
	}
	if err := patiently(ctx, func() error { return rundir.CheckOwn(dir) }); err != nil {
		return nil, none(cli.RootCause(err))
	}
	t := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (c net.Conn, err error) {
		err = patiently(ctx, func() error {
			c, err = new(net.Dialer).DialContext(ctx, "unix", dir+"/"+rundir.Socket)
			return err
		})
		return c, err
	}}
	defer t.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://agent/", nil)
	if err != nil {
		return nil, err
	}
	resp, err := t.RoundTrip(req)
	if err != nil {
		return nil, none(cli.RootCause(err))
	}
	defer resp.Body.Close() //nolint:errcheck // read side
	var s statusJSON
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
		return nil, fmt.Errorf("reading the agent's answer: %w", err)
	}
	return &s, nil
}

// patiently waits for an agent that is just starting, as in "serve & env": its
// directory and its socket may not be there yet. Without this a shell would go
// on without the variables, and its clients would talk to Amazon.
func patiently(ctx context.Context, try func() error) error {
	for until := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		err := try()
		starting := errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED)
		if !starting || time.Now().After(until) || ctx.Err() != nil {
			return err
		}
	}
}

// text is the status for people.
func (s *statusJSON) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-12s %s, pid %d, up %s\n", "agent", s.Version, s.PID, time.Since(s.Started).Round(time.Second))
	if s.Identity.Error != "" {
		fmt.Fprintf(&b, "%-12s NONE  %s\n", "identity", s.Identity.Error)
	} else {
		fmt.Fprintf(&b, "%-12s %s  serial %s  expires in %s\n", "identity", s.Identity.ID, s.Identity.Serial, remaining(*s.Identity.NotAfter))
	}
	fmt.Fprintf(&b, "%-12s %s  %s\n", "gateway", s.Gateway.S3, s.Gateway.ID)
	for _, d := range s.Doors {
		fmt.Fprintf(&b, "%-12s %s  %s", d.Door, d.Listen, d.About)
		if d.Note != "" {
			b.WriteString("  " + d.Note)
		}
		if d.Door != doorFiles {
			fmt.Fprintf(&b, "  served %d, refused %d", d.Served, d.Refused)
		}
		b.WriteByte('\n')
		if d.Error != "" {
			fmt.Fprintf(&b, "%-12s FAULT  %s\n", "", d.Error)
		}
	}
	r := s.LastRefusal
	if r == nil {
		fmt.Fprintf(&b, "%-12s none\n", "last refusal")
		return b.String()
	}
	fmt.Fprintf(&b, "%-12s %s  %s %s  %d %s  %s  %s  request %s\n", "last refusal", r.Time.Format(time.RFC3339), r.Method, r.Path, r.Status, r.Code, r.Reason, r.Message, r.RequestID)
	return b.String()
}
