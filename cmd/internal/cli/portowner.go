// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// PortOwner finds who listens on a TCP port of this machine, as far as this
// user may see: its process id and name, 0 if unknown.
func PortOwner(address string) (pid int, name string) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return 0, ""
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return 0, ""
	}
	inode := ""
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		if inode == "" {
			inode = listeningInode(table, fmt.Sprintf("%04X", n))
		}
	}
	if inode == "" {
		return 0, ""
	}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*") // what may not be seen is left out
	for _, l := range links {
		if to, err := os.Readlink(l); err == nil && to == "socket:["+inode+"]" {
			dir := filepath.Dir(filepath.Dir(l))
			pid, _ = strconv.Atoi(filepath.Base(dir)) // the pattern leaves digits only
			comm, _ := os.ReadFile(filepath.Join(dir, "comm"))
			return pid, strings.TrimSpace(string(comm))
		}
	}
	return 0, ""
}

// listeningInode reads the kernel's table of sockets: column 1 is the local
// address, 3 the state (0A: listening), 9 the inode.
func listeningInode(table, port string) string {
	f, err := os.Open(table)
	if err != nil {
		return ""
	}
	defer f.Close() //nolint:errcheck // read side
	for lines := bufio.NewScanner(f); lines.Scan(); {
		cols := strings.Fields(lines.Text())
		if len(cols) > 9 && cols[3] == "0A" && strings.HasSuffix(cols[1], ":"+port) {
			return cols[9]
		}
	}
	return ""
}
