// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// peerOf asks the kernel who connected (AUTHORITY.md §1.1, §1.2). The caller has no
// process if none is visible from here, and a fault if it has ended already.
func (h *host) peerOf(conn *net.UnixConn) (*caller, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	var c *caller
	var errIdentify error
	err = raw.Control(func(fd uintptr) { c, errIdentify = h.identify(int(fd)) })
	return c, errors.Join(err, errIdentify)
}

// identify reads the user first and keeps it whatever follows: it is the one thing
// that the kernel holds for us.
func (h *host) identify(fd int) (*caller, error) {
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return nil, fmt.Errorf("asking for the peer's user: %w", err)
	}
	c := &caller{uid: cred.Uid, gid: cred.Gid, pid: max(int(cred.Pid), 0)}
	if c.pid == 0 {
		return c, nil
	}
	pidfd, err := h.pinPeer(fd, cred)
	if errors.Is(err, errUnpinnable) {
		return c, nil
	}
	if err == nil {
		c.process, err = pin(c.pid, pidfd)
	}
	c.fault = err
	return c, nil
}

// errUnpinnable means that this kernel has no way to pin a process.
var errUnpinnable = errors.New("processes cannot be pinned here")

// pinPeer returns a pidfd of whoever connected.
func (h *host) pinPeer(fd int, cred *unix.Ucred) (*os.File, error) {
	if h.peerPidfd {
		pidfd, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PEERPIDFD)
		if err != nil {
			// The option is known here, so what is missing is the process.
			return nil, errGone
		}
		return os.NewFile(uintptr(pidfd), "pidfd"), nil
	}
	if !h.pidfd {
		return nil, errUnpinnable
	}
	return openPidfd(cred)
}

// openPidfd is the way before Linux 6.5. The id could have been recycled since the
// connect; a process of another user is noticed, one of the same user is not (§1.9).
func openPidfd(cred *unix.Ucred) (*os.File, error) {
	pid := int(cred.Pid)
	before, err := birthOf(pid)
	if err != nil {
		return nil, errGone
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, errGone
	}
	pidfd := os.NewFile(uintptr(fd), "pidfd")
	after, err := birthOf(pid)
	if err != nil || before != after || after.euid != cred.Uid {
		_ = pidfd.Close() // the error that led here is the one to tell
		return nil, errGone
	}
	return pidfd, nil
}
