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

// optional are the suites of what a store may have.
var optional = map[string]func(*testing.T, storetest.Harness){
	"Multipart": storetest.RunMultipart, "Copy": storetest.RunCopy, "Tags": storetest.RunTags, "Versions": storetest.RunVersions,
	"Locks": storetest.RunLocks,
}

func TestOptional(t *testing.T) {
	t.Parallel()
	for name, run := range optional {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, storetest.Harness{
				Open:        func(testing.TB) store.Store { return new(storetest.Mem) },
				Enable:      func(_ testing.TB, s store.Store) { s.(*storetest.Mem).Versioned = true },
				OpenLocking: func(testing.TB) store.Store { return &storetest.Mem{Locks: true} },
			})
		})
		t.Run("Faulty"+name, func(t *testing.T) {
			t.Parallel()
			run(t, storetest.Harness{
				Open: func(testing.TB) store.Store {
					return storetest.NewFaulty(new(storetest.Mem), 1)
				},
				OpenLocking: func(testing.TB) store.Store {
					return storetest.NewFaulty(&storetest.Mem{Locks: true}, 1)
				},
				KeepsNoVersions: true,
			})
		})
	}
}
