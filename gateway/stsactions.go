// SPDX-License-Identifier: Apache-2.0

package gateway

import "github.com/sealgate/sealgate/gateway/s3api"

// stsAction has the rows of the token service.
func stsAction(s3api.Op) (action, bool) {
	return action{}, false
}
