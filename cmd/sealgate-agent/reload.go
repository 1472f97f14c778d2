// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealgate/sealgate/cmd/internal/cli"
	"github.com/sealgate/sealgate/gateway/config"
)

const (
	reloadExecTimeout = 30 * time.Second
	reloadHTTPTimeout = 10 * time.Second
)

// reloadNow tells a program that its files have changed (AGENT.md, "SVID
// files"); nil where nobody is to be told.
func reloadNow(ctx context.Context, r config.Reload) error {
	var err error
	switch {
	case r.Signal.PIDFile != "":
		err = reloadSignal(r.Signal)
	case len(r.Exec) > 0:
		err = reloadExec(ctx, r.Exec)
	case r.HTTP != "":
		err = reloadHTTP(ctx, r.HTTP)
	}
	if err != nil {
		return fmt.Errorf("the files are there, the reload failed: %w", err)
	}
	return nil
}

func reloadSignal(r config.ReloadSignal) error {
	text, err := os.ReadFile(r.PIDFile)
	if err != nil {
		return err
	}
	// 0 and negative numbers name groups of processes, 1 is no service of ours.
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid < 2 {
		return fmt.Errorf("%s holds no process id", r.PIDFile)
	}
	if err := unix.Kill(pid, unix.SignalNum("SIG"+r.Name)); err != nil {
		return fmt.Errorf("signalling process %d: %w", pid, err)
	}
	return nil
}

// reloadExec runs a program without a shell; what it says is part of the error.
func reloadExec(ctx context.Context, words []string) error {
	ctx, cancel := context.WithTimeout(ctx, reloadExecTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		text := strings.TrimSpace(said.String())
		return fmt.Errorf("%s: %w: %s", words[0], err, text[max(0, len(text)-200):])
	}
	return nil
}

func reloadHTTP(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, reloadHTTPTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, http.NoBody)
	if err != nil {
		return err
	}
	// The URL is the operator's word: no proxy, no redirect leads elsewhere.
	t := &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{Timeout: reloadHTTPTimeout}).DialContext}
	resp, err := t.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("POST to the reload address: %w", cli.RootCause(err))
	}
	defer resp.Body.Close()                                      //nolint:errcheck // read side
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)) // what it says does not matter
	if resp.StatusCode/100 != 2 {
		return errors.New("POST to the reload address: it answered " + resp.Status)
	}
	return nil
}
