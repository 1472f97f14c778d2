// SPDX-License-Identifier: Apache-2.0

package disk

import (
	"os"

	"golang.org/x/sys/unix"
)

// writeBack asks the system to begin writing n bytes of f, from off on, to
// the device. It makes nothing durable: the fsync at the end does, and would
// find all of a large body waiting for it otherwise. Neither does it wait, so
// an error of the device is left for the fsync to report.
func writeBack(f *os.File, off, n int64) {
	_ = unix.SyncFileRange(int(f.Fd()), off, n, unix.SYNC_FILE_RANGE_WRITE) // as above
}
