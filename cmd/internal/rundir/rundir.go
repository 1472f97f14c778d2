// SPDX-License-Identifier: Apache-2.0

// Package rundir knows where a user's agent keeps its keys and its socket
// (cmd/sealgate-agent/AGENT.md, "Files").
package rundir

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// The files of a running agent.
const (
	Lock        = "lock"        // the pid of the one agent that runs
	Credentials = "credentials" // the key pair, as AWS clients read it
	Config      = "config"      // endpoint, region and path style, likewise
	Token       = "token"       // of container credentials
	Socket      = "status.sock"
)

const name = "sealgate-agent"

// Path gives the directory of this user's agent. It need not be there.
func Path(getenv func(string) string) string {
	if dir := getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, name)
	}
	uid := strconv.Itoa(os.Getuid())
	if run := filepath.Join("/run/user", uid); CheckOwn(run) == nil {
		return filepath.Join(run, name)
	}
	return filepath.Join(os.TempDir(), name+"-"+uid)
}

// CheckOwn tells why a directory is not this user's alone to write. What lies in one
// that another may write is nobody's word.
func CheckOwn(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory", dir)
	case !ok || int(st.Uid) != os.Getuid():
		return fmt.Errorf("%s belongs to another user", dir)
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("%s may be written by others (mode %04o)", dir, info.Mode().Perm())
	}
	return nil
}
