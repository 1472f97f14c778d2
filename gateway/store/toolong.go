// SPDX-License-Identifier: Apache-2.0

package store

import "fmt"

// ErrKeyTooLong is the ErrKey of a key that is longer than the backend holds, as a
// whole or between two slashes.
var ErrKeyTooLong = fmt.Errorf("%w: it is too long", ErrKey)
