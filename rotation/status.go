// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/sealgate/sealgate/gateway/state"
)

// Status is every KEK and keyring version at one moment, for `keys status`. It
// holds no key.
type Status struct {
	KEKs     []KEKStatus     // by name
	Keyrings []KeyringStatus // by scope and version
	// Leftovers is how many record objects wait to be deleted from buckets.
	Leftovers int
}

// KEKStatus is one KEK.
type KEKStatus struct {
	Name, Provider string
	// Version is the current one. Empty if the KEK did not answer.
	Version string
	// Versions that still unwrap, oldest first.
	Versions []KEKVersionStatus
	// Records is how many keyring records the KEK wraps, under any version.
	Records int
	// Err is why the KEK did not answer, nil if it did.
	Err error
}

// KEKVersionStatus is one version of a KEK.
type KEKVersionStatus struct {
	Version string
	Created time.Time
	// Records is how many keyring records are under it. An old version with
	// none is not needed by any record that the database knows.
	Records int
}

// KeyringStatus is one version of a keyring.
type KeyringStatus struct {
	Scope, Keyring     string // Keyring is the id in hex
	Version            uint32
	State              string
	KEK, KEKVersion    string
	Created, Activated time.Time // Activated is zero if it never was
}

// Status reads the status. A KEK that does not answer is part of it; only a
// database that does not is an error.
func (k *Keyrings) Status(ctx context.Context) (Status, error) {
	rows, err := k.c.State.ListKeyringVersions(ctx)
	if err != nil {
		return Status{}, err
	}
	left, err := k.c.State.Leftovers(ctx)
	if err != nil {
		return Status{}, err
	}
	s := Status{Leftovers: len(left)}
	records := map[string]map[string]int{} // by KEK, then by its version
	for _, v := range rows {
		s.Keyrings = append(s.Keyrings, KeyringStatus{
			Scope: v.Scope, Keyring: v.Keyring, Version: v.Version, State: v.State,
			KEK: v.KEK, KEKVersion: v.KEKVersion, Created: v.Created, Activated: v.Activated,
		})
		if records[v.KEK] == nil {
			records[v.KEK] = map[string]int{}
		}
		if v.State != state.StateDestroyed {
			records[v.KEK][v.KEKVersion]++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(k.c.KEKs)) {
		s.KEKs = append(s.KEKs, k.kekStatus(ctx, name, records[name]))
	}
	return s, nil
}

func (k *Keyrings) kekStatus(ctx context.Context, name string, records map[string]int) KEKStatus {
	s := KEKStatus{Name: name}
	for _, n := range records {
		s.Records += n
	}
	in, err := k.c.KEKs[name].Info(ctx)
	if err != nil {
		s.Err = err
		return s
	}
	s.Provider, s.Version = in.Provider, in.Version
	for _, v := range in.Versions {
		s.Versions = append(s.Versions, KEKVersionStatus{Version: v.Version, Created: v.Created, Records: records[v.Version]})
	}
	return s
}
