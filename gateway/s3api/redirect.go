// SPDX-License-Identifier: Apache-2.0

package s3api

import "strings"

const redirectHeader = "x-amz-website-redirect-location"

// redirect reads where a website would send who asks for the object. No website is
// served here; the value is kept with the object and told with it, as S3 does where it
// serves none.
func (r *request) redirect() (string, *Error) {
	to := r.header.get(redirectHeader)
	for _, prefix := range []string{"/", "http://", "https://"} {
		if strings.HasPrefix(to, prefix) {
			return to, nil
		}
	}
	if r.header.has(redirectHeader) {
		return "", NewError("InvalidRedirectLocation", "")
	}
	return "", nil
}
