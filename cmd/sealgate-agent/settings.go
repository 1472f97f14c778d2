// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealgate/sealgate/certs"
	"github.com/sealgate/sealgate/cmd/internal/cli"
	"github.com/sealgate/sealgate/gateway/config"
)

// settings are what one command works with: the file, and flags and variables
// for what the file leaves out.
type settings struct {
	*config.Agent
	gateway   string   // https://HOST:PORT
	gatewayID certs.ID // zero: /gateway of the own trust domain
	files     config.IdentityFiles
	socket    string   // of the Workload API; "" when files are named
	id        certs.ID // which SVID to take there; zero: the only one
	fromFile  bool     // a file says which doors are open
}

// settings reads the file, if one is named; every fault of it is printed.
func (a *app) settings(cmd *cobra.Command) (*settings, error) {
	s := &settings{Agent: config.EmbeddedAgent()}
	if a.flags.config != "" {
		if err := a.loadFile(s); err != nil {
			return nil, err
		}
	}
	if err := a.refuseBoth(cmd, s); err != nil {
		return nil, err
	}
	if err := a.fillGateway(s); err != nil {
		return nil, err
	}
	if err := a.fillIdentity(s); err != nil {
		return nil, err
	}
	if a.flags.logLevel != "" {
		s.Log.Level = a.flags.logLevel
	}
	return s, nil
}

func (a *app) loadFile(s *settings) error {
	src, err := os.ReadFile(a.flags.config)
	if err != nil {
		return cli.Misuse("name another with --config, or none for the forwarder alone", "reading the config: %w", err)
	}
	agent, faults := config.LoadAgent(a.flags.config, src)
	cli.PrintFaults(a.stderr, cli.FaultsOf(faults), "; nothing was started")
	if agent == nil {
		return cli.ReportedError{Code: cli.Usage}
	}
	s.Agent, s.fromFile = agent, true
	return nil
}

// refuseBoth: a flag and a field that say the same thing may differ, and then
// nobody knows which counts.
func (a *app) refuseBoth(cmd *cobra.Command, s *settings) error {
	inFile := map[string]bool{
		"endpoint": s.Gateway.S3 != "", "gateway-id": !s.Gateway.ID.IsZero(),
		"cert": s.Identity.Source != "", "key": s.Identity.Source != "", "bundle": s.Identity.Source != "",
	}
	for _, name := range []string{"endpoint", "gateway-id", "cert", "key", "bundle"} {
		if inFile[name] && cmd.Flags().Changed(name) {
			return cli.Misuse("give it in one place", "--%s is also said in %s", name, a.flags.config)
		}
	}
	return nil
}

func (a *app) fillGateway(s *settings) error {
	s.gateway, s.gatewayID = s.Gateway.S3, s.Gateway.ID
	if s.gateway == "" {
		s.gateway = strings.TrimSuffix(a.flags.endpoint, "/")
	}
	if host, ok := strings.CutPrefix(s.gateway, "https://"); !ok || host == "" || strings.ContainsAny(host, "/?#@") {
		return cli.Misuse("write https://HOST:PORT", "--endpoint %q is not the address of a gateway", s.gateway)
	}
	if s.gatewayID.IsZero() && a.flags.gatewayID != "" {
		id, err := certs.ParseID(a.flags.gatewayID)
		if err != nil {
			return cli.Misuse("", "--gateway-id: %w", err)
		}
		s.gatewayID = id
	}
	return nil
}

func (a *app) fillIdentity(s *settings) error {
	f := a.flags
	switch {
	case s.Identity.Source == config.SourceFiles:
		s.files = s.Identity.Files
	case s.Identity.Source == config.SourceWorkload:
		s.socket, s.id = s.Identity.Workload.Socket, s.Identity.Workload.ID
	case f.cert != "" && f.key != "" && f.bundle != "":
		s.files = config.IdentityFiles{Cert: f.cert, Key: f.key, Bundle: f.bundle}
	case f.cert != "" || f.key != "" || f.bundle != "":
		return cli.Misuse("give all three", "--cert, --key and --bundle belong together")
	case a.getenv("SPIFFE_ENDPOINT_SOCKET") != "":
		s.socket = a.getenv("SPIFFE_ENDPOINT_SOCKET")
	default:
		dir, err := a.dataDir()
		if err != nil {
			return err
		}
		s.socket = "unix://" + filepath.Join(dir, "run", "workload.sock")
	}
	return nil
}

// dataDir is that of a gateway on this machine.
func (a *app) dataDir() (string, error) {
	dir := a.flags.data
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", cli.Misuse("set SPIFFE_ENDPOINT_SOCKET, or give --cert, --key and --bundle", "finding who this is: %w", err)
		}
		dir = filepath.Join(home, ".local", "share", "sealgate")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("finding the data directory: %w", err)
	}
	return abs, nil
}

// logger writes to stderr as the settings say.
func (a *app) logger(s *settings) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.Log.Level)); err != nil {
		return nil, cli.Misuse("write debug, info, warn or error", "--log-level %q", s.Log.Level)
	}
	o := &slog.HandlerOptions{Level: level}
	if s.Log.Format == "json" {
		return slog.New(slog.NewJSONHandler(a.stderr, o)), nil
	}
	return slog.New(slog.NewTextHandler(a.stderr, o)), nil
}
