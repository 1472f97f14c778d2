// SPDX-License-Identifier: Apache-2.0

package disk_test

import (
	"testing"

	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/storetest"
)

// harness is the store of these suites.
var harness = storetest.Harness{Open: func(tb testing.TB) store.Store {
	tb.Helper()
	return open(tb, tb.TempDir())
}}

func TestMultipart(t *testing.T) {
	t.Parallel()
	storetest.RunMultipart(t, harness)
}

func TestCopy(t *testing.T) {
	t.Parallel()
	storetest.RunCopy(t, harness)
}

func TestTags(t *testing.T) {
	t.Parallel()
	storetest.RunTags(t, harness)
}
