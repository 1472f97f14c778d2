// SPDX-License-Identifier: Apache-2.0

package disk_test

import (
	"testing"

	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/disk"
	"github.com/sealgate/sealgate/gateway/store/storetest"
)

// open opens a store in dir until the test ends.
func open(tb testing.TB, dir string) *disk.Store {
	tb.Helper()
	s, err := disk.Open(disk.Config{Dir: dir})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, storetest.Harness{Open: func(tb testing.TB) store.Store {
		tb.Helper()
		return open(tb, tb.TempDir())
	}})
}
