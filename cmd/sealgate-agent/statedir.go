// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sealgate/sealgate/cmd/internal/cli"
	"github.com/sealgate/sealgate/cmd/internal/rundir"
)

// maxSocketPath is the longest path of a unix socket on Linux.
const maxSocketPath = 107

// stateDir is the directory of this user's agent.
func (a *app) stateDir() string { return rundir.Path(a.getenv) }

// state is the directory of one running agent, held by its lock.
type state struct {
	dir  string
	lock *os.File
}

// openState takes the directory for this process.
func (a *app) openState() (*state, error) {
	const hint = "set XDG_RUNTIME_DIR to a directory of this user's own"
	dir := a.stateDir()
	if len(filepath.Join(dir, rundir.Socket)) > maxSocketPath {
		return nil, cli.Misuse(hint+", with a shorter path", "opening %s: the path of a socket has at most %d bytes", dir, maxSocketPath)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, cli.Fail(cli.Failed, fmt.Errorf("making the agent's directory: %w", err), hint)
	}
	if err := rundir.CheckOwn(dir); err != nil {
		return nil, cli.Fail(cli.Failed, fmt.Errorf("opening the agent's directory: %w", err), hint)
	}
	lock, err := os.OpenFile(filepath.Join(dir, rundir.Lock), os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the agent's directory: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		pid, _ := os.ReadFile(lock.Name()) // for the message alone
		return nil, errors.Join(cli.Fail(cli.Failed, fmt.Errorf("starting: an agent of this user runs already, pid %s (%s)", strings.TrimSpace(string(pid)), dir),
			"stop it, or set XDG_RUNTIME_DIR for another"), lock.Close())
	}
	s := &state{dir: dir, lock: lock}
	if err := errors.Join(lock.Truncate(0), writeAt(lock, strconv.Itoa(os.Getpid())+"\n")); err != nil {
		return nil, errors.Join(fmt.Errorf("locking the agent's directory: %w", err), s.close())
	}
	return s, s.clear()
}

func writeAt(f *os.File, text string) error {
	_, err := f.WriteAt([]byte(text), 0)
	return err
}

func (s *state) path(name string) string { return filepath.Join(s.dir, name) }

// clear removes what an agent that was killed has left.
func (s *state) clear() error {
	for _, name := range []string{rundir.Credentials, rundir.Config, rundir.Token, rundir.Socket} {
		if err := os.Remove(s.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("clearing the agent's directory: %w", err)
		}
	}
	return nil
}

// close takes the keys away and lets go of the directory.
func (s *state) close() error { return errors.Join(s.clear(), s.lock.Close()) }

// writeSecret puts a secret into a file that only this user may read: whole,
// or not at all.
func writeSecret(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	temp := path + "." + rand.Text()
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o400)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return nil
}
