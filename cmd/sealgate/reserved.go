// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"github.com/sealgate/sealgate/gateway/store"
)

// dropReserved removes the gateway's own objects from a bucket that is about to
// go, with every version of them.
func dropReserved(ctx context.Context, st store.Store) error {
	if v, ok := st.(store.Versioner); ok {
		status, err := v.Versioning(ctx)
		if err != nil {
			return err
		}
		if status != "" {
			return dropVersions(ctx, v)
		}
	}
	for o := (store.ListOptions{Prefix: store.Reserved}); ; {
		page, err := st.List(ctx, o)
		if err != nil {
			return err
		}
		for _, found := range page.Objects {
			if err := st.Delete(ctx, found.Key); err != nil {
				return err
			}
		}
		if !page.More {
			return nil
		}
		o.StartAfter = page.Next
	}
}

func dropVersions(ctx context.Context, v store.Versioner) error {
	for o := (store.VersionListOptions{Prefix: store.Reserved}); ; {
		page, err := v.ListVersions(ctx, o)
		if err != nil {
			return err
		}
		for _, found := range page.Versions {
			if _, err := v.DeleteVersion(ctx, found.Key, found.VersionID); err != nil {
				return err
			}
		}
		if !page.More {
			return nil
		}
		o.KeyMarker, o.VersionMarker = page.NextKey, page.NextVersion
	}
}
