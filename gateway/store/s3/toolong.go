// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/sealgate/sealgate/gateway/store"
)

// maxName is what every file system holds between two slashes.
const maxName = 255

// ofLongKey gives the 400 of a HEAD, which has no body to say why, its meaning: a
// backend on a file system answers so when a name in the key is too long for it.
func ofLongKey(err error, key string) error {
	e, ok := err.(minio.ErrorResponse) //nolint:errorlint // as it came from the client
	if !ok || e.StatusCode != http.StatusBadRequest || codes[e.Code] != nil {
		return err
	}
	for name := range strings.SplitSeq(key, "/") {
		if len(name) > maxName {
			return fmt.Errorf("%w (status %d)", store.ErrKeyTooLong, e.StatusCode)
		}
	}
	return err
}
