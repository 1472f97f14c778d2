// SPDX-License-Identifier: Apache-2.0

package s3_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/store"
)

// A 400 to HEAD says nothing; only a key that no file system holds explains it.
func TestKeyTooLongForTheBackend(t *testing.T) {
	t.Parallel()
	_, s := newFake(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) }, nil)
	for key, long := range map[string]bool{strings.Repeat("k", 256): true, "a/" + strings.Repeat("k", 256) + "/b": true, strings.Repeat("k", 255) + "/" + strings.Repeat("k", 255): false} {
		_, err := s.Head(t.Context(), key)
		if errors.Is(err, store.ErrKeyTooLong) != long || errors.Is(err, store.ErrKey) != long || err == nil {
			t.Errorf("key of %d bytes: %v", len(key), err)
		}
	}
}
