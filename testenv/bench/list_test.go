// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/sealgate/sealgate/testenv/servers"
)

// listed is how many keys are listed.
const listed = 10_000

// measureList lists 10,000 keys of one directory in pages of 1,000: of a disk
// bucket, and of one at MinIO, which is asked for the very same objects.
func measureList(t testing.TB) []Result {
	t.Helper()
	f := startFront(t, servers.MinIO(t))
	bare := plainTarget(t, f.server, f.stored)
	fillList(t, f.gateway)
	proxied := f.in(t, 5, timeList, f.gateway, bare)

	s := startSides(t)
	disk := target{endpoint: s.gateway.endpoint + "/models", client: s.gateway.client}
	fillList(t, disk)
	local, err := alternate(5, func() (float64, error) { return timeList(disk) })
	if err != nil {
		t.Fatal(err)
	}
	return []Result{
		against("list-10000", "keys/s", proxied[0], "minio", proxied[1]).atLeast(0.8).costing(f.cpu),
		figure("list-10000-disk", "keys/s", local[0]),
	}
}

func listedKey(i int) string { return fmt.Sprintf("list/shard-%06d.safetensors", i) }

func fillList(t testing.TB, to target) {
	t.Helper()
	if _, err := (load{mostClients, listed, func(i int) error { return to.put("/"+listedKey(i), i, 100) }}).run(); err != nil {
		t.Fatal(err)
	}
}

// timeList lists all keys and checks them.
func timeList(from target) (float64, error) {
	began := time.Now()
	keys, err := list(from, "list/")
	took := time.Since(began).Seconds()
	for i, k := range keys {
		if want := listedKey(i); k != want && err == nil {
			err = fmt.Errorf("key %d is %q, want %q", i, k, want)
		}
	}
	if len(keys) != listed && err == nil {
		err = fmt.Errorf("%d keys listed, want %d", len(keys), listed)
	}
	return float64(len(keys)) / took, err
}

// list reads a listing to its end.
func list(from target, prefix string) (keys []string, err error) {
	for token := ""; ; {
		q := url.Values{"list-type": {"2"}, "prefix": {prefix}}
		if token != "" {
			q.Set("continuation-token", token)
		}
		page, err := listPage(from, "?"+q.Encode())
		if err != nil {
			return nil, err
		}
		for _, c := range page.Contents {
			keys = append(keys, c.Key)
		}
		if token = page.NextContinuationToken; token == "" {
			return keys, nil
		}
	}
}

type listing struct {
	NextContinuationToken string
	Contents              []struct{ Key string }
}

func listPage(from target, query string) (p listing, err error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, from.endpoint+query, nil)
	if err != nil {
		return p, err
	}
	resp, err := from.client.Do(req)
	if err != nil {
		return p, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return p, fmt.Errorf("listing: %s", resp.Status)
	}
	return p, xml.NewDecoder(resp.Body).Decode(&p)
}
