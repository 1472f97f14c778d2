// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/testenv/gate"
	"github.com/sealgate/sealgate/testenv/servers"
)

// share is the part of all exchanges that go wrong in TestFlakyBackend.
const share = 0.3

// remembered is what may lie under a key: one of some bodies, nil for nothing.
type remembered [][]byte

func (m remembered) allows(a gate.Answer) bool {
	for _, body := range m {
		if body == nil && a.Status == http.StatusNotFound || body != nil && a.Status == http.StatusOK && a.Err == nil && bytes.Equal(a.Body, body) {
			return true
		}
	}
	return false
}

// TestFlakyBackend: of a backend that fails three times in ten, in every way at
// random, clients get what they asked for or a clean error. What was
// acknowledged holds, and what was not is one thing or the other, whole.
func TestFlakyBackend(t *testing.T) {
	t.Parallel()
	b := newBehind(t, servers.Versitygw(t))
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	tr := &trial{behind: b, t: t, key: "flaky"}
	tr.client = tr.Client(t, "/writer")
	dice := make(chan float64)
	go func() { // one source of chance for all exchanges, in their order
		for {
			select {
			case dice <- rnd.Float64():
			case <-t.Context().Done():
				return
			}
		}
	}()
	ways := []fault{busy, busy, hangUp, lost, halfRequest}
	end := b.spoiler.spoil(-1, func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
		ways[int(<-dice*float64(len(ways)))](w, r, pass)
	}, func(*http.Request) bool { return <-dice < share })
	keys := map[string]remembered{}
	failed := 0
	for i := range 80 {
		key := fmt.Sprintf("flaky/%d", i%5)
		known, ok := keys[key]
		if !ok {
			known = remembered{nil}
		}
		a := tr.flakyStep(i, key, known, keys)
		switch v := verdict(a); {
		case v == away:
			failed++
		case strings.Contains(v, " ") && v != "404 NoSuchKey" || a.Status >= 500:
			t.Errorf("step %d: %s %.200s", i, v, a.Body)
		}
	}
	if end() < 10 || failed == 0 {
		t.Errorf("%d steps failed: the backend was not flaky", failed)
	}
	for key, known := range keys {
		if a := tr.do(http.MethodGet, "/models/"+key, nil); !known.allows(a) {
			t.Errorf("%s is %d, %d bytes, none of what it may be", key, a.Status, len(a.Body))
		}
	}
	verify(t, b.Gate)
}

// flakyStep does one thing with a key and notes what it may hold then.
func (tr *trial) flakyStep(i int, key string, known remembered, keys map[string]remembered) gate.Answer {
	tr.t.Helper()
	target := "/models/" + key
	switch i / 5 % 4 {
	case 0, 2:
		body := random(10_000 + i)
		a := tr.do(http.MethodPut, target, body)
		if keys[key] = append(known, body); a.Status == http.StatusOK {
			keys[key] = remembered{body}
		}
		return a
	case 1:
		a := tr.do(http.MethodGet, target, nil)
		if a.Status != http.StatusServiceUnavailable && a.Err == nil && !known.allows(a) {
			tr.t.Errorf("%s is %d, %d bytes, none of what it may be", key, a.Status, len(a.Body))
		}
		return a
	}
	a := tr.do(http.MethodDelete, target, nil)
	if keys[key] = append(known, nil); a.Status == http.StatusNoContent {
		keys[key] = remembered{nil}
	}
	return a
}
