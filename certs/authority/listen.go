// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// maxSocketPath is what fits into a socket address with its NUL (unix(7)).
const maxSocketPath = 107 // bytes

// socketMode lets everybody ask. Whom it answers is decided by attestation, who can
// reach it by the folders above (AUTHORITY.md §3.1).
const socketMode = 0o666

// Listen listens on Config.Socket. A socket file that nobody listens on any more is
// replaced. The file is removed when the listener is closed.
func (a *Authority) Listen() (net.Listener, error) {
	l, err := listen(a.cfg.Socket)
	if err != nil {
		return nil, fmt.Errorf("listening for the workload API on %s: %w", a.cfg.Socket, err)
	}
	return l, nil
}

func listen(path string) (net.Listener, error) {
	if err := checkSocketPath(path); err != nil {
		return nil, err
	}
	if err := checkSocketDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, errors.Unwrap(err) // the path is in the message already
	}
	if err := os.Chmod(path, socketMode); err != nil {
		_ = l.Close() // the error that led here is the one to tell
		return nil, fmt.Errorf("letting other users ask: %w", err)
	}
	return l, nil
}

// checkSocketPath: a longer path is cut or refused by the kernel with a message that
// helps nobody; an abstract one has no folder that could keep anybody out.
func checkSocketPath(path string) error {
	switch {
	case !filepath.IsAbs(path) || filepath.Clean(path) != path:
		return errors.New("the path is not absolute and clean")
	case len(path) > maxSocketPath:
		return fmt.Errorf("the path has %d bytes, at most %d fit; set --data or XDG_RUNTIME_DIR to a shorter one", len(path), maxSocketPath)
	}
	return nil
}

// checkSocketDir refuses a folder where another user could put a socket in the
// place of ours and answer instead of us.
func checkSocketDir(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // other users must get to the socket (§3.1)
		return fmt.Errorf("making the folder: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("looking at the folder: %w", err)
	}
	if info.Mode().Perm()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0 {
		return fmt.Errorf("folder %s may be written by other users (mode %#o), who could answer in its place; use another, or chmod go-w it", dir, info.Mode().Perm())
	}
	return nil
}

// removeStale removes a socket that nobody listens on. Anything else in its place
// is left alone.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("looking at what is there: %w", err)
	case info.Mode()&fs.ModeSocket == 0:
		return errors.New("something that is not a socket is there; move it away")
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		_ = conn.Close() // only whether it opens counts
		return errors.New("another process is listening there; stop it or choose another path")
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("finding out whether somebody listens there: %w", err)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("removing a socket that nobody listens on: %w", err)
	}
	return nil
}
