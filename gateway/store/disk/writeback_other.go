// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package disk

import "os"

// writeBack leaves it to the system when to begin writing.
func writeBack(*os.File, int64, int64) {}
