// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
)

// replica tells this gateway's data from that of every other replica: the
// machine and the data directory.
func (s *system) replica() string {
	host, _ := os.Hostname() // without a name the directory has to do
	return host + ":" + s.cfg.DataDir
}
