// SPDX-License-Identifier: Apache-2.0

package rotation

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/sealgate/sealgate/envelope"
	"github.com/sealgate/sealgate/gateway/audit"
	"github.com/sealgate/sealgate/gateway/state"
	"github.com/sealgate/sealgate/gateway/store"
)

// markerKey is the object that says whose bucket this is: RUNBOOK.md "Marker".
const markerKey = store.Reserved + "deployment"

// The system keyring whose key seals the marker. It is the gateway's own
// affair and no scope of the configuration.
const deploymentRing = "deployment"

// IdentifyConfig is what Identify compares.
type IdentifyConfig struct {
	// State is the database.
	State *state.DB
	// SystemBucket is the logical name of the bucket that Store is, for
	// messages.
	SystemBucket string
	Store        store.Store
	// Name is what the configuration calls this deployment.
	Name string
}

// Identify returns the deployment's id. It makes one if neither the database
// nor the bucket has one; if they or the configured name differ it changes
// nothing and is ErrDeployment. Ensure writes the marker.
func Identify(ctx context.Context, c IdentifyConfig) (envelope.ID, error) {
	id, err := identify(ctx, c)
	if err != nil {
		return envelope.ID{}, fmt.Errorf("checking the deployment: %w", err)
	}
	return id, nil
}

func identify(ctx context.Context, c IdentifyConfig) (envelope.ID, error) {
	// In this order: another replica that starts now writes the database first.
	marked, _, err := readMarker(ctx, c.Store)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return envelope.ID{}, fmt.Errorf("bucket %s: %w", c.SystemBucket, err)
	}
	d, known, err := c.State.Deployment(ctx)
	if err != nil {
		return envelope.ID{}, err
	}
	switch {
	case !known && !marked.IsZero():
		return envelope.ID{}, fmt.Errorf("%w: bucket %s belongs to deployment %s and this state database is new; put back that deployment's state.db, or use another bucket",
			ErrDeployment, c.SystemBucket, marked)
	case !known:
		id := envelope.NewID()
		err := c.State.SetDeployment(ctx, state.Deployment{ID: id.String(), Name: c.Name})
		if errors.Is(err, state.ErrConflict) { // another replica was first: its id counts
			return identify(ctx, c)
		}
		return id, err
	case d.Name != c.Name:
		return envelope.ID{}, fmt.Errorf("%w: the state database is that of %q, the configuration says %q; a deployment's name never changes",
			ErrDeployment, d.Name, c.Name)
	case !marked.IsZero() && marked.String() != d.ID:
		return envelope.ID{}, fmt.Errorf("%w: bucket %s belongs to deployment %s, this state database to %s; put the right state.db back, or use the right bucket",
			ErrDeployment, c.SystemBucket, marked, d.ID)
	}
	return envelope.ParseID(d.ID)
}

// ensureMarker compares the marker with this deployment and its seal, and
// writes it where it is absent.
func (k *Keyrings) ensureMarker(ctx context.Context, key *envelope.KeyringKey) error {
	s := k.c.Stores[k.c.SystemBucket]
	want := marker(k.c.Deployment, key)
	_, got, err := readMarker(ctx, s)
	if errors.Is(err, store.ErrNotFound) {
		e := audit.Event{Event: eventMarker, Action: "marker-write", Bucket: k.c.SystemBucket, Key: markerKey}
		return k.recorded(ctx, e, func(*audit.Outcome) error {
			k.c.Persist(pointMarkerPut)
			_, err := s.Put(ctx, markerKey, strings.NewReader(want), store.PutOptions{Size: int64(len(want)), IfNoneMatch: true})
			return err
		})
	}
	if err == nil && !hmac.Equal([]byte(got), []byte(want)) {
		err = fmt.Errorf("%w: the marker %s in bucket %s is not sealed by this deployment; delete it if the bucket is right, the next start writes it again",
			ErrDeployment, markerKey, k.c.SystemBucket)
	}
	return err
}

// marker is the text of the marker object. Its seal proves that who wrote it
// could open this deployment's keyrings.
func marker(id envelope.ID, key *envelope.KeyringKey) string {
	head := fmt.Sprintf("sealgate deployment 1\nid %s\n", id)
	mac := hmac.New(sha256.New, key.Derive("deployment marker", 32))
	mac.Write([]byte(head))
	return head + "seal " + hex.EncodeToString(mac.Sum(nil)) + "\n"
}

const (
	markerHead = "sealgate deployment 1\nid "
	markerSize = len(markerHead) + 32 + len("\nseal ") + 64 + len("\n")
)

// readMarker returns the id in the marker, which nothing vouches for yet, and
// its text. store.ErrNotFound if there is none; what is no marker is
// ErrDeployment.
func readMarker(ctx context.Context, s store.Store) (envelope.ID, string, error) {
	b, err := readAll(ctx, s, markerKey, markerSize)
	if err != nil {
		return envelope.ID{}, "", err
	}
	if len(b) == markerSize && strings.HasPrefix(string(b), markerHead) {
		if id, err := envelope.ParseID(string(b[len(markerHead) : len(markerHead)+32])); err == nil && !id.IsZero() {
			return id, string(b), nil
		}
	}
	return envelope.ID{}, "", fmt.Errorf("%w: %s is no deployment marker", ErrDeployment, markerKey)
}
