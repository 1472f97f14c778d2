// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"container/list"
	"sync"

	"github.com/sealgate/sealgate/envelope"
)

// manifests remembers manifests of multipart objects that were opened. One
// serves again only for a header that has opened, of the same object id,
// commitment and stored length (FORMAT.md §9): what stands at a key now is
// never taken from here, only guessed, so that one call to the store can ask
// for the right bytes.
type manifests struct {
	mu    sync.Mutex
	byKey map[envelope.ManifestKey]*list.Element
	at    map[pin]*list.Element // the newest known at a bucket's key
	order list.List             // of *knownManifest; the front was used last
	cost  int
}

type knownManifest struct {
	key      envelope.ManifestKey
	place    pin
	manifest *envelope.Manifest
	layout   envelope.Layout
}

// maxManifests bounds what is remembered, in bytes, roughly; manifestPart is
// what one part takes.
const (
	maxManifests = 64 << 20
	manifestBase = 1024
	manifestPart = 256
)

func (k *knownManifest) cost() int { return manifestBase + manifestPart*len(k.manifest.Parts) }

func placeOf(bucket, key string) pin { return pinOf(bucket, key, "") }

// add remembers a manifest that was just opened.
func (m *manifests) add(key envelope.ManifestKey, place pin, manifest *envelope.Manifest) {
	sizes := make([]int64, len(manifest.Parts))
	for i, p := range manifest.Parts {
		sizes[i] = p.Size
	}
	k := &knownManifest{key, place, manifest, envelope.NewLayout(sizes...)}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byKey == nil {
		m.byKey, m.at = map[envelope.ManifestKey]*list.Element{}, map[pin]*list.Element{}
	}
	if old, known := m.byKey[key]; known {
		m.drop(old)
	}
	e := m.order.PushFront(k)
	m.byKey[key], m.at[place] = e, e
	for m.cost += k.cost(); m.cost > maxManifests; {
		m.drop(m.order.Back())
	}
}

// drop forgets one. The lock is held.
func (m *manifests) drop(e *list.Element) {
	k := m.order.Remove(e).(*knownManifest)
	delete(m.byKey, k.key)
	if m.at[k.place] == e {
		delete(m.at, k.place)
	}
	m.cost -= k.cost()
}

// of gives the manifest of an object whose header has opened, nil if it is not
// known.
func (m *manifests) of(key envelope.ManifestKey) *envelope.Manifest {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, known := m.byKey[key]
	if !known {
		return nil
	}
	m.order.MoveToFront(e)
	return e.Value.(*knownManifest).manifest
}

// guess gives what stood at a key when it was last read, nil if that is not
// known.
func (m *manifests) guess(place pin) *knownManifest {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, known := m.at[place]
	if !known {
		return nil
	}
	return e.Value.(*knownManifest)
}
