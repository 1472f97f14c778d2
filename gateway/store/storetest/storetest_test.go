// SPDX-License-Identifier: Apache-2.0

package storetest_test

import (
	"testing"

	"github.com/sealgate/sealgate/gateway/store"
	"github.com/sealgate/sealgate/gateway/store/storetest"
)

func TestMem(t *testing.T) {
	t.Parallel()
	storetest.Run(t, storetest.Harness{Open: func(testing.TB) store.Store { return new(storetest.Mem) }})
}

// A Faulty without rules is the store that it stands before.
func TestFaultyWithoutRules(t *testing.T) {
	t.Parallel()
	storetest.Run(t, storetest.Harness{Open: func(testing.TB) store.Store {
		return storetest.NewFaulty(new(storetest.Mem), 1)
	}})
}
