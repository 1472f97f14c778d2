// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sealgate/sealgate/cmd/internal/cli"
)

// signals are those that this process gets for its command.
type signals struct {
	all, child chan os.Signal
	terminal   bool
}

// passedOn are the signals that mean the command. What was ignored when this
// process was started stays ignored, for the command too.
var passedOn = []os.Signal{
	unix.SIGINT, unix.SIGTERM, unix.SIGQUIT, unix.SIGHUP, unix.SIGUSR1, unix.SIGUSR2, unix.SIGCONT, unix.SIGWINCH,
}

func catchSignals(stdin io.Reader) *signals {
	s := &signals{all: make(chan os.Signal, 16), child: make(chan os.Signal, 1), terminal: cli.Terminal(stdin)}
	for _, sig := range passedOn {
		if !signal.Ignored(sig) {
			signal.Notify(s.all, sig)
		}
	}
	signal.Notify(s.child, unix.SIGCHLD)
	return s
}

func (s *signals) stop() {
	signal.Stop(s.all)
	signal.Stop(s.child)
}

// ends: the signal asks for the end of the command, not for anything else.
func ends(sig os.Signal) bool {
	return sig == unix.SIGINT || sig == unix.SIGTERM || sig == unix.SIGQUIT
}

// passes: what a person types at a terminal reaches the command by itself, as
// part of the foreground; passed on it would come twice.
func (s *signals) passes(sig os.Signal) bool {
	return !s.terminal || sig != unix.SIGINT && sig != unix.SIGQUIT && sig != unix.SIGWINCH
}

// noCore keeps the keys in this process's memory out of core files, and gives
// what the limit was before. Other processes of this user may still look: they
// could get the identity in the first place, and an issuer of the same user
// must be able to see which program this is.
func noCore() *unix.Rlimit {
	var was unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_CORE, &was) != nil {
		return nil
	}
	if unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: 0, Max: was.Max}) != nil {
		return nil
	}
	return &was
}

// restoreCore gives the command the limit that it would have without us.
func restoreCore(pid int, was *unix.Rlimit) {
	if was != nil {
		_ = unix.Prlimit(pid, unix.RLIMIT_CORE, was, nil) // a command that is gone needs none
	}
}

// reaper gives a function that takes the dead off the process table who fell
// to this process, as they do to the first one of a container; not the
// command, which is waited for elsewhere.
func reaper(command int) func() {
	return func() {
		lists, _ := filepath.Glob("/proc/self/task/*/children") // threads that end meanwhile have none
		for _, list := range lists {
			text, _ := os.ReadFile(list)
			for _, word := range strings.Fields(string(text)) {
				if pid, err := strconv.Atoi(word); err == nil && pid != command {
					_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil) // alive still: the next signal
				}
			}
		}
	}
}
