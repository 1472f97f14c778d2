// SPDX-License-Identifier: Apache-2.0

package s3api

// xmlBody is an XML body that was declared and not yet read.
type xmlBody struct {
	payload payload
}
