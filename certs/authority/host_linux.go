// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// host is what this machine lets the authority see.
type host struct {
	euid      uint32
	ptrace    bool   // CAP_SYS_PTRACE: other users' processes may be looked at
	procfs    bool   // /proc shows processes
	pidfd     bool   // processes can be pinned: pidfd_open, Linux 5.3
	peerPidfd bool   // the peer of a socket can be pinned: SO_PEERPIDFD, Linux 6.5
	overflow  uint32 // what unmapped users are shown as, beside nobodyID
}

// newHost tries things out rather than ask for the kernel's version: containers and
// seccomp filters take away what a version promises.
func newHost() (*host, error) {
	h := &host{euid: uint32(os.Geteuid()), overflow: nobodyID}
	var err error
	if h.ptrace, err = hasCapability(unix.CAP_SYS_PTRACE); err != nil {
		return nil, err
	}
	_, err = os.Readlink("/proc/self/exe")
	h.procfs = err == nil
	if fd, err := unix.PidfdOpen(os.Getpid(), 0); err == nil {
		h.pidfd = true
		_ = unix.Close(fd) // probing
	}
	h.peerPidfd = h.pidfd && probePeerPidfd()
	if text, err := readProc("/proc/sys/kernel/overflowuid"); err == nil {
		if n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 32); err == nil {
			h.overflow = uint32(n)
		}
	}
	return h, nil
}

// probePeerPidfd asks a socket pair for its peer, which is this process.
func probePeerPidfd() bool {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(pair[0]) //nolint:errcheck // probing
	defer unix.Close(pair[1]) //nolint:errcheck // probing
	fd, err := unix.GetsockoptInt(pair[0], unix.SOL_SOCKET, unix.SO_PEERPIDFD)
	if err != nil {
		return false
	}
	_ = unix.Close(fd) // probing
	return true
}

// hasCapability reports whether this process has a capability in effect.
func hasCapability(c uint) (bool, error) {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return false, fmt.Errorf("reading this process's capabilities: %w", err)
	}
	return data[c/32].Effective&(1<<(c%32)) != 0, nil
}

// nobody reports whether uid stands for users that cannot be named (§1.6).
func (h *host) nobody(uid uint32) bool { return uid == nobodyID || uid == h.overflow }

// check refuses an entry that could never match here (AUTHORITY.md §2.2).
func (h *host) check(e Entry) error {
	switch {
	case e.UID != nil && h.nobody(*e.UID):
		return fmt.Errorf("uid %d stands for nobody here", *e.UID)
	case e.needsProcess() && (!h.procfs || !h.pidfd):
		return errors.New("unit, exec and exec_sha256 need /proc and pidfd_open (Linux 5.3); this machine has not both")
	case e.needsExec() && !h.ptrace && (e.UID == nil || *e.UID != h.euid):
		return fmt.Errorf("exec and exec_sha256 need the right to read /proc/PID/exe of other users' processes: give the gateway CAP_SYS_PTRACE, or name uid %d, its own", h.euid)
	}
	return nil
}
