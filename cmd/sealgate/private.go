// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
)

// readPrivate reads a file that holds a secret, and refuses one that others
// may read.
func readPrivate(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s may be read by others (mode %04o); run chmod 600 on it", name, info.Mode().Perm())
	}
	return os.ReadFile(name)
}
